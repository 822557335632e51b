//! What a tool's schema marks `writeOnly` reaches the provider and the caller, and nothing that is recorded.

use std::fs;

use serde_json::{Value, json};
use uuid::Uuid;

use super::verified;
use crate::support::{
    hub::{ADMIN, Hub},
    raw::{
        Raw,
        description::{Description, Tool},
    },
    testbed::replace,
};

/// Tools that answer what they are given, as an output and as an error.
const TOOLS: &str = r"
(func $echo (type $tool) (param $input i32) (param $input_len i32) (result i32) (call $ok (local.get $input) (local.get $input_len)))
(func $act (type $tool) (param $input i32) (param $input_len i32) (result i32) (call $ok (local.get $input) (local.get $input_len)))
(func $fails (type $tool) (param $input i32) (param $input_len i32) (result i32) (call $fail (i32.const 5) (local.get $input) (local.get $input_len)))
";

fn schema() -> Vec<u8> {
    let login = json!({ "type": "object", "properties": { "user": {}, "password": { "$ref": "#/$defs/secret" } } });
    json!({
        "type": "object",
        "properties": {
            "login": login,
            "keys": { "type": "array", "items": { "anyOf": [{ "$ref": "#/$defs/secret" }, { "type": "null" }] } },
            "more": { "allOf": [{ "type": "object", "additionalProperties": { "$ref": "#/$defs/secret" } }] },
        },
        "$defs": { "secret": { "writeOnly": true } },
    })
    .to_string()
    .into_bytes()
}

fn masking(hub: &Hub) {
    let tool = |name, class, annotations| Tool {
        class,
        annotations,
        input_schema: schema(),
        output_schema: schema(),
        ..Tool::named(name)
    };
    let (reads, acts) = ([1, 0, 1, 0], [0, 0, 0, 0]);
    let tools = vec![tool("echo", 0, reads), tool("act", 1, acts), tool("fails", 0, reads)];
    let description = Some(Description { tools, ..Description::default() });
    let bytes = Raw { text: TOOLS, description, ..Raw::default() }.build();
    let component = replace(hub.folder(), "masking.wasm", &bytes);
    let grant = |name, class| {
        format!("      - {{ name: {name}, class: {class}, min_role: ops_viewer, schema_version: '1.0' }}\n")
    };
    let grants: String =
        [("echo", "read"), ("act", "scan"), ("fails", "read")].map(|(name, class)| grant(name, class)).concat();
    let one = |name: &str, keep: &str| {
        format!("  {name}:\n    component: {}\n{keep}    tools:\n{grants}", component.display())
    };
    hub.configure(
        &(one("masking", "") + &one("digests", "    keep: { payload: digest, result: digest, max_bytes: 4096 }\n")),
    );
}

#[tokio::test]
async fn what_a_schema_marks_write_only_is_nowhere_but_in_the_callers_answer() {
    let mut hub = Hub::start("  {}\n");
    masking(&hub);
    let token = hub.token(ADMIN);
    let input = |secret: &str| {
        json!({
            "login": { "user": "jo", "password": format!("\"{secret}\"") },
            "keys": [secret, null, { "deep": [secret] }],
            "more": { "any": { "name": secret } },
        })
    };
    for provider in ["masking/echo", "digests/echo"] {
        let loaded = async || (hub.call(&token, provider, &json!({})).await.status == 200).then_some(());
        crate::support::hub::eventually("the provider is loaded", loaded).await;
    }
    let secret = format!("{}", Uuid::new_v4().simple());
    for provider in ["masking", "digests"] {
        for tool in ["echo", "act"] {
            let reply = hub.call(&token, &format!("{provider}/{tool}"), &input(&secret)).await;
            assert_eq!((reply.status, reply.json()), (200, input(&secret)), "{provider}/{tool}");
        }
        let failed = hub.call(&token, &format!("{provider}/fails"), &input(&secret)).await;
        assert!(failed.text.contains(&secret), "{failed:?}");
        let row = hub.last_event();
        let error = row["error"].as_str().expect("an error");
        assert!(error.contains("[masked]") && error.contains("jo"), "{error}");
    }
    let large = json!({ "login": { "user": "x".repeat(5000), "password": secret } });
    assert_eq!(hub.call(&token, "digests/echo", &large).await.status, 200);
    let acted = |row: &Value| row["provider"] == "masking" && row["tool"] == "act";
    let row = hub.events().into_iter().find(acted).expect("a row");
    let expected = json!({ "keys": ["[masked]", "[masked]", "[masked]"], "login": { "password": "[masked]", "user": "jo" },
        "more": { "any": "[masked]" } });
    for column in ["payload", "result"] {
        let kept: Value = serde_json::from_str(row[column].as_str().expect("kept")).expect("JSON");
        assert_eq!(kept, expected, "{column}");
    }
    let mut seen = String::new();
    for path in ["/audit/export", "/audit/export?format=csv", "/audit/events?limit=500"] {
        let reply = hub.get(path, Some(&token)).await;
        assert_eq!(reply.status, 200);
        seen.push_str(&reply.text);
    }
    hub.stop();
    seen.push_str(&hub.log());
    let mut bytes = seen.into_bytes();
    for entry in fs::read_dir(hub.data()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            bytes.extend(fs::read(&path).expect("read"));
        }
    }
    assert!(memchr::memmem::find(&bytes, b"[masked]").is_some());
    assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none(), "it is recorded");
    assert!(verified(&hub).0);
}
