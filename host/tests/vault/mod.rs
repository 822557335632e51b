//! The vault: a secret reaches the upstream it is for, and nothing else.

mod pieces;
mod references;
mod rotation;
mod scrubbing;
mod supabase;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use uuid::Uuid;

use self::scrubbing::traces_of;
use crate::support::hub::{ADMIN, Folder, Hub, Reply};
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
    assert_eq!(answer["ohce"], "]nekot terces[ reraeB", "before the provider sees it");
    assert!(answer["body"].as_str().expect("text").contains("Bearer [secret token]"), "so is the body: {answer}");
    assert_eq!(traces_of(&secret, &hub, &[reply]), Vec::<String>::new());
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
        let row = hub.last_event();
        assert_eq!((row["tool"].as_str(), row["outcome"].as_str()), (Some(tool), Some("failed")), "{row}");
        assert!(row["error"].as_str().expect("an error").contains("`theirs` is not granted"), "{row}");
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(hub.call(&token, "other/secret.reveal", &json!({ "name": "theirs" })).await.status, 200);
}

#[test]
fn a_secret_may_go_no_further_than_its_provider() {
    let hosts = "allowed_hosts: ['*.example.com', 'http://127.0.0.1:80']";
    for (secrets, told) in [
        ("{ token: { hosts: [a.example.com, '*.b.example.com', 'http://127.0.0.1'] } }", None),
        (
            "{ token: { hosts: [a.example.com, example.org] } }",
            Some("secrets.token.hosts[1]: `example.org` is not within"),
        ),
        (
            "{ token: { hosts: ['http://a.example.com'] } }",
            Some("secrets.token.hosts[0]: `http://a.example.com` is not"),
        ),
        ("{ token: { hosts: ['*.example.org'], reveal: true } }", Some("add it there, or take it out here")),
    ] {
        let folder = Folder::new();
        let file = folder.path().join("config.yaml");
        let provider = testbed(&[hosts, &format!("secrets: {secrets}")]).replace("{testbed.wasm}", "none.wasm");
        fs::write(&file, format!("version: '1.0'\nproviders:\n{provider}")).expect("written");
        let check = Command::new(env!("CARGO_BIN_EXE_bulkhead")).args(["config", "check"]).arg(&file).output();
        let said = String::from_utf8(check.expect("it runs").stderr).expect("text");
        // Without a mistake in it the file is read; what it names is not there.
        assert!(told.map_or(!said.contains("secrets.token"), |told| said.contains(told)), "{secrets}: {said}");
    }
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
