//! Hostile providers: what must not serve is refused at load with the reason, what serves ends as its row says, and a
//! provider that means well goes on beside them.

mod answers;
mod changing;
mod checks;
mod describing;
mod descriptions;
mod files;
mod shapes;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{Folder, Hub, VIEWER};
use crate::support::raw::description::{Description, Prompt, Resource, Tool};
use crate::support::testbed::replace;

/// The longest that the hub may say of one provider, in bytes.
const TOLD_MAX: usize = 5000;

/// A tool that does what it should.
const CALM: &str = "(func $calm (type $tool) (call $done))\n";

/// One of each: the tool `calm`, the prompt `ask`, the resource `raw://it`.
fn well_described() -> Description {
    Description {
        tools: vec![Tool::named("calm")],
        resources: vec![Resource::at("raw://it")],
        prompts: vec![Prompt::named("ask")],
        ..Description::default()
    }
}

/// A row of a file in `providers/`: what stands between its mark and the next.
fn row<'a>(file: &'a str, name: &str) -> &'a str {
    let mark = format!(";; row {name}\n");
    let (_, after) = file.split_once(&mark).unwrap_or_else(|| panic!("no row {name}"));
    after.split("\n;; row ").next().expect("a text")
}

/// The names of a file's rows.
fn rows(file: &str) -> Vec<&str> {
    file.lines().filter_map(|line| line.strip_prefix(";; row ")).collect()
}

/// A provider's entry in the config, with the tool `calm`.
fn entry(name: &str, component: &str) -> String {
    format!(
        "  {name}:\n    component: {component}\n    allowed_hosts: ['https://example.org']\n    tools:\n      - {{ name: calm, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}\n    resources: all\n    prompts: all\n"
    )
}

/// A provider that must not serve: its name, its bytes, and what must be said of it.
struct Refused {
    name: String,
    bytes: Vec<u8>,
    telling: &'static [&'static str],
}

impl Refused {
    fn new(name: &str, bytes: Vec<u8>, telling: &'static [&'static str]) -> Self {
        Self { name: name.to_owned(), bytes, telling }
    }
}

/// Loads them all, in a hub and in `config check`: each is refused for its reason, and hello-rs answers beside them.
async fn all_refused(rows: &[Refused], within: Duration) {
    let folder = Folder::new();
    let mut config = HELLO.to_owned();
    for row in rows {
        let path = replace(folder.path(), &format!("{}.wasm", row.name), &row.bytes);
        config.push_str(&entry(&row.name, &path.display().to_string()));
    }
    let told: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.telling)).collect();
    all_refused_in(&config, &told, within).await;
}

/// The same for a config of one's own.
async fn all_refused_in(config: &str, rows: &[(&str, &[&str])], within: Duration) {
    let started = Instant::now();
    let hub = Hub::start(config);
    let took = started.elapsed();
    eprintln!("{} providers in {took:?}", rows.len());
    assert!(took < within, "{took:?}");

    let checked = hub.program().args(["config", "check"]).output().expect("it runs");
    assert!(!checked.status.success());
    let checked = String::from_utf8(checked.stdout).expect("text");
    let token = hub.token(VIEWER);
    let health = hub.get("/health", Some(&token)).await.json();
    let mut wrong = String::new();
    for (name, telling) in rows {
        let of_it = format!("{name}: ");
        let lines: Vec<_> = checked.lines().filter_map(|line| line.strip_prefix(&of_it)).collect();
        let error = error_of(&health, name);
        let forged = error.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}' | '\u{e0041}'));
        let told = telling.iter().all(|words| error.contains(words));
        if lines != [error.as_str()] || !told || forged || error.len() > TOLD_MAX {
            writeln!(wrong, "{name}: {error:.600?}, not {telling:?}; config check: {lines:.600?}").expect("a string");
        }
        let call = hub.call(&token, &format!("{name}/calm"), &json!({})).await;
        if (call.status, call.json()["code"].as_str()) != (503, Some("provider_unavailable")) {
            writeln!(wrong, "{name} can be called: {call:?}").expect("a string");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // Nothing of theirs is another's line.
    assert_eq!(checked.lines().count(), rows.len() + 1, "{checked}");
    assert!(checked.lines().any(|line| line.starts_with("hello-rs: ok")), "{checked}");
    let tools = hub.mcp(&token, "tools/list", &json!({})).await;
    let names = tools["result"]["tools"].as_array().expect("tools").iter().map(|tool| tool["name"].as_str());
    assert!(names.flatten().all(|name| name.starts_with("hello-rs.")), "{tools}");
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
}
