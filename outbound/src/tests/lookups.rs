//! The machine's own resolver, and how many addresses are too many.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::hosts_file::find;
use crate::tests::upstream::{FakeResolver, gate_with, get, send};
use crate::{Allowlist, Gate, GateOptions, Host, HostName, OutboundError, Resolve, SystemResolver, Target};

fn name(text: &str) -> HostName {
    match Target::parse(&format!("https://{text}/")).unwrap().0.host() {
        Host::Name(name) => name.clone(),
        Host::Address(addr) => panic!("{addr}"),
    }
}

/// Knows `a.example.com` as an absolute name. As a relative one it is what a search domain makes of it.
fn with_search_domain(asked: &str) -> io::Result<Vec<IpAddr>> {
    match asked {
        "a.example.com." => Ok(vec!["192.0.2.1".parse().unwrap()]),
        "a.example.com" | "b.example.com" => Ok(vec!["10.0.0.1".parse().unwrap()]),
        _ => Err(io::Error::other("unknown name")),
    }
}

#[tokio::test]
async fn names_are_absolute_so_that_search_domains_never_apply() {
    let resolver = SystemResolver::with(PathBuf::from("/does/not/exist"), with_search_domain);
    assert_eq!(resolver.resolve(&name("a.example.com")).await.unwrap(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert!(resolver.resolve(&name("b.example.com")).await.is_err());
}

#[tokio::test]
async fn the_hosts_file_is_asked_first() {
    let file = std::env::temp_dir().join(format!("bulkhead-hosts-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, "10.0.0.7 a.example.com\n").unwrap();
    let found = SystemResolver::with(file.clone(), with_search_domain).resolve(&name("A.example.com.")).await;
    std::fs::remove_file(file).unwrap();
    assert_eq!(found.unwrap(), ["10.0.0.7".parse::<IpAddr>().unwrap()]);
}

#[test]
fn a_hosts_file_is_read_as_everybody_reads_it() {
    const TABLE: &str = "
# 10.0.0.1 commented.example
127.0.0.1\tlocalhost  Localhost.Localdomain # 10.0.0.2 commented.example
::1 localhost
fe80::1%lo0 localhost
not-an-address localhost
10.0.0.3
10.0.0.4 netdata netdata.example #netdata.commented
";
    let found = |text: &str| find(TABLE, &name(text)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(found("localhost"), ["127.0.0.1", "::1"]);
    assert_eq!(found("localhost.localdomain"), ["127.0.0.1"]);
    assert_eq!(found("netdata"), ["10.0.0.4"]);
    assert_eq!(found("netdata.example"), ["10.0.0.4"]);
    for nowhere in ["commented.example", "netdata.commented", "example", "not-an-address", "net"] {
        assert!(found(nowhere).is_empty(), "{nowhere}");
    }
}

#[tokio::test]
async fn what_the_hosts_file_says_is_checked_like_everything_else() {
    let file = std::env::temp_dir().join(format!("bulkhead-hosts-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, "10.0.0.7 a.example.com\n").unwrap();
    let resolver = Arc::new(SystemResolver::with(file.clone(), with_search_domain));
    let options = GateOptions { resolver, ..GateOptions::default() };
    let gate = Gate::new(Allowlist::from_entries(["a.example.com"]).unwrap(), options).unwrap();
    let error = send(&gate, get("https://a.example.com/")).await.unwrap_err();
    std::fs::remove_file(file).unwrap();
    assert!(matches!(&error, OutboundError::DeniedAddress(text) if text.contains("10.0.0.7")), "{error:?}");
}

#[tokio::test]
async fn a_name_with_too_many_addresses_is_refused() {
    // The sixty-fifth is one that would be denied: it is not even looked at, nor is any other connected to.
    let many: Vec<_> = (0..64).map(|n| format!("93.184.215.{n}")).chain(["127.0.0.1".to_owned()]).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let gate = gate_with(&["a.example.com"], FakeResolver::knowing("a.example.com", &many));
    let error = send(&gate, get("https://a.example.com/")).await.unwrap_err();
    let expected = "'a.example.com' has 65 addresses, more than 64: use another name";
    assert_eq!(error, OutboundError::Dns(expected.to_owned()));
}
