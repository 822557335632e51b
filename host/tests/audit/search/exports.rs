//! Exports: exactly what is found, and provable by whoever has the public key alone.

use aws_lc_rs::{digest, signature};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::{Scene, Store, code, on_both_stores};
use crate::support::hub::{ADMIN, AUDITOR, VIEWER};

on_both_stores! {
    an_export_is_what_was_found_and_proves_it_to_whoever_has_the_key,
    an_export_for_spreadsheets_has_no_formulas,
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    digest::digest(&digest::SHA256, &parts.concat()).as_ref().to_vec()
}

/// The encoding of `docs/audit-format.md`, written once more.
fn encoding(members: &Value) -> Vec<u8> {
    let mut bytes = vec![1];
    let mut members: Vec<_> = members.as_object().expect("members").iter().collect();
    members.sort_by(|one, other| one.0.cmp(other.0));
    for (name, value) in members {
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
        match value {
            Value::String(text) => {
                bytes.push(b's');
                bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            Value::Number(number) => {
                bytes.push(b'i');
                bytes.extend_from_slice(&number.as_i64().expect("whole").to_be_bytes());
            }
            other => panic!("{other}"),
        }
    }
    bytes
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().expect("a text").as_bytes()).expect("hexadecimal")
}

/// Whether a batch is signed with the key.
fn is_signed(batch: &Value, key: &[u8]) -> bool {
    let leaves = batch["leaves"].as_array().expect("leaves");
    let head = leaves.iter().fold(hex(&batch["previous"]), |head, leaf| sha256(&[&[2], &head, &hex(leaf)]));
    let first = batch["first"].as_i64().expect("a number");
    let signed = json!({
        "first": first, "head": HEXLOWER.encode(&head), "kind": "batch",
        "seq": first + leaves.len() as i64 - 1, "writer": batch["writer"],
    });
    let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
    key.verify(&encoding(&signed), &hex(&batch["signature"])).is_ok()
}

/// Whether an entry and its bodies are what was signed.
fn is_in(line: &Value, batch: &Value) -> bool {
    let entry = &line["entry"];
    let index = entry["seq"].as_i64().expect("a number") - batch["first"].as_i64().expect("a number");
    let bodies = ["payload", "result"].iter().all(|name| {
        let (digest, body) = (&entry[format!("{name}_digest")], &line[*name]);
        match (digest, body) {
            (Value::Null, Value::Null) => true,
            (digest, Value::Object(body)) => {
                let canonical = body["canonical"].as_str().expect("a text");
                hex(digest) == sha256(&[&hex(&body["salt"]), canonical.as_bytes()])
            }
            _ => false,
        }
    });
    entry["writer"] == batch["writer"] && hex(&batch["leaves"][index as usize]) == sha256(&[&encoding(entry)]) && bodies
}

/// How many events an export proves; `None` if it does not.
pub(super) fn proven(text: &str, key: &[u8]) -> Option<u64> {
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    (lines.next()?["export"] == 1).then_some(())?;
    let (mut batch, mut events) = (Value::Null, 0);
    for line in lines {
        if line["batch"].is_object() {
            batch = line["batch"].clone();
            is_signed(&batch, key).then_some(())?;
        } else if line["entry"].is_object() {
            is_in(&line, &batch).then_some(())?;
            events += 1;
        } else {
            return (line == json!({ "end": { "events": events } })).then_some(events);
        }
    }
    None
}

async fn an_export_is_what_was_found_and_proves_it_to_whoever_has_the_key(store: Store) {
    let scene = Scene::new(store).await;
    let hub = &scene.hub;
    let key = HEXLOWER.decode(hub.command(&["audit", "key"]).as_bytes()).expect("a key");
    let export =
        async |role: &str, query: &str| hub.get(&format!("/audit/export?{query}"), Some(&scene.token(role))).await;
    let all = export(AUDITOR, "provider=hello-rs&operation=call_tool").await;
    assert_eq!((all.status, all.header("content-type")), (200, "application/jsonl"));
    assert_eq!(proven(&all.text, &key), Some(4), "{}", all.text);
    let row = hub.last_event().await;
    assert_eq!((&row["operation"], &row["outcome"]), (&json!("audit_export"), &json!("ok")));
    assert_eq!(
        row["payload"],
        json!({ "filter": { "operation": "call_tool", "provider": "hello-rs" }, "format": "jsonl" }).to_string()
    );
    // Whoever sees its own rows takes those along, whatever it asks for.
    let own = export(VIEWER, "provider=hello-rs").await;
    assert_eq!(proven(&own.text, &key), Some(3), "{}", own.text);
    assert!(!own.text.contains(&scene.operator.to_string()), "{}", own.text);
    assert_eq!(proven(&export(ADMIN, "outcome=denied").await.text, &key), Some(1));
    assert_eq!(proven(&export(ADMIN, "provider=none").await.text, &key), Some(0));

    // What is changed in it is no longer proven.
    let other_key = vec![7; 32];
    assert_eq!(proven(&all.text, &other_key), None);
    for (from, to) in [
        ("\"ops_operator\"", "\"ops_admin\""),
        ("\\\"one\\\"", "\\\"two\\\""),
        ("\"outcome\":\"denied\"", "\"outcome\":\"ok\""),
        ("\"end\":{\"events\":4}", "\"end\":{\"events\":3}"),
        ("\"duration_ms\":", "\"duration_ms\":9"),
    ] {
        let changed = all.text.replacen(from, to, 1);
        assert_ne!(changed, all.text, "{from}: {}", all.text);
        assert_eq!(proven(&changed, &key), None, "{from}");
    }
    let cut: String = all.text.lines().take(4).map(|line| format!("{line}\n")).collect();
    assert_eq!(proven(&cut, &key), None);

    // The same stands beside a row that is shown.
    let id = hub.events().await.iter().find(|event| event["provider"] == "hello-rs").expect("a row")["id"].clone();
    let shown = hub.get(&format!("/audit/events/{}", id.as_str().expect("a text")), Some(&scene.token(ADMIN))).await;
    let proof = &shown.json()["proof"];
    assert!(is_signed(&proof["batch"], &key) && is_in(proof, &proof["batch"]), "{proof}");
}

async fn an_export_for_spreadsheets_has_no_formulas(store: Store) {
    let scene = Scene::new(store).await;
    let hub = &scene.hub;
    let request = hub.client().post(format!("{}/providers/hello-rs/echo.v1", hub.url)).body(r#"{"message":"=1,\"2"}"#);
    let request = request.header("content-type", "application/json").header("x-correlation-id", "=cmd|'/c calc'!A1");
    assert_eq!(crate::support::hub::Hub::send(request, Some(&scene.token(VIEWER))).await.status, 200);
    let csv = hub.get("/audit/export?format=csv&operation=call_tool", Some(&scene.token(ADMIN))).await;
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    let lines: Vec<_> = csv.text.split("\r\n").collect();
    assert_eq!(lines.len(), 7, "a head, five events, and the end: {}", csv.text);
    assert!(lines[0].starts_with("recorded_at,created_at,id,"), "{}", lines[0]);
    for line in &lines[1..6] {
        for field in line.split(",\"") {
            assert!(!field.trim_start_matches('"').starts_with(['=', '+', '-', '@']), "{line}");
        }
    }
    let refused = hub.get("/audit/export?format=xml", Some(&scene.token(ADMIN))).await;
    assert_eq!(code(&refused), (400, "params_invalid".to_owned()));
}
