//! Scrubbing: whatever comes back, no value is in it.

use std::fs;
use std::path::Path;

use serde_json::json;
use uuid::Uuid;

use super::{fresh_secret, get, holder, said, set_secret};
use crate::support::hub::{ADMIN, Hub, Reply};
use crate::support::spellings;
use crate::support::testbed::testbed;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn an_upstream_that_repeats_a_value_in_every_form_tells_nobody() {
    let (upstream, secret) = (Upstream::start(), format!("{} & <more>", fresh_secret()));
    let hub = Hub::start(&holder(&upstream));
    set_secret(&hub, "token", &secret);
    let input = json!({ "url": upstream.url("/repeat"), "secret": "token" });
    let reply = get(&hub, &hub.token(ADMIN), &input).await;
    let body = reply.json()["body"].as_str().expect("text").to_owned();
    let (plain, encoded) = (spellings::of(&secret), spellings::base64(&secret));
    let lines: Vec<_> = body.lines().collect();
    assert_eq!(lines.len(), plain.len() + encoded.len());
    for (line, form) in lines.iter().zip(&plain) {
        assert_eq!(*line, "[secret token]", "{form}");
    }
    // Of Base64, the letters at the ends say something of the neighbours too.
    for (line, form) in lines[plain.len()..].iter().zip(&encoded) {
        assert!(line.contains("[secret token]") && line.len() < "[secret token]".len() + 12, "{form}: {line}");
    }
    assert_eq!(reply.json()["echo"], "[secret token]", "headers too");

    let input = json!({ "url": upstream.url("/repeat"), "secret": "token" });
    let seen = hub.call(&hub.token(ADMIN), "testbed/secret.see", &input).await;
    let seen: String = seen.json()["backwards"].as_str().expect("text").chars().rev().collect();
    let shown = seen.matches("[secret token]").count();
    assert_eq!(shown, 2 * (plain.len() + encoded.len()), "in every header and every line: {seen}");
    let told: Vec<_> = spellings::traces(&secret).into_iter().filter(|form| seen.contains(form)).collect();
    assert_eq!(told, Vec::<String>::new(), "the provider does not see it either");
    assert_eq!(traces_of(&secret, &hub, &[reply]), Vec::<String>::new());
}

#[tokio::test]
async fn a_provider_that_says_a_value_in_any_way_tells_nobody() {
    // Of letters that a host name and an event's type may have too.
    let secret = format!("{0}-{0}", Uuid::new_v4().simple()).split_off(6);
    let hosts = "allowed_hosts: ['http://*.leak.example']";
    let provider = testbed(&["secrets: { token: { reveal: true } }", hosts, "settings: { health: leak }"]);
    let hub = Hub::start_with_secrets(&provider, &[("token", &secret)]);
    let token = hub.token(ADMIN);
    let mut replies = Vec::new();
    for by in ["output", "key", "error", "panic", "type", "host"] {
        replies.push(hub.call(&token, "testbed/secret.leak", &json!({ "name": "token", "by": by })).await);
    }
    let (_, detail) = said(&replies[4]);
    assert!(detail.contains("the type holds a secret"), "{detail}");
    assert_eq!(hub.last_event()["hostname"], "[secret token].leak.example", "the row of the last one");
    replies.push(hub.get("/providers/testbed/health", Some(&token)).await);
    replies.push(hub.get("/health", Some(&token)).await);
    for (method, params) in [
        ("resources/read", json!({ "uri": "testbed://leak" })),
        ("prompts/get", json!({ "name": "testbed.leak" })),
        ("tools/call", json!({ "name": "testbed.secret.leak", "arguments": { "name": "token", "by": "key" } })),
        ("tools/call", json!({ "name": "testbed.secret.leak", "arguments": { "name": "token", "by": "error" } })),
    ] {
        let text = hub.mcp(&token, method, &params).await.to_string();
        assert!(text.contains("[secret token]"), "{method}: {text}");
        replies.push(Reply { status: 200, headers: Default::default(), text });
    }
    for index in [0, 1, 2, 6, 7] {
        assert!(
            replies[index].text.contains("[secret token]"),
            "{index}: the provider did say it: {:?}",
            replies[index]
        );
    }
    assert_eq!(traces_of(&secret, &hub, &replies), Vec::<String>::new());
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
pub(super) fn traces_of(secret: &str, hub: &Hub, replies: &[Reply]) -> Vec<String> {
    let forms = spellings::traces(secret);
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
    // A socket holds nothing.
    let entries = entries.filter(|path| path.is_dir() || path.is_file());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
