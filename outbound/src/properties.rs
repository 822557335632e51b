//! What has to hold of allowlists and targets, whatever the config and a URL say. The fuzz targets `allowlist` and
//! `target` look for counterexamples; the test below tries again what was ever found.

use url::{Host, Url};

use super::{HostRule, Target};
use bulkhead_properties::first_line;

/// Rules. The first line of the input is an entry, the rest a URL.
///
/// # Panics
/// When an entry's normal form is another rule, or a rule permits what a plain comparison of host, port and scheme does
/// not, or the other way round.
pub fn permission(input: &[u8]) {
    let Some((entry, url)) = first_line(input) else { return };
    let Ok(rule) = entry.parse::<HostRule>() else { return };
    let normal = rule.to_string();
    assert!(normal.parse() == Ok(rule.clone()), "`{normal}` is another rule");
    assert!(rule.is_within(&rule), "`{normal}` is not within itself");
    if let Some(parent) = rule.wildcard() {
        let bare = normal.replacen("*.", "", 1);
        assert!(bare.contains(parent.as_str()), "`{normal}` stands for another name");
        let target = Target::parse(&bare).map(|(target, _)| target);
        assert!(target.is_ok_and(|target| !rule.permits(&target)), "`{normal}` permits its own parent");
    }
    let Ok((target, sent)) = Target::parse(&String::from_utf8_lossy(url)) else { return };
    assert!(rule.permits(&target) == permits(&normal, &sent), "`{normal}` and `{sent}`");
}

/// The rule's own question, asked of its normal form as text and of the URL as it is sent.
fn permits(normal: &str, sent: &Url) -> bool {
    let below = normal.contains("://*.");
    let Ok(rule) = Url::parse(&normal.replacen("://*.", "://", 1)) else { return false };
    let hosts = match (rule.host(), sent.host()) {
        (Some(Host::Domain(parent)), Some(Host::Domain(name))) if below => name.ends_with(&format!(".{parent}")),
        (allowed, host) => !below && allowed == host,
    };
    hosts && rule.scheme() == sent.scheme() && rule.port_or_known_default() == sent.port_or_known_default()
}

/// Targets. The input is a URL.
///
/// # Panics
/// When what is sent has another target than what was checked, for this parser or for the HTTP client's, or carries user
/// information or a fragment.
pub fn aim(input: &[u8]) {
    let Ok((target, sent)) = Target::parse(&String::from_utf8_lossy(input)) else { return };
    assert!(Target::parse(sent.as_str()) == Ok((target.clone(), sent.clone())), "`{sent}` has another target");
    assert!(sent.username().is_empty() && sent.password().is_none() && sent.fragment().is_none(), "`{sent}`");
    // Not every path that a URL may have is one for the client; then nothing is sent.
    let Ok(uri) = sent.as_str().parse::<http::Uri>() else { return };
    let port = uri.port_u16().unwrap_or(target.scheme().default_port().get());
    assert!(uri.scheme_str() == Some(target.scheme().as_str()), "`{uri}` has another scheme");
    assert!(port == target.port().get(), "`{uri}` has another port");
    let host = |text: &str| Host::parse(text).map(|host| host.to_string()).ok();
    assert!(host(uri.host().unwrap_or_default()) == host(&target.host().to_string()), "`{uri}` has another host");
    assert!(uri.authority().is_some_and(|authority| !authority.as_str().contains('@')), "`{uri}` names a user");
    // Of addresses, some cannot be named in a config.
    if let super::Host::Name(_) = target.host() {
        let entry = target.to_string().parse::<HostRule>();
        assert!(entry.is_ok_and(|entry| entry.permits(&target)), "'{target}' is not the entry that would allow it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_properties::replay;

    #[test]
    fn nothing_that_fuzzing_kept_breaks_them() {
        replay("allowlist", permission);
        replay("target", aim);
    }
}
