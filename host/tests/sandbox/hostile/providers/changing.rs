//! A provider that describes itself differently each time it is asked.

use std::process::Command;

use serde_json::{Value, json};

use super::{CALM, entry};
use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Folder, Hub, eventually};
use crate::support::raw::Raw;
use crate::support::raw::description::{Description, Tool};
use crate::support::testbed::replace;

/// One of four descriptions by chance, two of which are the same.
const DESCRIBE: &str = r#"
(func (export "{interface}describe") (result i32) (local $chance i32)
  (local.set $chance (i32.and (i32.wrap_i64 (call $random)) (i32.const 3)))
  (if (i32.eq (local.get $chance) (i32.const 0)) (then (return (i32.const {other.0}))))
  (if (i32.eq (local.get $chance) (i32.const 1)) (then (return (i32.const {other.1}))))
  (i32.const {other.2}))
"#;
const RANDOM: &str = r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;
/// So many loads show every description, but for one time in a hundred million.
const LOADS: u8 = 80;

/// Two faces with the tool that the config lists, each with one more, and one without it.
fn build() -> Vec<u8> {
    let face = |calm: Option<&str>, more: &str| Description {
        tools: calm
            .map(|face| Tool { description: face.into(), ..Tool::named("calm") })
            .into_iter()
            .chain([Tool::named(more)])
            .collect(),
        ..Description::default()
    };
    let others = vec![
        face(Some("the first face"), "more.first"),
        face(Some("the second face"), "more.second"),
        face(None, "more.third"),
    ];
    let text = format!("{CALM}{DESCRIBE}");
    Raw { text: &text, others, imports: RANDOM, ..Raw::default() }.build()
}

/// The same component with another content: a section that nobody reads says which load it is for.
fn for_load(bytes: &[u8], load: u8) -> Vec<u8> {
    [bytes, &[0, 5, 3, b'n', b't', b'h', load]].concat()
}

/// How often the hub has come to a judgement about the provider.
fn judgements(hub: &Hub) -> usize {
    let about = |line: &&str| line.contains("providers changed") || line.contains("could not be loaded");
    hub.log().lines().filter(|line| line.contains("faces")).filter(about).count()
}

/// The face that callers see, asked for several times; nothing but the tool of the config is ever listed.
async fn face(hub: &Hub, token: &str) -> Option<String> {
    let mut seen = Vec::new();
    for _ in 0..5 {
        let tools = hub.mcp(token, "tools/list", &json!({})).await["result"]["tools"].take();
        let tools = tools.as_array().expect("tools").clone();
        let its: Vec<Value> = tools.into_iter().filter(|tool| tool["name"].to_string().contains("faces")).collect();
        assert!(its.len() <= 1 && its.iter().all(|tool| tool["name"] == "faces.calm"), "{its:?}");
        seen.push(its.first().map(|tool| tool["description"].as_str().expect("a text").to_owned()));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "one load, one face: {seen:?}");
    for more in ["more.first", "more.second", "more.third"] {
        let call = hub.call(token, &format!("faces/{more}"), &json!({})).await;
        assert!([404, 503].contains(&call.status), "{more}: {call:?}");
    }
    seen.remove(0)
}

#[tokio::test]
async fn a_description_that_changes_is_judged_at_each_load_and_stays_until_the_next() {
    let folder = Folder::new();
    let bytes = build();
    let path = replace(folder.path(), "faces.wasm", &for_load(&bytes, 0)).display().to_string();
    let hub = Hub::start(&format!("{HELLO}{}", entry("faces", &path)));
    let token = hub.token(ADMIN);
    let mut before = face(&hub, &token).await;
    let (mut faces, mut kept) = (Vec::new(), 0);
    for load in 1..LOADS {
        let judged = judgements(&hub);
        replace(folder.path(), "faces.wasm", &for_load(&bytes, load));
        eventually("it is judged", async || (judgements(&hub) > judged).then_some(())).await;
        let now = face(&hub, &token).await;
        let problem = error_of(&hub.get("/health", Some(&token)).await.json(), "faces");
        if problem.contains("lists the tool `calm`, which the component does not have; it has: more.third") {
            assert_eq!(now, before, "what served goes on: {problem}");
            assert_eq!(problem.starts_with("an older revision is serving, because"), now.is_some(), "{problem}");
            kept += usize::from(now.is_some());
        } else {
            assert!(now.is_some(), "{problem}");
        }
        let call = hub.call(&token, "faces/calm", &json!({})).await;
        assert_eq!(call.status, if now.is_some() { 200 } else { 503 }, "{call:?}");
        assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
        faces.extend(now.clone());
        faces.sort();
        faces.dedup();
        before = now;
        if faces.len() == 2 && kept >= 2 && problem.is_empty() {
            break;
        }
    }
    assert_eq!((faces.len(), kept >= 2), (2, true), "{faces:?}, {kept} times the older one went on");

    // The same bytes are the same revision: it is not asked again, however often somebody wants a reload.
    let judged = judgements(&hub);
    for _ in 0..10 {
        assert!(Command::new("kill").args(["-HUP", &hub.pid().to_string()]).status().expect("kill runs").success());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!((face(&hub, &token).await, judgements(&hub)), (before, judged));
}
