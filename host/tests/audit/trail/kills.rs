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
pub(in crate::audit) struct Moments(u64);

impl Moments {
    pub(in crate::audit) fn new(seed: u64) -> Self {
        Self(seed)
    }

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

/// Callers who go on until the hub does not answer any more.
#[derive(Default)]
pub(in crate::audit) struct Callers {
    calls: Arc<AtomicU64>,
    /// The numbers of calls that were answered, with the status.
    answered: BTreeMap<u64, u16>,
}

impl Callers {
    /// Calls that reach the upstream, until the hub is killed some time later, and started again.
    pub(in crate::audit) async fn until_killed(
        &mut self,
        hub: &mut Hub,
        token: &str,
        target: &str,
        moments: &mut Moments,
    ) {
        let load: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (client, calls, token) = (hub.client().clone(), Arc::clone(&self.calls), token.to_owned());
                let (call, target) = (format!("{}/providers/testbed/scan.slow", hub.url), target.to_owned());
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
            self.answered.extend(caller.await.expect("a task"));
        }
        hub.run();
    }

    /// What is wrong, if there are these rows: the input and outcome of each.
    pub(in crate::audit) fn missed(&self, rows: &[(String, String)], upstream: &Upstream) -> Option<String> {
        let mut outcomes: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for (payload, outcome) in rows {
            let input: serde_json::Value = serde_json::from_str(payload).expect("JSON");
            outcomes.entry(number(input["url"].as_str().expect("text"))).or_default().push(outcome);
        }
        let dark = upstream.seen().iter().map(|seen| number(&seen.uri.to_string())).find_map(|number| {
            let of = outcomes.get(&number);
            (of.map(Vec::len) != Some(1)).then(|| format!("call {number} reached the upstream: {of:?}"))
        });
        let wrong = self.answered.iter().find_map(|(number, status)| {
            let of = outcomes.get(number);
            ((*status, of) != (200, Some(&vec!["ok"]))).then(|| format!("call {number}: {status}, {of:?}"))
        });
        dark.or(wrong)
    }

    pub(in crate::audit) fn end(&self) {
        println!("{} calls, {} answered", self.calls.load(Ordering::Relaxed), self.answered.len());
        assert!(!self.answered.is_empty());
    }
}

#[tokio::test]
async fn every_call_that_reached_the_upstream_has_one_row_whenever_the_hub_is_killed() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream));
    let (token, target) = (hub.token(ADMIN), upstream.url("/echo"));
    let (mut moments, mut callers) = (Moments::new(0x5eed_0008), Callers::default());
    for _ in 0..campaign::size(12, 100) {
        callers.until_killed(&mut hub, &token, &target, &mut moments).await;
        let text = |event: &serde_json::Value, name: &str| event[name].as_str().expect("text").to_owned();
        let scans = hub.events().into_iter().filter(|event| event["tool"] == "scan.slow");
        let rows: Vec<_> = scans.map(|event| (text(&event, "payload"), text(&event, "outcome"))).collect();
        assert_eq!(callers.missed(&rows, &upstream), None);
    }
    callers.end();
    verified(&hub);
}
