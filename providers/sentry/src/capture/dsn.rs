//! The DSN: where a project takes events, and its public key, in one URL.

use bulkhead_sdk::prelude::*;

use crate::settings::DSN;

/// `{scheme}://{key}[:{secret}]@{host}{path}/{project}`, taken apart.
#[derive(Debug, PartialEq)]
pub struct Dsn {
    scheme: String,
    key: String,
    host: String,
    path: String,
    project: String,
}

impl Dsn {
    /// Reveals and reads the secret.
    pub fn of(cx: &Context) -> Result<Self, CallError> {
        Self::read(&cx.secret_reveal(DSN)?)
    }

    /// Reads the secret's value, which must not show in an error: the message names the part that is wrong.
    pub fn read(value: &str) -> Result<Self, CallError> {
        Self::parse(value.trim()).map_err(|what| {
            CallError::misconfigured(format!(
                "the secret {DSN} is not a DSN: {what}. Copy it from the project's settings, Client Keys (DSN), and set it with \
                 `bulkhead secrets set {DSN}`"
            ))
        })
    }

    /// Strict, because every part goes into a URL or a header.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("it has no scheme such as https://")?;
        if !matches!(scheme, "https" | "http") {
            return Err("its scheme is neither https nor http");
        }
        let (user, rest) = rest.split_once('@').ok_or("it has no key before an @")?;
        let (key, secret) = user.split_once(':').unwrap_or((user, ""));
        if !is_word(key, "-") || !(secret.is_empty() || is_word(secret, "-")) {
            return Err("its key is empty or not of letters, digits and hyphens");
        }
        let (place, project) = rest.rsplit_once('/').ok_or("it has no project id at the end")?;
        if !is_word(project, "-_") {
            return Err("the project id at its end is missing or not of letters and digits");
        }
        let (host, path) = place.find('/').map_or((place, ""), |slash| place.split_at(slash));
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port),
            _ => (host, "443"),
        };
        let is_ipv6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        if !is_ipv6.map_or_else(|| is_word(name, "-."), |address| is_word(address, ":."))
            || port.parse::<u16>().is_err()
        {
            return Err("its host is empty or malformed");
        }
        if !path.split('/').skip(1).all(|part| is_word(part, "-_.~") && part != "." && part != "..") {
            return Err("its path is malformed");
        }
        let owned = str::to_owned;
        Ok(Self {
            scheme: owned(scheme),
            key: owned(key),
            host: owned(host),
            path: owned(path),
            project: owned(project),
        })
    }

    /// Where envelopes go.
    pub fn envelope_url(&self) -> String {
        let Self { scheme, host, path, project, .. } = self;
        format!("{scheme}://{host}{path}/api/{project}/envelope/")
    }

    /// The value of `X-Sentry-Auth`.
    pub fn auth(&self, client: &str) -> String {
        format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={}", self.key)
    }

    /// The text without the key.
    pub fn hide(&self, text: &str) -> String {
        text.replace(&self.key, "[key]")
    }

    /// The host, with its port if there is one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The id of the project.
    pub fn project(&self) -> &str {
        &self.project
    }
}

/// Not empty, and only of ASCII letters, digits and these.
fn is_word(text: &str, also: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dsns_of_every_kind_make_an_envelope_url() {
        for (dsn, url) in [
            ("https://abc123@o1.ingest.us.sentry.io/42", "https://o1.ingest.us.sentry.io/api/42/envelope/"),
            ("https://abc123:def@sentry.io/42", "https://sentry.io/api/42/envelope/"),
            ("http://abc123@127.0.0.1:8110/1", "http://127.0.0.1:8110/api/1/envelope/"),
            ("https://a-b@example.com/some/where/7", "https://example.com/some/where/api/7/envelope/"),
            ("http://abc@[::1]:9000/7", "http://[::1]:9000/api/7/envelope/"),
            ("http://abc@[::1]/7", "http://[::1]/api/7/envelope/"),
        ] {
            assert_eq!(Dsn::parse(dsn).unwrap().envelope_url(), url);
        }
    }

    #[test]
    fn sentrys_own_reader_agrees() {
        for text in ["https://abc123@o1.ingest.us.sentry.io/42", "http://key:secret@example.com:8080/sub/path/7"] {
            let theirs: sentry_types::Dsn = text.parse().unwrap();
            let ours = Dsn::parse(text).unwrap();
            assert_eq!(ours.envelope_url(), theirs.envelope_api_url().to_string());
            let auth: sentry_types::Auth = ours.auth("x/1").parse().unwrap();
            assert_eq!((auth.public_key(), auth.client_agent()), (theirs.public_key(), Some("x/1")));
            assert_eq!(auth.version(), sentry_types::protocol::LATEST);
        }
    }

    #[test]
    fn anything_else_is_refused_without_being_quoted() {
        for text in [
            "",
            "abc123",
            "ftp://abc@host/1",
            "https://host/1",
            "https://@host/1",
            "https://:secret@host/1",
            "https://a b@host/1",
            "https://abc\r\nx: y@host/1",
            "https://abc@host",
            "https://abc@host/",
            "https://abc@/1",
            "https://abc@host:port/1",
            "https://abc@host:99999/1",
            "https://abc@ho st/1",
            "https://abc@evil@host/1",
            "https://abc@host/../1",
            "https://abc@host//1",
            "https://abc@host/1?x=y",
            "https://abc@host/1#x",
        ] {
            let what = Dsn::parse(text).unwrap_err();
            assert!(text.is_empty() || !what.contains(text), "{what}");
        }
    }
}
