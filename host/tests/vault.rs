//! The vault: a secret reaches the upstream it is for, and nothing else.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::hub::{ADMIN, Hub, Reply, eventually};
use crate::support::testbed::{Testbed, testbed};
use crate::support::upstream::Upstream;

/// A value that is new each time, with characters that Base64, URLs and JSON write differently.
fn fresh_secret() -> String {
    format!("s3cr+t/\"{}=", Uuid::new_v4().simple())
}

fn secrets(hub: &Hub, arguments: &[&str], stdin: &str) -> Output {
    let mut command = hub.program();
    command.arg("secrets").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    // A command that refuses its arguments ends without reading.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn set_secret(hub: &Hub, name: &str, value: &str) {
    let output = secrets(hub, &["set", name], &format!("{value}\n"));
    assert!(output.status.success(), "{output:?}");
}

/// A testbed that holds `token` for the upstream, and is on its own.
fn holder(upstream: &Upstream) -> String {
    testbed(&["vault_key: token", &format!("allowed_hosts: ['{}']", upstream.host())])
}

async fn get(hub: &Hub, token: &str, input: &Value) -> Reply {
    hub.call(token, "testbed/fetch.get", input).await
}

fn said(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_upstream_gets_the_value_and_the_provider_sees_a_reference() {
    let (upstream, secret) = (Upstream::start(), fresh_secret());
    let hub = Hub::start(&holder(&upstream));
    set_secret(&hub, "token", &secret);
    let token = hub.token(ADMIN);

    let seen = hub.call(&token, "testbed/secret.reference", &json!({ "name": "token" })).await;
    let reference = seen.json()["reference"].as_str().expect("a reference").to_owned();
    assert!(reference.starts_with("bulkhead-secret-"), "{reference}");
    let again = hub.call(&token, "testbed/secret.reference", &json!({ "name": "token" })).await;
    assert_ne!(again.json()["reference"], reference, "another call's means something else");

    let reply = get(&hub, &token, &json!({ "url": upstream.url("/echo"), "secret": "token" })).await;
    assert_eq!(upstream.seen()[0].header("authorization"), format!("Bearer {secret}"));
    let answer = reply.json();
    assert_eq!(answer["echo"], "Bearer [secret token]", "a header that repeats it is scrubbed");
    assert!(answer["body"].as_str().expect("text").contains("Bearer [secret token]"), "so is the body: {answer}");
    assert_eq!(traces_of(&secret, &hub, &[reply]), Vec::<String>::new());
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

#[tokio::test]
async fn a_secret_is_revealed_only_where_the_config_says_so() {
    let secret = fresh_secret();
    let granted = Testbed { name: "granted", with: &["secrets: { token: { reveal: true } }"], ..Testbed::default() };
    let hub = Hub::start(&format!("{}{}", testbed(&["vault_key: token"]), granted.yaml()));
    set_secret(&hub, "token", &secret);
    let token = hub.token(ADMIN);
    let input = json!({ "name": "token" });
    let (status, detail) = said(&hub.call(&token, "testbed/secret.reveal", &input).await);
    assert!(status == 503 && detail.contains("set `secrets.token.reveal: true`"), "{detail}");
    let reply = hub.call(&token, "granted/secret.reveal", &input).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "length": secret.len() })));
}

#[tokio::test]
async fn a_provider_cannot_have_anothers_secret() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let other = ["secrets: { theirs: { reveal: true } }", &hosts];
    let other = Testbed { name: "other", with: &other, ..Testbed::default() };
    let hub = Hub::start(&format!("{}{}", testbed(&["vault_key: mine", &hosts]), other.yaml()));
    set_secret(&hub, "mine", &fresh_secret());
    set_secret(&hub, "theirs", &fresh_secret());
    let token = hub.token(ADMIN);
    for (tool, input) in [
        ("secret.reference", json!({ "name": "theirs" })),
        ("secret.reveal", json!({ "name": "theirs" })),
        ("fetch.get", json!({ "secret": "theirs", "url": upstream.url("/echo") })),
    ] {
        let (status, detail) = said(&hub.call(&token, &format!("testbed/{tool}"), &input).await);
        assert!(status == 503 && detail.contains("the secret `theirs` is not granted"), "{tool}: {detail}");
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(hub.call(&token, "other/secret.reveal", &json!({ "name": "theirs" })).await.status, 200);
}

#[tokio::test]
async fn a_new_value_is_soon_in_use() {
    let (upstream, first, second) = (Upstream::start(), fresh_secret(), fresh_secret());
    let hub = Hub::start(&holder(&upstream));
    set_secret(&hub, "token", &first);
    let token = hub.token(ADMIN);
    let sends = async |value: &str| {
        get(&hub, &token, &json!({ "url": upstream.url("/echo"), "secret": "token" })).await;
        let last = upstream.seen().pop()?;
        (last.header("authorization") == format!("Bearer {value}")).then_some(())
    };
    sends(&first).await.expect("the value is used");
    set_secret(&hub, "token", &second);
    eventually("the new value is used", async || sends(&second).await).await;
}

