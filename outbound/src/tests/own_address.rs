//! The hub's own address is nobody's upstream.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use url::Url;

use crate::tests::upstream::{FakeResolver, get, send};
use crate::{Acting, Allowlist, Gate, GateError, GateOptions, OutboundError, OwnAddress};

const SAID: &str = "the hub itself: providers do not call the hub or each other, agents compose them";

fn own(listening: &str, public_url: Option<&str>) -> OwnAddress {
    let public_url = public_url.map(|url| url.parse::<Url>().unwrap());
    OwnAddress::new(listening.parse::<SocketAddr>().unwrap(), public_url.as_ref())
}

fn gate(entries: &[&str], own_address: OwnAddress, resolver: FakeResolver) -> Result<Gate, GateError> {
    let options = GateOptions { own_address, resolver: Arc::new(resolver), ..GateOptions::default() };
    Gate::new(Allowlist::from_entries(entries.iter().copied()).unwrap(), options)
}

/// Whether a hub that is at `own_address` is what an entry names.
fn names_the_hub(entry: &str, own_address: OwnAddress) -> bool {
    match gate(&[entry], own_address, FakeResolver::default()) {
        Ok(_) => false,
        Err(GateError::OwnAddress(error)) => {
            assert!(error.to_string().ends_with(SAID), "{error}");
            true
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_entry_that_is_the_hub_is_an_error() {
    for (listening, entry, is_the_hub) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", true),
        ("127.0.0.1:8080", "https://127.0.0.1:8080", true),
        ("127.0.0.1:8080", "http://127.0.0.1:8081", false),
        ("127.0.0.1:8080", "http://127.0.0.1", false),
        ("127.0.0.1:8080", "http://127.0.0.2:8080", false),
        ("127.0.0.1:8080", "http://[::1]:8080", false),
        ("127.0.0.1:8080", "http://localhost:8080", false),
        ("127.0.0.1:8080", "http://*.example.com:8080", false),
        ("[::ffff:127.0.0.1]:8080", "http://127.0.0.1:8080", true),
        ("[::1]:443", "[0:0:0:0:0:0:0:1]", true),
        ("[::1]:443", "http://[::1]", false),
        // Everywhere: each address of this machine, of both families, and no other.
        ("0.0.0.0:8080", "http://127.0.0.1:8080", true),
        ("0.0.0.0:8080", "http://127.9.9.9:8080", true),
        ("0.0.0.0:8080", "http://[::1]:8080", true),
        ("[::]:8080", "http://127.0.0.1:8080", true),
        ("[::]:8080", "http://[::1]:8080", true),
        ("[::]:8080", "http://[::1]:8081", false),
        ("0.0.0.0:443", "8.8.8.8", false),
        ("[::]:443", "[2606:4700:4700::1111]", false),
    ] {
        assert_eq!(names_the_hub(entry, own(listening, None)), is_the_hub, "{listening} {entry}");
    }
}

#[test]
fn a_hub_that_listens_everywhere_is_at_the_machines_other_addresses_too() {
    // Connecting a UDP socket sends nothing, but tells which address this machine would send from, if it has a way out.
    let route = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.connect("192.0.2.1:9").map(|()| socket));
    let Ok(addr) = route.and_then(|socket| socket.local_addr()) else { return };
    let entry = format!("http://{}:8080", addr.ip());
    assert!(names_the_hub(&entry, own("0.0.0.0:8080", None)), "{entry}");
    assert!(!names_the_hub(&entry, own("127.0.0.1:8080", None)), "{entry}");
}

#[test]
fn the_public_name_is_the_hub_at_its_port_and_at_the_hubs_own() {
    let public = || own("10.0.0.5:8080", Some("https://Hub.example.com./base"));
    for (entry, is_the_hub) in [
        ("hub.example.com", true),
        ("http://hub.example.com:443", true),
        ("http://hub.example.com:8080", true),
        ("hub.example.com:8443", false),
        ("other.example.com", false),
        ("x.hub.example.com", false),
    ] {
        assert_eq!(names_the_hub(entry, public()), is_the_hub, "{entry}");
    }
    let gate = gate(&["*.example.com", "https://*.example.com:8080"], public(), FakeResolver::default()).unwrap();
    for url in ["https://hub.example.com/", "https://HUB.example.com./mcp", "https://hub.example.com:8080/"] {
        let error = gate.permit(get(url), Acting::Anything).unwrap_err();
        assert!(matches!(&error, OutboundError::DeniedHost(text) if text.ends_with(SAID)), "{url}: {error:?}");
    }
    assert!(gate.permit(get("https://other.example.com/"), Acting::Anything).is_ok());
}

#[test]
fn the_public_url_may_be_an_address() {
    let public = || own("127.0.0.1:8080", Some("http://203.0.113.9:9000"));
    assert!(names_the_hub("http://203.0.113.9:9000", public()));
    assert!(!names_the_hub("http://203.0.113.9:9001", public()));
}

#[tokio::test]
async fn a_name_that_leads_to_the_hub_is_refused_though_the_address_is_public() {
    for (listening, public_url, addrs) in [
        ("8.8.8.8:443", None, &["8.8.8.8"][..]),
        ("8.8.8.8:443", None, &["9.9.9.9", "::ffff:8.8.8.8"]),
        ("127.0.0.1:8080", Some("https://9.9.9.9"), &["9.9.9.9"]),
        ("0.0.0.0:443", None, &["127.0.0.1"]),
        ("[::]:443", None, &["::1"]),
    ] {
        let resolver = FakeResolver::knowing("a.example.com", addrs);
        let gate = gate(&["*.example.com"], own(listening, public_url), resolver).unwrap();
        let error = send(&gate, get("https://a.example.com/")).await.unwrap_err();
        let said = format!("'https://a.example.com' leads to {SAID}");
        assert_eq!(error, OutboundError::DeniedAddress(said), "{listening} {addrs:?}");
    }
}

#[test]
fn a_hub_that_listens_nowhere_is_nowhere() {
    assert!(!names_the_hub("http://127.0.0.1:8080", OwnAddress::default()));
}
