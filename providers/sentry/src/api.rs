//! Talking to Sentry's web API.

use bulkhead_sdk::http::{RequestBuilder, percent_encode};
use bulkhead_sdk::paging::{Bounds, Page, Pages, collect};
use bulkhead_sdk::prelude::*;
use serde::de::DeserializeOwned;

use crate::about::{About, Target};
use crate::refusal::explain;
use crate::scope::Scope;
use crate::settings::{Settings, TOKEN};

/// The organization that the settings name, at the Sentry that they name.
pub struct Api<'a> {
    cx: &'a Context,
    /// The organization's slug.
    pub org: String,
    /// The server, such as `https://us.sentry.io`.
    pub base: String,
    /// The project that lists are about unless the caller names another.
    pub project: Option<String>,
}

/// What the lists have in common.
pub struct Listing<'q> {
    /// Below the organization, such as `issues`.
    pub path: &'q str,
    /// The name that the parameter for the size of a page has there.
    pub size: &'q str,
    /// Where to begin.
    pub cursor: Option<String>,
    /// How many to list.
    pub limit: u32,
    /// The least scope that the token needs.
    pub scope: Scope,
}

impl<'a> Api<'a> {
    /// Reads the settings.
    pub fn of(cx: &'a Context) -> Result<Self, CallError> {
        let settings = Settings::of(cx)?;
        let (org, base) = (settings.org()?.to_owned(), settings.base_url()?.to_owned());
        Ok(Self { cx, org, base, project: settings.project })
    }

    /// Starts a request below the organization, such as `["issues", "42"]`.
    pub fn request(&self, method: Method, path: &[&str], about: About) -> Result<RequestBuilder<'a>, CallError> {
        self.start(method, &[&["organizations", &self.org], path].concat(), about)
    }

    /// Starts a request below a project.
    pub fn in_project(
        &self,
        project: &str,
        method: Method,
        path: &[&str],
        about: About,
    ) -> Result<RequestBuilder<'a>, CallError> {
        self.start(method, &[&["projects", &self.org, project], path].concat(), about)
    }

    fn start(&self, method: Method, path: &[&str], about: About) -> Result<RequestBuilder<'a>, CallError> {
        let mut url = format!("{}/api/0/", self.base);
        for segment in path {
            if matches!(*segment, "" | "." | "..") {
                return Err(CallError::invalid_input(format!("`{segment}` is no id or name: give a real one")));
            }
            url.push_str(&percent_encode(segment));
            url.push('/'); // Sentry redirects what does not end in a slash
        }
        let (cx, org, base) = (self.cx, self.org.clone(), self.base.clone());
        Ok(cx.request(method, url).bearer_secret(TOKEN).explain(move |failure| {
            if let Failure::Status(response) = failure {
                report_quota(cx, response);
            }
            explain(failure, &about, &org, &base)
        }))
    }

    /// Sends a request and reads its answer.
    pub fn read<T: DeserializeOwned>(&self, request: RequestBuilder<'a>) -> Result<T, CallError> {
        let response = request.send()?;
        report_quota(self.cx, &response);
        response.json()
    }

    /// Sends two at once.
    pub fn both(&self, requests: [RequestBuilder<'a>; 2]) -> [Result<Response, CallError>; 2] {
        let mut answers = self.cx.send_all(requests).into_iter();
        let answers =
            std::array::from_fn(|_| answers.next().unwrap_or_else(|| Err(CallError::internal("an answer is missing"))));
        if let Some(Ok(response)) = answers.iter().find(|answer| answer.is_ok()) {
            report_quota(self.cx, response);
        }
        answers
    }

    /// Lists, page by page. `filter` adds the parameters.
    pub fn list<T: DeserializeOwned>(
        &self,
        listing: Listing<'_>,
        filter: impl Fn(RequestBuilder<'a>) -> RequestBuilder<'a>,
    ) -> Result<Pages<T>, CallError> {
        let bounds = Bounds::items(usize::try_from(listing.limit).unwrap_or(usize::MAX));
        collect(listing.cursor, bounds, |cursor, wanted| {
            let about = About { scope: listing.scope, target: Target::Org };
            let mut request = filter(self.request(Method::Get, &[listing.path], about)?).query(listing.size, wanted);
            if let Some(cursor) = cursor {
                request = request.query("cursor", cursor);
            }
            let response = request.retry().send()?;
            report_quota(self.cx, &response);
            Ok(Page { items: response.json()?, next: response.next_cursor() })
        })
    }
}

/// Sentry limits every endpoint by itself and tells the state of the one that was asked.
fn report_quota(cx: &Context, response: &Response) {
    if let Some(quota) = Quota::from_headers(response, "x-sentry-rate-limit", "api") {
        cx.report_quota(&quota);
    }
}
