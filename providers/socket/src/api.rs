//! Talking to Socket's API.

use bulkhead_sdk::http::RequestBuilder;
use bulkhead_sdk::prelude::*;

use crate::refusal::{Need, explain};
use crate::settings::{KEY, Settings};

/// Socket's API with our key.
pub struct Api<'a> {
    cx: &'a Context,
    url: String,
    org: Option<String>,
}

impl<'a> Api<'a> {
    /// Reads the settings.
    pub fn of(cx: &'a Context) -> Result<Self, CallError> {
        let settings: Settings = cx.settings()?;
        Ok(Self { cx, url: settings.api_url.trim_end_matches('/').to_owned(), org: settings.org })
    }

    /// The organization that the settings name.
    pub fn org(&self) -> Option<&str> {
        self.org.as_deref()
    }

    /// Starts a GET of a path such as `quota`. It is safe to send twice, so passing failures are tried again.
    pub fn get(&self, path: &str, need: Need) -> RequestBuilder<'a> {
        self.request(Method::Get, need).segment(path).retry()
    }

    /// Starts a request of the whole API.
    pub fn request(&self, method: Method, need: Need) -> RequestBuilder<'a> {
        let url = self.url.clone();
        self.cx.request(method, &self.url).bearer_secret(KEY).explain(move |failure| explain(failure, need, &url))
    }
}
