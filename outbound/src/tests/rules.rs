use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use crate::{Allowlist, HostName, HostNameError, HostRule, RuleError, Target};

const GOOD: &[(&str, &str)] = &[
    ("api.example.com", "https://api.example.com"),
    ("https://api.example.com", "https://api.example.com"),
    ("https://api.example.com:443", "https://api.example.com"),
    ("http://api.example.com:80", "http://api.example.com"),
    ("http://api.example.com:443", "http://api.example.com:443"),
    ("https://api.example.com:8443", "https://api.example.com:8443"),
    ("HTTPS://API.Example.COM.", "https://api.example.com"),
    ("*.sentry.io", "https://*.sentry.io"),
    ("http://*.Sentry.io.:8080", "http://*.sentry.io:8080"),
    ("*.a.b.c.example.com", "https://*.a.b.c.example.com"),
    ("localhost:9000", "https://localhost:9000"),
    ("http://127.0.0.1:19999", "http://127.0.0.1:19999"),
    ("203.0.113.5", "https://203.0.113.5"),
    ("[::1]:8080", "https://[::1]:8080"),
    ("http://[2001:DB8:0:0::5]", "http://[2001:db8::5]"),
    ("bücher.example", "https://xn--bcher-kva.example"),
    ("*.BÜCHER.example", "https://*.xn--bcher-kva.example"),
    ("ｅxample.com", "https://example.com"),
    ("xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("a-b--c.example.com:65535", "https://a-b--c.example.com:65535"),
];

fn bad() -> Vec<(&'static str, RuleError)> {
    let port = |text: &str| RuleError::Port(text.to_owned());
    let spelling = |text: &str| RuleError::Spelling(text.parse().unwrap());
    let no_server = |text: &str| RuleError::NoServer(text.parse().unwrap());
    let only = |text: &str| RuleError::NotOnlyHost(text.to_owned());
    let scheme = |text: &str| RuleError::Scheme(text.to_owned());
    vec![
        ("", RuleError::Empty),
        ("https://", RuleError::Empty),
        ("https:///path", RuleError::Empty),
        (":443", RuleError::Empty),
        ("https://:443", RuleError::Empty),
        ("#", RuleError::Empty),
        (" example.com", RuleError::Space),
        ("example.com\n", RuleError::Space),
        ("exa\u{a0}mple.com", RuleError::Space),
        ("a.example.com b.example.com", RuleError::Space),
        ("exam\0ple.com", RuleError::Space),
        ("ftp://example.com", scheme("ftp")),
        ("wss://example.com", scheme("wss")),
        ("://example.com", scheme("")),
        ("*://example.com", scheme("*")),
        ("user@example.com", RuleError::UserInfo),
        ("https://user:pw@example.com", RuleError::UserInfo),
        ("https://example.com/", only("https://example.com")),
        ("http://example.com:8080/v1", only("http://example.com:8080")),
        ("example.com?x", only("https://example.com")),
        ("example.com#x", only("https://example.com")),
        ("example.com\\x", only("https://example.com")),
        ("*", RuleError::Wildcard),
        ("https://*", RuleError::Wildcard),
        ("*.", RuleError::Wildcard),
        ("*.*", RuleError::Wildcard),
        ("*.*.example.com", RuleError::Wildcard),
        ("foo*.example.com", RuleError::Wildcard),
        ("*foo.example.com", RuleError::Wildcard),
        ("foo.*.example.com", RuleError::Wildcard),
        ("example.*", RuleError::Wildcard),
        ("**.example.com", RuleError::Wildcard),
        ("*example.com", RuleError::Wildcard),
        ("*.203.0.113.5", RuleError::WildcardAddress),
        ("*.0.113.5", RuleError::WildcardAddress),
        ("*.[::1]", RuleError::WildcardAddress),
        ("example.com:", port("")),
        ("example.com:0", port("0")),
        ("example.com:65536", port("65536")),
        ("example.com:0443", port("0443")),
        ("example.com:+443", port("+443")),
        ("example.com:-1", port("-1")),
        ("example.com:https", port("https")),
        ("example.com:*", port("*")),
        ("https:example.com", port("example.com")),
        ("[::1]:", port("")),
        ("::1", RuleError::Brackets),
        ("2001:db8::5", RuleError::Brackets),
        ("[::1", RuleError::Brackets),
        ("[::1]8080", RuleError::Brackets),
        ("example.com:80:80", RuleError::Brackets),
        ("0x7f.1", spelling("127.0.0.1")),
        ("127.1", spelling("127.0.0.1")),
        ("2130706433", spelling("127.0.0.1")),
        ("0177.0.0.1", spelling("127.0.0.1")),
        ("127.0.0.1.", spelling("127.0.0.1")),
        ("127.000.000.001", spelling("127.0.0.1")),
        ("１２７.0.0.1", spelling("127.0.0.1")),
        ("127。0。0。1", spelling("127.0.0.1")),
        ("[::ffff:127.0.0.1]", spelling("127.0.0.1")),
        ("[::ffff:7f00:1]", spelling("127.0.0.1")),
        ("0.0.0.0", no_server("0.0.0.0")),
        ("0", no_server("0.0.0.0")),
        ("[::]", no_server("::")),
        ("224.0.0.1", no_server("224.0.0.1")),
        ("255.255.255.255", no_server("255.255.255.255")),
        ("[ff02::1]", no_server("ff02::1")),
        ("[::1%25eth0]", HostNameError::BadCharacter('%').into()),
        ("ex%61mple.com", HostNameError::BadCharacter('%').into()),
        ("_dmarc.example.com", HostNameError::BadCharacter('_').into()),
        ("foo_bar.example.com", HostNameError::BadCharacter('_').into()),
        ("a!b.example.com", HostNameError::BadCharacter('!').into()),
        ("＊.example.com", HostNameError::BadCharacter('*').into()),
        ("-a.example.com", HostNameError::BadCharacter('-').into()),
        ("a-.example.com", HostNameError::BadCharacter('-').into()),
        (".", HostNameError::EmptyLabel.into()),
        (".example.com", HostNameError::EmptyLabel.into()),
        ("a..example.com", HostNameError::EmptyLabel.into()),
        ("example.com..", HostNameError::EmptyLabel.into()),
        ("*..example.com", HostNameError::EmptyLabel.into()),
        ("1.2.3.4.5", HostNameError::NotAHost.into()),
        ("256.1.1.1", HostNameError::NotAHost.into()),
        ("example.123", HostNameError::NotAHost.into()),
        ("[1.2.3.4]", HostNameError::NotAHost.into()),
        ("[::g]", HostNameError::NotAHost.into()),
        ("exa<mple.com", HostNameError::NotAHost.into()),
        ("xn--a.example", HostNameError::NotAHost.into()),
    ]
}

#[test]
fn good_entries_have_one_normal_form() {
    for (entry, normal) in GOOD {
        let rule: HostRule = entry.parse().unwrap_or_else(|error| panic!("{entry}: {error}"));
        assert_eq!(rule.to_string(), *normal, "{entry}");
        assert_eq!(normal.parse(), Ok(rule), "{entry}");
    }
}

#[test]
fn entries_that_can_never_match_are_refused_with_the_reason() {
    for (entry, error) in bad() {
        assert_eq!(entry.parse::<HostRule>(), Err(error), "{entry:?}");
    }
}

#[test]
fn wildcards_over_a_single_label_are_too_broad() {
    for entry in ["*.com", "*.com.", "http://*.localhost:80", "*.中国"] {
        assert!(matches!(entry.parse::<HostRule>(), Err(RuleError::TooBroad(_))), "{entry}");
    }
    let error = "*.com".parse::<HostRule>().unwrap_err().to_string();
    assert_eq!(error, "'*.com' is too broad: write at least two labels after '*.', as in '*.example.com'");
}

#[test]
fn wildcards_over_what_strangers_share_are_too_broad() {
    let shared = [
        // Both sections of the list, wildcard rules (`*.ck`), and Unicode as it is written and as it is sent.
        "*.co.uk",
        "http://*.CO.UK.:8080",
        "*.com.au",
        "*.github.io",
        "*.herokuapp.com",
        "*.s3.amazonaws.com",
        "*.supabase.co",
        "*.anything.ck",
        "*.nagoya.jp",
        "*.公司.cn",
        "*.xn--55qx5d.cn",
        // Above one: everybody's buckets, everybody's virtual machines, every city of a prefecture.
        "*.amazonaws.com",
        "*.compute.amazonaws.com",
        "*.core.windows.net",
        "*.windows.net",
        "*.kawasaki.jp",
    ];
    for entry in shared {
        assert!(matches!(entry.parse::<HostRule>(), Err(RuleError::PublicSuffix(_))), "{entry}");
    }
    let error = "*.co.uk".parse::<HostRule>().unwrap_err().to_string();
    assert!(error.starts_with("'*.co.uk' is too broad: others can register names below 'co.uk'"), "{error}");
}

#[test]
fn wildcards_over_what_has_one_owner_are_not() {
    for entry in [
        "*.sentry.io",
        "*.ingest.us.sentry.io",
        "*.netdata.cloud",
        "*.example.co.uk",
        "*.me.github.io",
        "*.bucket.s3.amazonaws.com",
        "*.project.supabase.co",
        // Exceptions of the list, and names that it does not know.
        "*.www.ck",
        "*.city.kawasaki.jp",
        "*.corp.internal",
        "*.example.test",
        "*.svc.cluster.local",
        "*.home.arpa.lan",
        // No wildcard, no question.
        "co.uk",
        "github.io",
        "amazonaws.com",
    ] {
        assert!(entry.parse::<HostRule>().is_ok(), "{entry}: {:?}", entry.parse::<HostRule>());
    }
}

#[test]
fn lengths_are_those_of_dns() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), 253);
    assert!(format!("https://*.{longest}:65535").parse::<HostRule>().is_ok());
    assert_eq!(format!("{longest}a").parse::<HostRule>(), Err(HostNameError::TooLong.into()));
    assert_eq!(format!("a{label}.com").parse::<HostRule>(), Err(HostNameError::TooLong.into()));
    assert_eq!("a".repeat(301).parse::<HostRule>(), Err(RuleError::TooLong));
}

