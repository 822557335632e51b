use std::net::IpAddr;

use proptest::prelude::*;

use crate::{Host, Target, TargetError};

#[test]
fn a_url_is_normalised_once() {
    let table = [
        ("https://Example.COM", "https://example.com", "https://example.com/"),
        ("https://example.com.:443/a?b#c", "https://example.com", "https://example.com/a?b"),
        ("http://example.com:8080/a/../b", "http://example.com:8080", "http://example.com:8080/b"),
        ("HTTP://bücher.example:80/", "http://xn--bcher-kva.example", "http://xn--bcher-kva.example/"),
        ("https://0x7f.1/", "https://127.0.0.1", "https://127.0.0.1/"),
        ("https://2130706433/", "https://127.0.0.1", "https://127.0.0.1/"),
        ("https://[0:0:0:0:0:0:0:1]:8443/", "https://[::1]:8443", "https://[::1]:8443/"),
        ("https://ex%61mple.com/", "https://example.com", "https://example.com/"),
        ("https://example.com/a@b?c@d", "https://example.com", "https://example.com/a@b?c@d"),
    ];
    for (text, expected, sent) in table {
        let (target, url) = Target::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(target.to_string(), expected, "{text}");
        assert_eq!(url.as_str(), sent, "{text}");
    }
}

#[test]
fn the_audit_row_shows_a_port_only_where_it_says_something() {
    for (url, authority) in [
        ("https://example.com/", "example.com"),
        ("https://example.com:80/", "example.com:80"),
        ("http://127.0.0.1:19999/", "127.0.0.1:19999"),
        ("http://[::1]:81/", "[::1]:81"),
    ] {
        assert_eq!(Target::parse(url).unwrap().0.authority(), authority);
    }
}

#[test]
fn urls_without_a_clear_target_are_refused() {
    type Check = fn(&TargetError) -> bool;
    let not_a_url: Check = |error| matches!(error, TargetError::NotAUrl(_));
    let character: Check = |error| *error == TargetError::BadCharacter;
    let scheme: Check = |error| matches!(error, TargetError::Scheme(_));
    let user: Check = |error| *error == TargetError::UserInfo;
    let host: Check = |error| matches!(error, TargetError::Host(_));
    let port: Check = |error| *error == TargetError::Port;
    let table: &[(&str, Check)] = &[
        ("", not_a_url),
        ("example.com", not_a_url),
        ("/path", not_a_url),
        ("//example.com/", not_a_url),
        ("https:example.com", not_a_url),
        ("https:/example.com", not_a_url),
        ("https:///example.com", not_a_url),
        ("https://", not_a_url),
        ("https://?x", not_a_url),
        ("https://:443/", not_a_url),
        ("https://example.com:x/", not_a_url),
        ("https://example.com:65536/", not_a_url),
        ("https://[::1/", not_a_url),
        ("https://256.1.1.1/", not_a_url),
        ("https://exa<mple.com/", not_a_url),
        ("https://a%2fb.example.com/", not_a_url),
        (" https://example.com/", character),
        ("https://example.com/a b", character),
        ("https://exam\tple.com/", character),
        ("https://example.com/\r\nx: y", character),
        ("https://example.com\\@evil.net/", character),
        ("https:\\\\example.com", character),
        ("ftp://example.com/", scheme),
        ("file:///etc/passwd", scheme),
        ("ws://example.com/", scheme),
        ("data://text/plain", scheme),
        ("https://user@example.com/", user),
        ("https://user:pw@example.com/", user),
        ("https://@example.com/", user),
        ("https://:@example.com/", user),
        ("https://allowed.com@evil.net/", user),
        ("https://foo_bar.example.com/", host),
        ("https://a..example.com/", host),
        ("https://example.com../", host),
        ("https://-a.example.com/", host),
        ("https://a*b.example.com/", host),
        ("https://example.com:0/", port),
    ];
    for (text, check) in table {
        let error = Target::parse(text).unwrap_err();
        assert!(check(&error), "{text:?}: {error:?}");
    }
}

proptest! {
    #![proptest_config(bulkhead_properties::tries(256))]
    #[test]
    fn the_target_is_the_host_and_port_that_the_url_says(text in "(?i)https?://[\\PC\t\0]{0,24}[.:/@\\\\?#]?\\PC{0,16}") {
        if let Ok((target, url)) = Target::parse(&text) {
            let said = url::Url::parse(&text).unwrap();
            let bare = |host: url::Host<&str>| host.to_string().trim_end_matches('.').to_owned();
            let canonical = |host: &Host| match host {
                Host::Name(name) => name.to_string(),
                Host::Address(IpAddr::V4(addr)) => addr.to_string(),
                Host::Address(IpAddr::V6(addr)) => format!("[{addr}]"),
            };
            prop_assert_eq!(bare(said.host().unwrap()), canonical(target.host()));
            prop_assert_eq!(said.port_or_known_default().unwrap(), target.port().get());
            prop_assert_eq!(bare(url.host().unwrap()), canonical(target.host()));
            prop_assert!(said.username().is_empty() && said.password().is_none());
        }
    }

    #[test]
    fn parsing_never_panics(text in "\\PC*") {
        let _ = Target::parse(&text);
    }

    #[test]
    fn what_is_sent_has_the_target_that_was_checked(text in "https?://[a-zA-Z0-9\\-._:@%/?#\\[\\]ü。]{1,40}") {
        if let Ok((target, url)) = Target::parse(&text) {
            let again = Target::parse(url.as_str());
            prop_assert_eq!(again, Ok((target.clone(), url.clone())));
            // The HTTP client parses once more, with other code: it must see the same host.
            let uri: http::Uri = url.as_str().parse().unwrap();
            prop_assert_eq!(uri.host().unwrap(), target.host().to_string());
            prop_assert_eq!(uri.port_u16().unwrap_or(target.scheme().default_port().get()), target.port().get());
            prop_assert!(!uri.authority().unwrap().as_str().contains('@'));
        }
    }
}
