//! How the hub ends: what is under way is finished, for as long as there is time.

use std::process::Command;

use serde_json::json;

use crate::support::{
    hub::{Hub, Reply, VIEWER, eventually},
    socket::{Socket, host},
    testbed::Testbed,
    upstream::Upstream,
};

/// A hub, an upstream that does not answer before it is released, and a call under way to it.
struct Scene {
    hub: Hub,
    upstream: Upstream,
    call: tokio::task::JoinHandle<Option<Reply>>,
}

/// `grace` is for `--grace`.
async fn scene(grace: &str) -> Scene {
    let upstream = Upstream::start();
    let with = [&*format!("allowed_hosts: ['{}']", upstream.host())];
    let testbed = Testbed { with: &with, timeout_ms: 30_000, ..Testbed::default() };
    let hub = Hub::start_with(&testbed.yaml(), &["--grace", grace]);
    let request = hub.client().post(format!("{}/providers/testbed/fetch.get", hub.url)).bearer_auth(hub.token(VIEWER));
    let request = request.header("content-type", "application/json");
    let request = request.body(json!({ "url": upstream.url("/wait") }).to_string());
    let call = tokio::spawn(async move {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Reply { status, headers, text: response.text().await.ok()? })
    });
    eventually("the call is at the upstream", async || (!upstream.seen().is_empty()).then_some(())).await;
    Scene { hub, upstream, call }
}

fn terminate(hub: &Hub) {
    let sent = Command::new("kill").args(["-TERM", &hub.pid().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Until nobody listens at the hub's port any more.
async fn is_closed(hub: &Hub) {
    let address = host(hub).to_owned();
    let refused = async || tokio::net::TcpStream::connect(&address).await.is_err().then_some(());
    eventually("nothing is accepted any more", refused).await;
}

#[tokio::test]
async fn a_hub_that_is_to_end_accepts_nothing_more_and_finishes_what_is_under_way() {
    let Scene { mut hub, upstream, call } = scene("5m").await;
    let mut idle = Socket::open(&hub).await;
    assert!(idle.send(format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", host(&hub))).await);
    assert_eq!(idle.answer().await.expect("an answer").status, 200);
    terminate(&hub);
    is_closed(&hub).await;
    assert!(idle.answer().await.is_none(), "an idle connection ends");
    assert!(!call.is_finished(), "the call goes on");
    upstream.release();
    let reply = call.await.expect("a task").expect("an answer");
    assert_eq!(reply.status, 200, "{reply:?}");
    let ended = eventually("the hub ends", async || hub.ended()).await;
    assert_eq!(ended.code(), Some(0), "{}", hub.log());
    assert_eq!(hub.last_event()["outcome"], "ok");
}

#[tokio::test]
async fn what_is_under_way_when_the_grace_period_is_over_is_cancelled_and_on_record() {
    let Scene { mut hub, call, .. } = scene("1s").await;
    terminate(&hub);
    let ended = eventually("the hub ends", async || hub.ended()).await;
    assert_eq!(ended.code(), Some(0), "{}", hub.log());
    assert!(call.await.expect("a task").is_none(), "there was nothing to answer");
    assert_eq!(hub.last_event()["outcome"], "cancelled");
    assert!(hub.log().contains("the grace period of 1 s is over"), "{}", hub.log());
}

#[tokio::test]
async fn a_second_signal_ends_the_hub_at_once() {
    let Scene { mut hub, call, .. } = scene("5m").await;
    terminate(&hub);
    is_closed(&hub).await;
    terminate(&hub);
    // The call itself has half a minute, and the grace period is five.
    eventually("the hub ends", async || hub.ended()).await;
    assert!(call.await.expect("a task").is_none());
    assert!(hub.log().contains("the hub ends at once"), "{}", hub.log());
}
