//! Where requests begin: at the call's context.

use super::{RequestBuilder, Response, send::send_all};
use crate::context::Context;
use crate::contract::Method;
use crate::error::CallError;

impl Context {
    /// Starts a request; see [`RequestBuilder`].
    pub fn request(&self, method: Method, url: impl Into<String>) -> RequestBuilder<'_> {
        RequestBuilder::new(self, method, url.into())
    }

    /// Starts a GET.
    pub fn get(&self, url: impl Into<String>) -> RequestBuilder<'_> {
        self.request(Method::Get, url)
    }

    /// Starts a POST.
    pub fn post(&self, url: impl Into<String>) -> RequestBuilder<'_> {
        self.request(Method::Post, url)
    }

    /// Starts a PUT.
    pub fn put(&self, url: impl Into<String>) -> RequestBuilder<'_> {
        self.request(Method::Put, url)
    }

    /// Starts a PATCH.
    pub fn patch(&self, url: impl Into<String>) -> RequestBuilder<'_> {
        self.request(Method::Patch, url)
    }

    /// Starts a DELETE.
    pub fn delete(&self, url: impl Into<String>) -> RequestBuilder<'_> {
        self.request(Method::Delete, url)
    }

    /// Sends several requests concurrently. Each answer stands where its request stood and is judged as
    /// [`RequestBuilder::send`] would.
    pub fn send_all<'a>(
        &self,
        requests: impl IntoIterator<Item = RequestBuilder<'a>>,
    ) -> Vec<Result<Response, CallError>> {
        send_all(self.gate(), &requests.into_iter().collect::<Vec<_>>())
    }
}
