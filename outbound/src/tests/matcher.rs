use std::net::IpAddr;

use proptest::prelude::*;

use crate::{Allowlist, HostRule, Target};

fn target(url: &str) -> Target {
    Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).0
}

fn allowlist(entries: &[&str]) -> Allowlist {
    Allowlist::from_entries(entries.iter().copied()).unwrap()
}

const TABLE: &[(&str, &str, bool)] = &[
    ("api.example.com", "https://api.example.com/", true),
    ("api.example.com", "https://API.EXAMPLE.com./v1?x#y", true),
    ("api.example.com", "https://api.example.com:443/", true),
    ("api.example.com", "http://api.example.com/", false),
    ("api.example.com", "http://api.example.com:443/", false),
    ("api.example.com", "https://api.example.com:8443/", false),
    ("api.example.com", "https://example.com/", false),
    ("api.example.com", "https://x.api.example.com/", false),
    ("api.example.com", "https://api.example.com.evil.net/", false),
    ("api.example.com", "https://api-example.com/", false),
    ("http://api.example.com", "http://api.example.com/", true),
    ("http://api.example.com", "https://api.example.com/", false),
    ("http://api.example.com:8080", "http://api.example.com:8080/", true),
    ("http://api.example.com:8080", "http://api.example.com/", false),
    ("*.sentry.io", "https://us.sentry.io/", true),
    ("*.sentry.io", "https://o1.ingest.sentry.io/", true),
    ("*.sentry.io", "https://US.Sentry.IO./", true),
    ("*.sentry.io", "https://sentry.io/", false),
    ("*.sentry.io", "https://evilsentry.io/", false),
    ("*.sentry.io", "https://us.evilsentry.io/", false),
    ("*.sentry.io", "https://sentry.io.evil.net/", false),
    ("*.sentry.io", "https://us.sentry.io:8443/", false),
    ("*.sentry.io", "http://us.sentry.io/", false),
    ("bücher.example", "https://xn--bcher-kva.example/", true),
    ("xn--bcher-kva.example", "https://bücher.example/", true),
    ("*.bücher.example", "https://a.BÜCHER.example/", true),
    ("http://127.0.0.1:19999", "http://127.0.0.1:19999/", true),
    ("http://127.0.0.1:19999", "http://0x7f.1:19999/", true),
    ("http://127.0.0.1:19999", "http://127.0.0.1/", false),
    ("http://127.0.0.1:19999", "http://127.0.0.2:19999/", false),
    ("http://127.0.0.1:19999", "http://localhost:19999/", false),
    ("http://127.0.0.1:19999", "http://[::ffff:127.0.0.1]:19999/", false),
    ("http://[::1]", "http://[0:0:0:0:0:0:0:1]/", true),
    ("http://[::1]", "http://[::2]/", false),
];

#[test]
fn a_rule_matches_scheme_port_and_whole_labels() {
    for (entry, url, permitted) in TABLE {
        assert_eq!(allowlist(&[entry]).permits(&target(url)), *permitted, "{entry} {url}");
    }
}

#[test]
fn a_rule_is_within_another_that_allows_as_much_or_more() {
    for (narrow, wide, within) in [
        ("a.example.com", "a.example.com", true),
        ("A.Example.com.", "https://a.example.com:443", true),
        ("a.example.com", "*.example.com", true),
        ("a.b.example.com", "*.example.com", true),
        ("*.b.example.com", "*.example.com", true),
        ("*.example.com", "*.example.com", true),
        ("http://127.0.0.1:80", "http://127.0.0.1", true),
        ("example.com", "*.example.com", false),
        ("evilexample.com", "*.example.com", false),
        ("*.evilexample.com", "*.example.com", false),
        ("*.example.com", "*.b.example.com", false),
        ("*.example.com", "a.example.com", false),
        ("*.a.example.com", "a.example.com", false),
        ("http://a.example.com", "*.example.com", false),
        ("http://a.example.com:443", "*.example.com", false),
        ("a.example.com:8443", "*.example.com", false),
        ("a.example.com", "*.example.com:8443", false),
        ("http://127.0.0.1", "http://127.0.0.2", false),
    ] {
        let rule = |text: &str| text.parse::<HostRule>().unwrap();
        assert_eq!(rule(narrow).is_within(&rule(wide)), within, "{narrow} in {wide}");
    }
}

