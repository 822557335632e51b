//! A hub that is killed at random moments under load: whatever reached the upstream has a row.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use super::{reaching, verified};
use crate::support::{
    campaign,
    hub::{ADMIN, Hub},
    upstream::Upstream,
};

/// Calls at once.
const AT_ONCE: usize = 8;

/// Marsaglia's xorshift: the same moments each time.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(20 + self.0 % 700)
    }
}

/// Which call a URL belongs to.
fn number(url: &str) -> u64 {
    url.split_once("call=").and_then(|(_, number)| number.parse().ok()).unwrap_or_else(|| panic!("{url}"))
}

#[tokio::test]
async fn every_call_that_reached_the_upstream_has_one_row_whenever_the_hub_is_killed() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream));
    let token = hub.token(ADMIN);
    let mut moments = Moments(0x5eed_0008);
    let calls = Arc::new(AtomicU64::new(0));
    let mut answered = BTreeMap::new();
    for _ in 0..campaign::size(12, 500) {
        let load: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (client, calls, token) = (hub.client().clone(), Arc::clone(&calls), token.clone());
                let (call, target) = (format!("{}/providers/testbed/scan.slow", hub.url), upstream.url("/echo"));
                tokio::spawn(async move {
                    let mut answered = Vec::new();
                    loop {
                        let number = calls.fetch_add(1, Ordering::Relaxed);
                        let input = json!({ "url": format!("{target}?call={number}") }).to_string();
                        let Ok(response) = client.post(&call).bearer_auth(&token).body(input).send().await else {
                            return answered;
                        };
                        answered.push((number, response.status().as_u16()));
                    }
                })
            })
            .collect();
        tokio::time::sleep(moments.next()).await;
        hub.kill();
        for caller in load {
            answered.extend(caller.await.expect("a task"));
        }
        hub.run();

        let mut rows: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for event in hub.events().iter().filter(|event| event["tool"] == "scan.slow") {
            let input: serde_json::Value =
                serde_json::from_str(event["payload"].as_str().expect("text")).expect("JSON");
            let outcome = event["outcome"].as_str().expect("text").to_owned();
            rows.entry(number(input["url"].as_str().expect("text"))).or_default().push(outcome);
        }
        for seen in upstream.seen() {
            let of = rows.get(&number(&seen.uri.to_string()));
            assert!(of.is_some_and(|rows| rows.len() == 1), "{}: {of:?}", seen.uri);
        }
        for (number, status) in &answered {
            assert_eq!((*status, rows.get(number)), (200, Some(&vec!["ok".to_owned()])), "call {number}");
        }
    }
    println!("{} calls, {} answered", calls.load(Ordering::Relaxed), answered.len());
    assert!(!answered.is_empty());
    verified(&hub);
}