#[test]
fn all_wrong_entries_are_reported_at_once() {
    let errors = Allowlist::from_entries(["ok.example.com", "*", "example.com/x"]).unwrap_err();
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "allowed_hosts: \"*\" is refused: '*' can only be the whole first label: write '*.example.com', or list the hosts one by one",
            "allowed_hosts: \"example.com/x\" is refused: it goes on after the host: paths cannot be allowed one by one, write 'https://example.com'",
        ]
    );
}

proptest! {
    #![proptest_config(bulkhead_properties::tries(256))]
    #[test]
    fn parsing_never_panics(entry in "\\PC*") {
        let _ = entry.parse::<HostRule>();
    }

    #[test]
    fn the_normal_form_parses_to_the_same_rule(entry in "(https?://)?(\\*\\.)?[a-zA-Z0-9\\-._\\[\\]:%üß。*]{1,40}(:[0-9]{1,6})?") {
        if let Ok(rule) = entry.parse::<HostRule>() {
            prop_assert_eq!(rule.to_string().parse(), Ok(rule));
        }
    }

    #[test]
    fn every_good_entry_is_understood_and_says_the_same_when_it_is_shown(
        scheme in prop::option::of(any::<bool>()),
        wildcard: bool,
        labels in prop::collection::vec("[a-z0-9]([a-z0-9]{0,4}-?[a-z0-9]{1,4})?", 1..6),
        port in prop::option::of(1..=u16::MAX),
    ) {
        // No list knows this top-level name, and no number ends in it.
        let name = format!("{}.test", labels.join("."));
        let written = format!(
            "{}{}{name}{}",
            scheme.map_or("", |https| if https { "https://" } else { "http://" }),
            if wildcard { "*." } else { "" },
            port.map_or_else(String::new, |port| format!(":{port}")),
        );
        let rule: HostRule = written.parse().unwrap();
        let shown = rule.to_string();
        prop_assert_eq!(shown.parse::<HostRule>(), Ok(rule.clone()));
        prop_assert_eq!(rule.wildcard().map(HostName::as_str), wildcard.then_some(name.as_str()));
        // One place unless it is a wildcard, and that place is allowed.
        prop_assert_eq!(rule.target().is_some(), !wildcard);
        prop_assert!(rule.target().is_none_or(|target| rule.permits(&target) && target.to_string() == shown));
    }

    #[test]
    fn an_entry_that_is_an_address_allows_that_address(v4: u32, v6: u128, port in 1..=u16::MAX) {
        for entry in [format!("http://{}:{port}", Ipv4Addr::from(v4)), format!("http://[{}]:{port}", Ipv6Addr::from(v6))] {
            if let Ok(rule) = entry.parse::<HostRule>() {
                let (target, _) = Target::parse(&format!("{entry}/")).unwrap();
                prop_assert!(rule.permits(&target) && rule.target() == Some(target), "{}", entry);
            }
        }
    }

    #[test]
    fn every_ipv4_address_has_one_spelling(bits: u32, spelling in 0..4_usize) {
        let addr = Ipv4Addr::from(bits);
        let [a, b, c, d] = addr.octets();
        let entry = match spelling {
            0 => bits.to_string(),
            1 => format!("{a:#x}.{b}.{c}.{d}"),
            2 => format!("{a}.{}", bits & 0xff_ffff),
            _ => format!("{addr}."),
        };
        prop_assert!(entry.parse::<HostRule>().is_err());
    }
}
