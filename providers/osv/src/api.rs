//! How to reach OSV.dev, and what its refusals mean.

use bulkhead_sdk::HttpError;
use bulkhead_sdk::http::RequestBuilder;
use bulkhead_sdk::prelude::*;

/// The provider's settings in `provider-config.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "public_api")]
    api_url: String,
}

fn public_api() -> String {
    "https://api.osv.dev".to_owned()
}

/// An error as OSV.dev writes it, such as `{"code":5,"message":"Bug not found."}`.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// The API of OSV.dev, for one call.
pub struct Api<'a> {
    cx: &'a Context,
    url: String,
}

impl<'a> Api<'a> {
    /// The API that the settings name, or else the public one.
    ///
    /// # Errors
    ///
    /// `misconfigured` if the settings do not fit.
    pub fn of(cx: &'a Context) -> Result<Self, CallError> {
        let settings: Settings = cx.settings()?;
        Ok(Self { cx, url: settings.api_url.trim_end_matches('/').to_owned() })
    }

    /// Fetches one advisory.
    ///
    /// # Errors
    ///
    /// `not-found` if there is none of this id; otherwise what keeps OSV.dev from answering.
    pub fn vulnerability<T: for<'de> Deserialize<'de>>(&self, id: &str) -> Result<T, CallError> {
        let unknown = |said: &str| {
            CallError::not_found(format!(
                "OSV.dev has no advisory `{id}` ({said}): check the id, or try one of its aliases; vulns.query lists the \
                 advisories of a package"
            ))
        };
        self.send(self.cx.get(format!("{}/v1/vulns", self.url)).segment(id), unknown)
    }

    /// Asks by a POST to one of the query endpoints. Nothing changes by it, so it may arrive twice.
    ///
    /// # Errors
    ///
    /// `invalid-input` if OSV.dev does not accept the query; otherwise what keeps it from answering.
    pub fn ask<T: for<'de> Deserialize<'de>>(&self, endpoint: &str, body: &impl Serialize) -> Result<T, CallError> {
        let request = self.cx.post(format!("{}/v1/{endpoint}", self.url)).json(body);
        self.send(request, |said| CallError::not_found(format!("OSV.dev does not know what was asked for: {said}")))
    }

    fn send<T: for<'de> Deserialize<'de>>(
        &self,
        request: RequestBuilder<'_>,
        unknown: impl Fn(&str) -> CallError,
    ) -> Result<T, CallError> {
        request.retry().explain(|failure| self.explain(failure, &unknown)).send()?.json()
    }

    fn explain(&self, failure: &Failure<'_>, unknown: impl Fn(&str) -> CallError) -> Option<CallError> {
        match failure {
            Failure::Status(response) => {
                let refusal = response.json::<Refusal>().ok();
                match (response.status(), refusal) {
                    (400, Some(refusal)) => Some(CallError::invalid_input(format!(
                        "OSV.dev does not accept this: {}. Check the purl, the ecosystem's spelling (such as npm, PyPI, \
                         crates.io or Go) and the cursor",
                        refusal.message.trim_end_matches('.')
                    ))),
                    (404, Some(refusal)) => Some(unknown(refusal.message.trim_end_matches('.'))),
                    (404, None) => Some(CallError::misconfigured(format!(
                        "{} is not the API of OSV.dev: set `api_url` in the settings to {}, or leave it out",
                        self.url,
                        public_api()
                    ))),
                    _ => None,
                }
            }
            Failure::Gate(HttpError::TooLarge(_)) => Some(CallError::upstream_failed(
                "OSV.dev's answer is larger than a provider may read: ask for one version, or use vulns.batch, which \
                 gives ids only",
            )),
            Failure::Gate(_) => None,
        }
    }
}
