//! Every provider that is shipped, with every tool of the shipped config and an upstream that lets it be healthy.

use axum::{Json, Router, routing::get};
use serde_json::json;

use super::{
    Upstream, osv,
    sentry::{self, KEY, TOKEN},
    socket,
};
use crate::support::hub::{Hub, eventually};

/// Their names.
pub const NAMES: [&str; 5] = ["hello-rs", "netdata", "osv", "socket", "sentry"];

/// A hub in which all of them are healthy, with further providers, and what they ask.
pub async fn hub(further: &str, arguments: &[&str]) -> (Hub, Vec<Upstream>) {
    let netdata = Router::new().route("/api/v3/versions", get(|| async { Json(json!({})) }));
    let mut upstreams = Vec::new();
    for answers in [netdata, osv::answers(), socket::answers(), sentry::web(), sentry::ingest()] {
        upstreams.push(Upstream::start(answers).await);
    }
    let authorities = upstreams.iter().map(|upstream| std::fs::read_to_string(upstream.ca()).expect("a certificate"));
    std::fs::write(upstreams[0].ca(), authorities.collect::<String>()).expect("the file is written");
    let dsn = format!("https://{KEY}@{}/42", upstreams[4].url.trim_start_matches("https://"));
    let secrets = [("socket_api_key", socket::KEY), ("sentry_auth_token", TOKEN), ("sentry_dsn", &dsn)];
    let hub = Hub::start_with_all(&config(&upstreams, further), &secrets, arguments);
    eventually("every provider is healthy", async || (hub.get("/health", None).await.status == 200).then_some(()))
        .await;
    (hub, upstreams)
}

/// The shipped config, but for where the upstreams are.
fn config(upstreams: &[Upstream], further: &str) -> String {
    let url = |index: usize| upstreams[index].url.as_str();
    let shipped = include_str!("../../../../provider-config.yaml");
    let (_, providers) = shipped.split_once("\nproviders:\n").expect("providers");
    let (mut text, mut provider, mut in_queries) = (String::new(), "", false);
    for line in providers.lines() {
        let own = |key: &str| line.strip_prefix("    ").is_some_and(|rest| rest.starts_with(key));
        if let Some(name) =
            line.strip_prefix("  ").and_then(|name| name.strip_suffix(':')).filter(|name| !name.starts_with(' '))
        {
            provider = name;
        }
        // They name the vendors' own hosts; nothing is asked here.
        in_queries = own("queries:") || in_queries && line.starts_with("      ");
        if in_queries
            || own("enabled:")
            || own("allowed_hosts:")
            || own("settings:")
            || line.trim_start().starts_with('#')
        {
            continue;
        }
        if own("component:") {
            text.push_str(&format!("    component: {{{provider}.wasm}}\n"));
            text.push_str(&match provider {
                "netdata" => format!("    allowed_hosts: ['{0}']\n    settings: {{ agent_url: '{0}' }}\n", url(0)),
                "osv" => format!("    allowed_hosts: ['{0}']\n    settings: {{ api_url: '{0}' }}\n", url(1)),
                "socket" => format!("    allowed_hosts: ['{0}']\n    settings: {{ api_url: '{0}/v0' }}\n", url(2)),
                "sentry" => format!(
                    "    allowed_hosts: ['{0}', '{1}']\n    settings: {{ org: acme, base_url: '{0}' }}\n",
                    url(3),
                    url(4)
                ),
                _ => String::new(),
            });
        } else if line.trim_start().starts_with("sentry_auth_token:") {
            text.push_str(&format!("      sentry_auth_token: {{ hosts: ['{}'] }}\n", url(3)));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text + &format!("{further}outbound: {{ extra_ca: {} }}\n", upstreams[0].ca().display())
}
