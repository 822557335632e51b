//! References: filled in where they may stand, and worth nothing anywhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{fresh_secret, get, holder, said, set_secret};
use crate::support::hub::{ADMIN, Hub};
use crate::support::testbed::testbed;
use crate::support::upstream::{Seen, Upstream};
use crate::vault::scrubbing::traces_of;

/// What comes of a request with references in it.
enum Then {
    /// It is not sent, and the provider is told this.
    Refused(&'static str),
    /// It is sent with this as `authorization`; `{0}` and `{1}` are the secrets' values.
    Filled(&'static str),
    /// It is sent without any value in it.
    Harmless,
}

/// `secret.write` of the testbed fills in what stands in braces: see `providers/testbed/src/smuggle.rs`.
fn smuggling() -> Vec<(&'static str, Value, Then)> {
    use Then::{Filled, Harmless, Refused};
    let place = "a secret reference may only stand in a header value, not in its name, the URL or the body";
    let unknown = "a secret reference is valid only during the call that asked for it";
    let authorization = |value: &str| json!({ "headers": { "authorization": value } });
    vec![
        ("in the path", json!({ "path": "/{0}" }), Refused(place)),
        ("in the query", json!({ "path": "/?q={0}" }), Refused(place)),
        ("in the path, encoded", json!({ "path": "/percent({0})" }), Harmless),
        ("in the query, in two halves", json!({ "path": "/?a={0:front}&b={0:back}" }), Refused(place)),
        ("in the query, in two encoded halves", json!({ "path": "/?a=base64({0:front})&b={0:back}" }), Harmless),
        ("as the user of the URL", json!({ "user": "{0}@" }), Refused("user information")),
        ("in a host name", json!({ "url": "http://{0}.example/" }), Refused("allowed_hosts")),
        ("in the body", json!({ "body": "{\"key\":\"{0}\"}" }), Refused(place)),
        ("in the body, in Base64", json!({ "body": "base64({0})" }), Harmless),
        ("in the body, escaped", json!({ "body": "json({0})" }), Harmless),
        ("as a header's name", json!({ "headers": { "{0}": "x" } }), Refused(place)),
        (
            "towards another host",
            json!({ "elsewhere": true, "headers": { "x-key": "{0}" } }),
            Refused("not for this host"),
        ),
        ("in `host`", json!({ "headers": { "host": "{0}" } }), Refused("belongs to the hub")),
        ("alone", authorization("{0}"), Filled("{0}")),
        ("as a bearer token", authorization("Bearer {0}"), Filled("Bearer {0}")),
        ("two in one header", authorization("key {0}, id={1}"), Filled("key {0}, id={1}")),
        ("one twice", authorization("{0}{0}"), Filled("{0}{0}")),
        ("beside letters of another language", authorization("grün {0}"), Filled("grün {0}")),
        ("as a password", authorization("Basic base64(ada:{0})"), Filled("Basic base64(ada:{0})")),
        ("as a user", authorization("Basic base64({0}:)"), Filled("Basic base64({0}:)")),
        ("as user and password", authorization("Basic base64({0}:{1})"), Filled("Basic base64({0}:{1})")),
        ("as the whole of Basic credentials", authorization("Basic {0}"), Filled("Basic {0}")),
        ("with `basic` in an odd case", authorization("bAsIc base64(ada:{0})"), Filled("Basic base64(ada:{0})")),
        ("in Base64 that is not Basic", authorization("Bearer base64({0})"), Harmless),
        ("percent-encoded", authorization("Bearer percent({0})"), Harmless),
        ("in upper case", authorization("Bearer {0:upper}"), Refused(unknown)),
        ("the first half", authorization("Bearer {0:front}"), Refused(unknown)),
        ("the second half", authorization("Bearer {0:back}"), Harmless),
        ("one within another", authorization("Bearer {0:front}{0}"), Refused(unknown)),
        ("only its beginning", authorization("Bearer bulkhead-secret-"), Refused(unknown)),
        ("one that was guessed", authorization("bulkhead-secret-0123456789abcdef0123456789abcdef"), Refused(unknown)),
        ("cut, within Basic", authorization("Basic base64(ada:{0:front})"), Refused(unknown)),
    ]
}

#[tokio::test]
async fn a_reference_is_filled_in_where_it_may_stand_and_worth_nothing_elsewhere() {
    let (upstream, elsewhere) = (Upstream::start(), Upstream::start());
    let values = [fresh_secret(), fresh_secret()];
    let both = format!("allowed_hosts: ['{}', '{}']", upstream.host(), elsewhere.host());
    let only = format!("{{ hosts: ['{}'] }}", upstream.host());
    let hub = Hub::start(&testbed(&[&both, &format!("secrets: {{ token: {only}, other: {only} }}")]));
    set_secret(&hub, "token", &values[0]);
    set_secret(&hub, "other", &values[1]);
    let token = hub.token(ADMIN);
    let mut replies = Vec::new();
    let mut seen_before = 0;
    for (what, input, then) in smuggling() {
        let reply = hub.call(&token, "testbed/secret.write", &request(&input, &upstream, &elsewhere)).await;
        let (status, detail) = said(&reply);
        let fresh = upstream.seen().split_off(seen_before);
        seen_before += fresh.len();
        match then {
            Then::Refused(why) => {
                assert!(status == 502 && detail.contains(why), "{what}: {reply:?}");
                assert!(fresh.is_empty(), "{what}: {fresh:?}");
            }
            Then::Filled(template) => {
                assert_eq!(status, 200, "{what}: {detail}");
                let expected = written(template, &values);
                assert_eq!(fresh[0].header_bytes("authorization"), expected.as_bytes(), "{what}");
            }
            Then::Harmless => {
                assert_eq!(status, 200, "{what}: {detail}");
                assert!(!values.iter().any(|value| arrived(&fresh[0], value)), "{what}: {fresh:?}");
            }
        }
        replies.push(reply);
    }
    assert!(elsewhere.seen().is_empty(), "nothing went there");
    for value in &values {
        assert_eq!(traces_of(value, &hub, &replies), Vec::<String>::new());
    }
}

/// The tool's input: to the upstream, unless the case says otherwise.
fn request(case: &Value, upstream: &Upstream, elsewhere: &Upstream) -> Value {
    let to = if case["elsewhere"] == true { elsewhere.address } else { upstream.address };
    let user = case["user"].as_str().unwrap_or_default();
    let url = format!("http://{user}{to}{}", case["path"].as_str().unwrap_or("/echo"));
    json!({
        "secrets": ["token", "other"],
        "url": case["url"].as_str().unwrap_or(&url),
        "headers": case["headers"].as_object().cloned().unwrap_or_default(),
        "body": case["body"],
    })
}

fn written(template: &str, values: &[String]) -> String {
    let text = template.replace("{0}", &values[0]).replace("{1}", &values[1]);
    match text.split_once("base64(").and_then(|(before, rest)| Some((before, rest.strip_suffix(')')?))) {
        Some((before, inner)) => format!("{before}{}", STANDARD.encode(inner)),
        None => text,
    }
}

/// Whether a value has arrived, in whatever part of a request.
fn arrived(seen: &Seen, value: &str) -> bool {
    let core = &value[8..40];
    let encoded = STANDARD.encode(value);
    let parts = [seen.uri.to_string().into_bytes(), seen.body.to_vec(), seen.header_bytes("authorization").to_vec()];
    parts
        .iter()
        .any(|part| [core, &encoded[4..40]].iter().any(|form| memchr::memmem::find(part, form.as_bytes()).is_some()))
}

#[tokio::test]
async fn basic_credentials_are_filled_in_behind_their_base64_and_scrubbed_there() {
    let (upstream, secret) = (Upstream::start(), fresh_secret());
    let hub = Hub::start(&holder(&upstream));
    set_secret(&hub, "token", &secret);
    let token = hub.token(ADMIN);
    // Three lengths, because Base64 writes the value differently after each.
    for user in ["ada", "adam", "adams"] {
        let input = json!({ "url": upstream.url("/echo"), "secret": "token", "basic_user": user });
        let reply = get(&hub, &token, &input).await;
        let credentials = STANDARD.encode(format!("{user}:{secret}"));
        assert_eq!(upstream.seen().last().expect("a request").header("authorization"), format!("Basic {credentials}"));
        assert!(reply.status == 200 && !reply.text.contains(&credentials), "{reply:?}");
        assert_eq!(traces_of(&secret, &hub, &[reply]), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_reference_is_refused_wherever_it_may_not_stand() {
    let (upstream, elsewhere, secret) = (Upstream::start(), Upstream::start(), fresh_secret());
    let both = format!("allowed_hosts: ['{}', '{}']", upstream.host(), elsewhere.host());
    let only = format!("secrets: {{ token: {{ hosts: ['{}'] }} }}", upstream.host());
    let hub = Hub::start(&testbed(&[&both, &only]));
    set_secret(&hub, "token", &secret);
    let token = hub.token(ADMIN);
    let smuggle = async |place: &str, url: String| {
        let input = json!({ "name": "token", "url": url, "place": place });
        hub.call(&token, "testbed/secret.smuggle", &input).await
    };
    for place in ["path", "query", "body", "header-name"] {
        let (status, detail) = said(&smuggle(place, upstream.url("/echo")).await);
        assert_eq!(status, 502, "{place}");
        assert!(detail.starts_with("invalid-request: a secret reference may only stand in a header value"), "{detail}");
    }
    let (status, detail) = said(&smuggle("header", elsewhere.url("/echo")).await);
    assert!(status == 502 && detail.contains("the secret `token` is not for this host"), "{detail}");
    let (status, detail) = said(&smuggle("header", "http://127.0.0.1:9/".to_owned()).await);
    assert!(status == 502 && detail.starts_with("denied-"), "{detail}");
    assert!(upstream.seen().is_empty() && elsewhere.seen().is_empty(), "nothing was sent");
    assert!(hub.events().iter().all(|event| event["hostname"].is_null()), "and no row says so");

    assert_eq!(smuggle("header", upstream.url("/echo")).await.status, 200, "its own host is fine");
    assert_eq!(upstream.seen()[0].header("x-key"), secret);
}

#[tokio::test]
async fn a_redirect_does_not_carry_a_secret_away() {
    let (upstream, elsewhere) = (Upstream::start(), Upstream::start());
    let hub = Hub::start(&holder(&upstream));
    set_secret(&hub, "token", &fresh_secret());
    let path = format!("/redirect/{}", elsewhere.address.port());
    let reply = get(&hub, &hub.token(ADMIN), &json!({ "url": upstream.url(&path), "secret": "token" })).await.json();
    assert_eq!((&reply["status"], &reply["location"]), (&json!(302), &json!(elsewhere.url("/echo"))));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn another_calls_reference_means_nothing() {
    let upstream = Upstream::start();
    let hub = Hub::start(&holder(&upstream));
    set_secret(&hub, "token", &fresh_secret());
    let token = hub.token(ADMIN);
    let earlier = hub.call(&token, "testbed/secret.reference", &json!({ "name": "token" })).await.json();
    let input = json!({ "url": upstream.url("/echo"), "headers": { "x-key": earlier["reference"] } });
    let (status, detail) = said(&get(&hub, &token, &input).await);
    assert!(status == 502 && detail.contains("valid only during the call that asked for it"), "{detail}");
    assert!(upstream.seen().is_empty());
}
