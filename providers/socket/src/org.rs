//! The organization that the tools work in.

use bulkhead_sdk::http::RequestBuilder;
use bulkhead_sdk::prelude::*;

use crate::api::Api;
use crate::orgs;
use crate::refusal::Need;

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
