//! Hubs that start after a crash, side by side, or without the folder that tells who is alive.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::{Second, reaching, rows_of, verified};
use crate::support::{
    hub::{ADMIN, Hub, Reply, eventually},
    upstream::Upstream,
};

async fn scan(hub: &Hub, upstream: &Upstream, token: String) -> tokio::task::JoinHandle<Result<Reply, reqwest::Error>> {
    let input = json!({ "url": upstream.url("/wait") }).to_string();
    let request = hub.client().post(format!("{}/providers/testbed/scan.slow", hub.url)).bearer_auth(token).body(input);
    let before = upstream.seen().len();
    let call = tokio::spawn(async move {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, text: response.text().await? })
    });
    eventually("the scan runs", async || (upstream.seen().len() > before).then_some(())).await;
    call
}

fn interrupted(hub: &Hub) -> Vec<Value> {
    hub.events().into_iter().filter(|event| event["outcome"] == "interrupted").collect()
}

#[tokio::test]
async fn hubs_that_start_at_once_after_a_crash_all_start_and_answer_for_the_dead_once() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream));
    let token = hub.token(ADMIN);
    for _ in 0..5 {
        let call = scan(&hub, &upstream, token.clone()).await;
        hub.kill();
        assert!(call.await.expect("a task").is_err(), "no answer");
        let before = interrupted(&hub).len();
        let starting: Vec<_> = (0..3).map(|_| Second::spawn(&hub)).collect();
        let started: Vec<_> = starting.into_iter().map(|child| Second::listening(child, &hub)).collect();
        assert_eq!(interrupted(&hub).len(), before + 1);
        // They live side by side.
        for second in &started {
            let request = hub.client().post(format!("{}/providers/testbed/calls.count", second.url)).body("{}");
            assert_eq!(Hub::send(request, Some(&token)).await.status, 200);
        }
        drop(started);
        hub.run();
    }
    assert_eq!(interrupted(&hub).len(), 5);
    verified(&hub);
}

#[tokio::test]
async fn a_hub_that_lives_is_not_answered_for_although_its_lock_is_taken_away() {
    let upstream = Upstream::start();
    let hub = Hub::start(&reaching(&upstream));
    let call = scan(&hub, &upstream, hub.token(ADMIN)).await;
    let writers = hub.data().join("writers");
    fs::remove_dir_all(&writers).expect("removed");
    let second = Second::start(&hub);
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert_eq!(fs::read_dir(&writers).expect("there again").count(), 2, "each hub's lock");
    tokio::time::sleep(Duration::from_millis(5500)).await;
    assert_eq!(interrupted(&hub), Vec::<Value>::new());
    upstream.release();
    let reply = call.await.expect("a task").expect("an answer");
    assert_eq!(reply.status, 200);
    assert_eq!(rows_of(&hub, reply.header("x-call-id")).len(), 1);
    drop(second);
    verified(&hub);
}

#[tokio::test]
async fn a_hub_that_is_dead_is_answered_for_although_nothing_is_left_of_its_lock() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream));
    let call = scan(&hub, &upstream, hub.token(ADMIN)).await;
    hub.kill();
    assert!(call.await.expect("a task").is_err(), "no answer");
    fs::remove_dir_all(hub.data().join("writers")).expect("removed");
    hub.run();
    assert_eq!(interrupted(&hub), Vec::<Value>::new(), "it might be about to make its lock again");
    eventually("it is answered for", async || (interrupted(&hub).len() == 1).then_some(())).await;
    hub.stop();
    hub.run();
    assert_eq!(interrupted(&hub).len(), 1);
    verified(&hub);
}

#[tokio::test]
async fn a_hub_that_dies_beside_another_is_answered_for_without_a_start() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream));
    let second = Second::start(&hub);
    let call = scan(&hub, &upstream, hub.token(ADMIN)).await;
    hub.kill();
    assert!(call.await.expect("a task").is_err(), "no answer");
    eventually("it is answered for", async || (interrupted(&hub).len() == 1).then_some(())).await;
    drop(second);
}