#[tokio::test]
async fn a_secret_that_is_not_set_is_answered_with_the_command_that_sets_it() {
    let upstream = Upstream::start();
    let hub = Hub::start(&holder(&upstream));
    let input = json!({ "url": upstream.url("/echo"), "secret": "token" });
    let (status, detail) = said(&get(&hub, &hub.token(ADMIN), &input).await);
    assert!(status == 503 && detail.contains("bulkhead secrets set token"), "{detail}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn the_command_line_sets_lists_and_removes_and_never_shows_a_value() {
    let hub = Hub::start(&testbed(&[]));
    let (one, two) = (fresh_secret(), fresh_secret());
    set_secret(&hub, "one", &one);
    set_secret(&hub, "two", &two);
    assert_eq!(hub.command(&["secrets", "list"]), "one\ntwo");
    let removed = secrets(&hub, &["remove", "one"], "");
    assert!(removed.status.success() && hub.command(&["secrets", "list"]) == "two", "{removed:?}");

    for (name, value) in [("short", "seven77"), ("broken", "first line\nsecond line"), ("Name", "a long enough value")]
    {
        let refused = secrets(&hub, &["set", name], value);
        assert!(!refused.status.success(), "{name}");
        assert!(!String::from_utf8_lossy(&refused.stderr).contains(value), "{refused:?}");
    }
    assert_eq!(hub.command(&["secrets", "list"]), "two");
    for file in ["vault.key", "vault.json"] {
        let mode = fs::metadata(hub.data().join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::metadata(hub.data()).expect("a folder").permissions().mode() & 0o077, 0);
}

#[tokio::test]
async fn a_whole_run_leaves_no_trace_of_a_secrets_value() {
    let (upstream, secret) = (Upstream::start(), fresh_secret());
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let hub = Hub::start_with(&testbed(&["secrets: { token: { reveal: true } }", &hosts]), &["--log", "trace"]);
    set_secret(&hub, "token", &secret);
    let token = hub.token(ADMIN);
    let mut replies = Vec::new();
    for input in [
        json!({ "url": upstream.url("/echo"), "secret": "token" }),
        json!({ "url": upstream.url("/echo"), "secret": "token", "basic_user": "ada" }),
        json!({ "url": "http://127.0.0.1:9/", "secret": "token" }),
        json!({ "url": upstream.url("/redirect/9"), "secret": "token" }),
    ] {
        replies.push(get(&hub, &token, &input).await);
    }
    for by in ["output", "error", "panic"] {
        replies.push(hub.call(&token, "testbed/secret.leak", &json!({ "name": "token", "by": by })).await);
    }
    for place in ["path", "query", "body", "header-name", "header"] {
        let input = json!({ "name": "token", "url": upstream.url("/echo"), "place": place });
        replies.push(hub.call(&token, "testbed/secret.smuggle", &input).await);
    }
    for by in ["output", "error"] {
        let call = json!({ "name": "testbed.secret.leak", "arguments": { "name": "token", "by": by } });
        let answer = hub.mcp(&token, "tools/call", &call).await.to_string();
        assert!(answer.contains("[secret token]"), "{answer}");
        replies.push(Reply { status: 200, headers: Default::default(), text: answer });
    }
    let sent: Vec<_> = upstream.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert!(sent.contains(&format!("Bearer {secret}")), "it was in use: {sent:?}");
    let log = hub.log();
    for said in ["leaked to the log: [secret token]", "leaked to a panic: [secret token]", "leaked to an event"] {
        assert!(log.contains(said), "the provider did say it: {said}");
    }
    assert_eq!(traces_of(&secret, &hub, &replies), Vec::<String>::new());
}

/// Where a value can be found, in any of the forms in which one might be repeated.
fn traces_of(secret: &str, hub: &Hub, replies: &[Reply]) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        serde_json::to_string(secret).expect("JSON").trim_matches('"').to_owned(),
        // The part that is the same in all of them.
        secret[8..40].to_owned(),
    ];
    // Base64 writes the same bytes in three ways, depending on what stands before them.
    for before in ["", "-", "--"] {
        let text = format!("{before}{secret}");
        // Without the characters that also depend on the neighbours.
        let sure = |text: String| text[4..text.len() - 4].to_owned();
        forms.extend([sure(STANDARD_NO_PAD.encode(&text)), sure(URL_SAFE_NO_PAD.encode(&text))]);
    }
    let mut found = Vec::new();
    let mut look = |place: &str, bytes: &[u8]| {
        for form in forms.iter().filter(|form| memchr::memmem::find(bytes, form.as_bytes()).is_some()) {
            found.push(format!("{place} holds {form}"));
        }
    };
    for (index, reply) in replies.iter().enumerate() {
        look(&format!("answer {index}"), format!("{reply:?}").as_bytes());
        look(&format!("answer {index}"), reply.text.as_bytes());
    }
    let files = files(hub.folder());
    for needed in ["log", "ops.db", "ops.db-wal", "vault.json"] {
        assert!(files.iter().any(|file| file.file_name().is_some_and(|name| name == needed)), "{needed}: {files:?}");
    }
    for file in files {
        look(&file.display().to_string(), &fs::read(&file).expect("a file"));
    }
    found
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
