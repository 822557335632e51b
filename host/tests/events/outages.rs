//! Brokers and hubs that die: nothing is lost, nothing comes twice, and no call waits.

use super::{config, delivering, emit, numbers, outbox};
use crate::support::{
    hub::{Hub, eventually},
    nats::{Nats, PASSWORD},
    postgres::Postgres,
};

#[tokio::test]
async fn a_broker_and_a_hub_that_die_cost_no_event_and_no_order() {
    let mut nats = Nats::start().await;
    let mut hub = delivering(&nats);
    for number in 0..5 {
        emit(&hub, number).await;
    }
    nats.stored(5).await;
    nats.kill();
    // Each is answered, although nobody can be told.
    for number in 5..10 {
        emit(&hub, number).await;
    }
    hub.kill();
    hub.run();
    for number in 10..15 {
        emit(&hub, number).await;
    }
    assert!(outbox(&hub, "delivered_at IS NULL") >= 10);
    nats.run().await;
    let stored = nats.stored(15).await;
    assert_eq!(numbers(stored.iter().map(|stored| &stored.event)), (0..15).collect::<Vec<_>>());
    eventually("nothing waits", async || (outbox(&hub, "delivered_at IS NULL") == 0).then_some(())).await;
    assert_eq!(nats.stored(15).await.len(), 15, "nothing came twice");
}

#[tokio::test]
async fn what_was_delivered_and_not_noted_does_not_come_twice() {
    let nats = Nats::start().await;
    let mut hub = delivering(&nats);
    for number in 0..3 {
        emit(&hub, number).await;
    }
    nats.stored(3).await;
    hub.stop();
    // As after a crash between the two.
    let database = rusqlite::Connection::open(hub.data().join("ops.db")).expect("a database");
    assert_eq!(database.execute("UPDATE event_outbox SET delivered_at = NULL", []).expect("changed"), 3);
    drop(database);
    hub.run();
    emit(&hub, 3).await;
    eventually("nothing waits", async || (outbox(&hub, "delivered_at IS NULL") == 0).then_some(())).await;
    let stored = nats.stored(4).await;
    assert_eq!(numbers(stored.iter().map(|stored| &stored.event)), [0, 1, 2, 3]);
}

#[tokio::test]
async fn on_a_server_what_a_hub_leaves_is_delivered_by_the_next() {
    let server = Postgres::start().await;
    let mut nats = Nats::stopped();
    let (config, url) = (config(&nats), server.url("hub"));
    let secrets = [("nats_password", PASSWORD)];
    let mut first = Hub::start_with_all(&config, &secrets, &["--database-url", &url]);
    for number in 0..3 {
        emit(&first, number).await;
    }
    first.stop();
    let second = Hub::start_beside(&first, &config, &["--database-url", &url]);
    second.set_secret("nats_password", PASSWORD);
    emit(&second, 3).await;
    nats.run().await;
    let stored = nats.stored(4).await;
    assert_eq!(numbers(stored.iter().map(|stored| &stored.event)), [0, 1, 2, 3]);
    let writers: std::collections::BTreeSet<_> =
        stored.iter().map(|stored| stored.event["hubid"].as_str().expect("a hub").to_owned()).collect();
    assert_eq!(writers.len(), 2, "each says who wrote it");
}
