//! Talking to Socket's API.

use bulkhead_sdk::http::RequestBuilder;
use bulkhead_sdk::prelude::*;

use crate::orgs;
use crate::refusal::{Need, explain};

/// The secret that holds an API token.
pub const KEY: &str = "socket_api_key";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    org: Option<String>,
    #[serde(default = "production")]
    api_url: String,
}

fn production() -> String {
    "https://api.socket.dev/v0".to_owned()
}

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

    fn request(&self, method: Method, need: Need) -> RequestBuilder<'a> {
        let url = self.url.clone();
        self.cx.request(method, &self.url).bearer_secret(KEY).explain(move |failure| explain(failure, need, &url))
    }
}

/// The organization that the tools work in.
pub struct Org<'a> {
    api: Api<'a>,
    slug: String,
}

impl<'a> Org<'a> {
    /// From the settings, or the only one that the key sees.
    pub fn of(cx: &'a Context) -> Result<Self, CallError> {
        let api = Api::of(cx)?;
        let slug = match api.org() {
            Some(slug) => slug.to_owned(),
            None => orgs::only(&api)?,
        };
        Ok(Self { api, slug })
    }

    /// Its name in URLs.
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// Starts a GET of a collection such as `repos`, with retries.
    pub fn get(&self, collection: &str, need: Need) -> RequestBuilder<'a> {
        self.request(Method::Get, collection, need).retry()
    }

    /// Starts a POST to a collection. What it does may be done already when its answer is lost: no retries.
    pub fn post(&self, collection: &str, need: Need) -> RequestBuilder<'a> {
        self.request(Method::Post, collection, need)
    }

    fn request(&self, method: Method, collection: &str, need: Need) -> RequestBuilder<'a> {
        self.api.request(method, need).segment("orgs").segment(&self.slug).segment(collection)
    }
}
