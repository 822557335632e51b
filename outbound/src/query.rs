//! One entry of `queries`: where a POST only asks.
//!
//! Grammar: `scheme "://" host [":" port] path`, written as it is sent. A segment that is `*` stands for one segment of
//! letters, digits and `-._~`, such as an organization's name.

use std::str::FromStr;

use thiserror::Error;
use url::Url;

use super::rule::HostRule;
use super::target::{Target, TargetError};

/// Longest entry in bytes.
const MAX_ENTRY: usize = 1024;

/// A URL to which a POST changes nothing. Its query string is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryUrl {
    target: Target,
    path: String,
}

/// Why an entry is refused. Each says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Longer than a URL should be.
    #[error("it is longer than {MAX_ENTRY} bytes: write one URL")]
    TooLong,
    /// Not a URL with a host.
    #[error("{0}")]
    Target(#[from] TargetError),
    /// Only the path is held against it.
    #[error("it has a query or a fragment, which are free: leave them out")]
    BeyondPath,
    /// Another spelling of the same.
    #[error("it is another spelling of '{0}': write that")]
    Spelling(String),
}

impl QueryUrl {
    /// Whether this is where `url`, which leads to `target`, asks. Both are as [`Target::parse`] gives them, so that case,
    /// dot segments and default ports are out of the way; whatever else is written differently is another path.
    #[must_use]
    pub fn covers(&self, target: &Target, url: &Url) -> bool {
        let (mut own, mut theirs) = (self.path.split('/'), url.path().split('/'));
        *target == self.target
            && loop {
                match (own.next(), theirs.next()) {
                    (None, None) => break true,
                    (Some("*"), Some(segment)) if is_plain(segment) => {}
                    (Some(own), Some(segment)) if own == segment && own != "*" => {}
                    _ => break false,
                }
            }
    }

    /// Whether an entry of `allowed_hosts` leads there.
    #[must_use]
    pub fn is_within(&self, rule: &HostRule) -> bool {
        rule.permits(&self.target)
    }
}

/// One segment for every upstream, however often it decodes.
fn is_plain(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

impl FromStr for QueryUrl {
    type Err = QueryError;

    fn from_str(entry: &str) -> Result<Self, QueryError> {
        if entry.len() > MAX_ENTRY {
            return Err(QueryError::TooLong);
        }
        let (target, url) = Target::parse(entry)?;
        if entry.contains(['?', '#']) {
            return Err(QueryError::BeyondPath);
        }
        if url.as_str() != entry {
            return Err(QueryError::Spelling(url.to_string()));
        }
        Ok(Self { target, path: url.path().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, url: &str) -> bool {
        let (target, url) = Target::parse(url).expect("a URL");
        entry.parse::<QueryUrl>().expect("an entry").covers(&target, &url)
    }

    #[test]
    fn an_entry_is_one_path_of_one_host_and_its_query_is_free() {
        let entry = "https://api.osv.dev/v1/query";
        for same in [
            "https://api.osv.dev/v1/query",
            "https://api.osv.dev/v1/query?a=b",
            "https://api.osv.dev/v1/query#part",
            "HTTPS://API.osv.dev.:443/v1/query",
            "https://api.osv.dev/v1/./x/../query",
            "https://api.osv.dev/v1/%2e/query",
        ] {
            assert!(covers(entry, same), "{same}");
        }
        for other in [
            "https://api.osv.dev/v1/query/",
            "https://api.osv.dev/v1/querybatch",
            "https://api.osv.dev/v1/Query",
            "https://api.osv.dev//v1/query",
            "https://api.osv.dev/v1//query",
            "https://api.osv.dev/v1/%71uery",
            "https://api.osv.dev/v1%2Fquery",
            "https://api.osv.dev/v1/query%2F",
            "https://api.osv.dev/v1/query;x",
            "https://api.osv.dev/v1/query/../delete",
            "https://api.osv.dev/v1",
            "https://api.osv.dev/",
            "http://api.osv.dev/v1/query",
            "https://api.osv.dev:8443/v1/query",
            "https://osv.dev/v1/query",
        ] {
            assert!(!covers(entry, other), "{other}");
        }
    }

    #[test]
    fn a_star_is_one_plain_segment() {
        let entry = "https://a.example/orgs/*/ask";
        assert!(covers(entry, "https://a.example/orgs/my-org_1.2/ask"));
        for other in [
            "https://a.example/orgs//ask",
            "https://a.example/orgs/a/b/ask",
            "https://a.example/orgs/a%2Fb/ask",
            "https://a.example/orgs/a;b/ask",
            "https://a.example/orgs/*/ask",
            "https://a.example/orgs/x/ask/",
            "https://a.example/orgs/x/../ask",
            "https://a.example/orgs/ask",
        ] {
            assert!(!covers(entry, other), "{other}");
        }
    }

    #[test]
    fn an_entry_is_written_as_it_is_sent() {
        for (entry, instead) in [
            ("https://api.osv.dev", "write that"),
            ("https://API.osv.dev/v1/query", "'https://api.osv.dev/v1/query'"),
            ("https://api.osv.dev:443/v1/query", "'https://api.osv.dev/v1/query'"),
            ("https://api.osv.dev/v1/../query", "'https://api.osv.dev/query'"),
            ("https://api.osv.dev/v1/query?x", "leave them out"),
            ("https://api.osv.dev/v1/query#x", "leave them out"),
            ("https://me@api.osv.dev/v1/query", "user information"),
            ("api.osv.dev/v1/query", "https://host/path"),
            ("ftp://api.osv.dev/v1/query", "https://"),
            ("https://*.osv.dev/v1/query", "host"),
        ] {
            let told = entry.parse::<QueryUrl>().expect_err(entry).to_string();
            assert!(told.contains(instead), "{entry}: {told}");
        }
    }
}