#[test]
fn an_empty_allowlist_permits_nothing() {
    assert!(!Allowlist::default().permits(&target("https://example.com/")));
}

#[test]
fn an_address_is_named_with_scheme_and_port() {
    let list = allowlist(&["http://10.0.0.5:8080", "https://[fd00::5]", "http://netdata.example:8080"]);
    let addr = |text: &str| text.parse::<IpAddr>().unwrap();
    let at = target("http://netdata.example:8080/");
    assert!(list.names_address(addr("10.0.0.5"), &at));
    assert!(list.names_address(addr("::ffff:10.0.0.5"), &at));
    assert!(!list.names_address(addr("10.0.0.6"), &at));
    assert!(!list.names_address(addr("10.0.0.5"), &target("http://netdata.example/")));
    assert!(!list.names_address(addr("10.0.0.5"), &target("https://netdata.example:8080/")));
    assert!(list.names_address(addr("fd00::5"), &target("https://netdata.example/")));
    assert!(!list.names_address(addr("fd00::5"), &at));
}

proptest! {
    #![proptest_config(bulkhead_properties::tries(256))]
    #[test]
    fn a_wildcard_matches_exactly_the_names_with_more_labels(
        parent in prop::collection::vec("[a-z]{1,3}", 2..4),
        name in prop::collection::vec("[a-z]{1,3}", 1..6),
        related: bool,
    ) {
        // No list knows the top-level name. Unrelated names hardly ever match by chance: half are made from the parent.
        let parent = [parent, vec!["test".to_owned()]].concat();
        let name = [name, vec!["test".to_owned()]].concat();
        let name = if related { [name, parent.clone()].concat() } else { name };
        let list = allowlist(&[&format!("*.{}", parent.join("."))]);
        let expected = name.len() > parent.len() && name.ends_with(&parent);
        prop_assert_eq!(list.permits(&target(&format!("https://{}/", name.join(".")))), expected);
    }

    #[test]
    fn a_wildcard_never_matches_its_parent_or_what_only_ends_like_it(
        parent in "[a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){0,3}",
        glued in "[a-z0-9]([a-z0-9]{0,4}-?[a-z0-9]{1,4})?",
        below in "[a-z0-9]{1,8}",
    ) {
        let list = allowlist(&[&format!("*.{parent}.test")]);
        let permits = |host: &str| list.permits(&target(&format!("https://{host}/")));
        let inside = format!("{below}.{parent}.test");
        prop_assert!(permits(&inside));
        for host in [
            format!("{parent}.test"),
            format!("{glued}{parent}.test"),
            format!("{below}.{glued}{parent}.test"),
            format!("{below}.{parent}.test.evil{glued}"),
            format!("{below}.{parent}.{glued}.test"),
        ] {
            // By chance a made-up label may continue the parent.
            prop_assert!(!permits(&host) || host.ends_with(&format!(".{parent}.test")), "{}", host);
        }
    }

    #[test]
    fn what_a_rule_within_another_permits_the_other_permits_too(
        narrow in "(http://)?(\\*\\.)?([ab]\\.){1,3}[ab]{1,2}(:8)?",
        wide in "(http://)?(\\*\\.)?([ab]\\.){1,3}[ab]{1,2}(:8)?",
        url in "https?://([ab]\\.){1,4}[ab]{1,2}(:8)?/",
    ) {
        let (Ok(narrow), Ok(wide)) = (narrow.parse::<HostRule>(), wide.parse::<HostRule>()) else { return Ok(()) };
        let target = target(&url);
        if narrow.is_within(&wide) && narrow.permits(&target) {
            prop_assert!(wide.permits(&target));
        }
    }

    #[test]
    fn no_text_before_the_name_without_a_dot_matches(prefix in "[a-z0-9]{1,10}") {
        let list = allowlist(&["*.sentry.io", "sentry.io"]);
        let url = format!("https://{prefix}sentry.io/");
        prop_assert!(!list.permits(&target(&url)));
    }
}
