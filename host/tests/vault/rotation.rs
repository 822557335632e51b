//! Rotation: a new value is in use soon, a removed one soon not, and a call under way keeps the one that it began with.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{fresh_secret, get, holder, secrets, set_secret};
use crate::support::hub::{ADMIN, Hub, eventually};
use crate::support::testbed::Testbed;
use crate::support::upstream::Upstream;

/// What is promised is 60 s (G4); what the hub does is a good deal faster.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_new_value_is_in_use_within_60_s_and_a_removed_one_is_not() {
    let (upstream, first, second) = (Upstream::start(), fresh_secret(), fresh_secret());
    let hub = Hub::start(&holder(&upstream));
    set_secret(&hub, "token", &first);
    let token = hub.token(ADMIN);
    let input = json!({ "url": upstream.url("/echo"), "secret": "token" });
    let arrives = async || {
        let reply = get(&hub, &token, &input).await;
        let last = upstream.seen().pop().map(|seen| seen.header("authorization").to_owned());
        last.filter(|_| reply.status == 200)
    };
    assert_eq!(arrives().await, Some(format!("Bearer {first}")));

    set_secret(&hub, "token", &second);
    let set = Instant::now();
    let is_new = async || (arrives().await? == format!("Bearer {second}")).then_some(());
    eventually("the new value arrives", is_new).await;
    let rotated = set.elapsed();
    assert_eq!(arrives().await, Some(format!("Bearer {second}")), "and stays");

    assert!(secrets(&hub, &["remove", "token"], "").status.success());
    let removed = Instant::now();
    eventually("the removed value is gone", async || arrives().await.is_none().then_some(())).await;
    let gone = removed.elapsed();
    eprintln!(
        "a new value is in use after {:.1} s, a removed one gone after {:.1} s",
        rotated.as_secs_f64(),
        gone.as_secs_f64()
    );
    assert!(rotated < SOON && gone < SOON);
}

#[tokio::test]
async fn a_call_under_way_keeps_the_value_that_it_began_with() {
    let (upstream, first, second) = (Upstream::start(), fresh_secret(), fresh_secret());
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let hub =
        Hub::start(&Testbed { with: &["vault_key: token", &hosts], timeout_ms: 30_000, ..Testbed::default() }.yaml());
    set_secret(&hub, "token", &first);
    let token = hub.token(ADMIN);
    let sent = |path: &str| {
        let seen = upstream.seen().into_iter().rev().find(|seen| seen.uri.path() == path);
        seen.map(|seen| seen.header("authorization").to_owned())
    };
    let input = json!({ "secret": "token", "first": upstream.url("/wait"), "second": upstream.url("/old") });
    let rotate = async {
        eventually("the call is under way", async || sent("/wait")).await;
        set_secret(&hub, "token", &second);
        let input = json!({ "url": upstream.url("/new"), "secret": "token" });
        let others_have_it = async || {
            get(&hub, &token, &input).await;
            (sent("/new")? == format!("Bearer {second}")).then_some(())
        };
        eventually("other calls have the new value", others_have_it).await;
        upstream.release();
    };
    let (reply, ()) = tokio::join!(hub.call(&token, "testbed/secret.twice", &input), rotate);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(sent("/wait"), Some(format!("Bearer {first}")));
    assert_eq!(sent("/old"), Some(format!("Bearer {first}")), "although the vault has another one by now");
}
