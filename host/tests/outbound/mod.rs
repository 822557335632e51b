//! The outbound gate of the real hub: where a provider may go, and what an upstream can do to it.

mod canary;
mod doors;
mod hostile;
mod hub_address;
mod names;
mod ssrf;
mod table;

use serde_json::json;

use crate::support::hub::{Hub, Reply, eventually};

/// A provider that has `fetch.get` of this component. Its upstreams are meant to fail.
fn fetcher(name: &str, component: &str, allowed_hosts: &[String], timeout_ms: u32) -> String {
    let hosts: Vec<_> = allowed_hosts.iter().map(|host| format!("'{host}'")).collect();
    format!(
        "  {name}:
    component: {{{component}.wasm}}
    allowed_hosts: [{}]
    breaker: {{ failures: 100, rate_percent: 100, rate_requests: 64 }}
    tools: [{{ name: fetch.get, class: read, min_role: ops_viewer, timeout_ms: {timeout_ms}, schema_version: '1.0' }}]
",
        hosts.join(", ")
    )
}

/// Calls `fetch.get`.
async fn fetch(hub: &Hub, token: &str, provider: &str, url: &str) -> Reply {
    hub.call(token, &format!("{provider}/fetch.get"), &json!({ "url": url, "headers": {} })).await
}

/// What the gate said, such as `denied-host: …`; an empty text if the request went through.
fn refusal(reply: &Reply) -> String {
    if reply.status == 200 { String::new() } else { reply.json()["detail"].as_str().unwrap_or_default().to_owned() }
}

/// Waits until a provider of a new config can be called.
async fn ready(hub: &Hub, token: &str, provider: &str) {
    let known = async || {
        let reply = fetch(hub, token, provider, "").await;
        refusal(&reply).starts_with("invalid-request").then_some(())
    };
    eventually(&format!("{provider} is ready"), known).await;
}
