//! What the config says: which Sentry, which organization.

use bulkhead_sdk::prelude::*;

/// The secret with the auth token, which everything but `capture.error` needs.
pub const TOKEN: &str = "sentry_auth_token";

/// The secret with the DSN, which only `capture.error` needs.
pub const DSN: &str = "sentry_dsn";

/// `settings` of the provider.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    org: Option<String>,
    #[serde(default = "production")]
    base_url: String,
    /// The project that lists are about unless the caller names another.
    pub project: Option<String>,
}

fn production() -> String {
    "https://sentry.io".to_owned()
}

impl Settings {
    /// Reads them.
    pub fn of(cx: &Context) -> Result<Self, CallError> {
        cx.settings()
    }

    /// The slug of the organization. Capturing works without one.
    pub fn org(&self) -> Result<&str, CallError> {
        self.org.as_deref().filter(|org| !org.is_empty()).ok_or_else(|| {
            CallError::misconfigured(
                "no organization is configured: set providers.sentry.settings.org to its slug, which is the part of the address \
                 after /organizations/ or before .sentry.io",
            )
        })
    }

    /// The web server, such as `https://us.sentry.io`, without a slash at the end.
    pub fn base_url(&self) -> Result<&str, CallError> {
        let url = self.base_url.trim_end_matches('/');
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if host.is_some_and(|host| !host.is_empty() && !host.contains(['?', '#', '@'])) && !url.ends_with("/api/0") {
            return Ok(url);
        }
        Err(CallError::misconfigured(
            "providers.sentry.settings.base_url is not the address of a Sentry: write https://sentry.io, https://us.sentry.io, \
             https://de.sentry.io or your own, without /api/0",
        ))
    }
}
