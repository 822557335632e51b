//! Events: what providers emit and what the hub tells of itself, delivered to a real NATS JetStream.

mod outages;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    hub::{ADMIN, Hub, eventually},
    nats::{Nats, PASSWORD},
    testbed::Testbed,
};

/// A hub that delivers there.
fn delivering(nats: &Nats) -> Hub {
    Hub::start_with_secrets(&config(nats), &[("nats_password", PASSWORD)])
}

fn config(nats: &Nats) -> String {
    format!("{}{}", Testbed::default().yaml(), nats.config())
}

/// Has the testbed emit one event that holds a number.
async fn emit(hub: &Hub, number: usize) {
    let input = json!({ "event_type": "org.example.counted", "data": { "number": number } });
    let reply = hub.call(&hub.token(ADMIN), "testbed/event.emit", &input).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// The numbers of such events, in their order.
fn numbers<'a>(events: impl Iterator<Item = &'a Value>) -> Vec<u64> {
    events.filter_map(|event| event["data"]["number"].as_u64()).collect()
}

fn outbox(hub: &Hub, condition: &str) -> i64 {
    let query = format!("SELECT count(*) FROM event_outbox WHERE {condition}");
    hub.database().query_row(&query, [], |row| row.get(0)).expect("a number")
}

#[tokio::test]
async fn what_a_provider_emits_reaches_a_durable_consumer_in_order_and_says_whose_it_is() {
    let nats = Nats::start().await;
    let hub = delivering(&nats);
    let token = hub.token(ADMIN);
    for event_type in ["org.example.happened", "odd..type-", "bulkhead"] {
        let input = json!({ "event_type": event_type, "times": 3 });
        let reply = hub.call(&token, "testbed/event.emit", &input).await;
        // That one is the hub's to say.
        assert_eq!(reply.status, if event_type == "bulkhead" { 502 } else { 200 }, "{reply:?}");
    }
    for forged in ["bulkhead.provider.down", "Bulkhead.reload.refused", "bulkhead.quota.more"] {
        let reply = hub.call(&token, "testbed/event.emit", &json!({ "event_type": forged })).await;
        assert!(reply.status == 502 && reply.text.contains("the hub's"), "{forged}: {reply:?}");
    }
    let stored = nats.stored(6).await;
    assert_eq!(stored.len(), 6, "{stored:?}");
    let row = &hub.events()[0];
    let (mut ids, mut sequence) = (BTreeSet::new(), String::new());
    for (place, stored) in stored.iter().enumerate() {
        let event = &stored.event;
        let (event_type, in_subject) =
            if place < 3 { ("org.example.happened", "org.example.happened") } else { ("odd..type-", "odd._.type-") };
        assert_eq!(stored.subject, format!("bulkhead.events.providers.testbed.{in_subject}"));
        assert_eq!(
            (event["specversion"].as_str(), event["source"].as_str()),
            (Some("1.0"), Some("/providers/testbed"))
        );
        assert_eq!((event["type"].as_str(), event["subject"].as_str()), (Some(event_type), Some("event.emit")));
        assert_eq!(event["data"], json!({ "time": place % 3 }));
        assert_eq!(event["id"], stored.message_id.as_str());
        assert!(ids.insert(stored.message_id.clone()), "{ids:?}");
        let next = event["sequence"].as_str().expect("a sequence").to_owned();
        assert!(next > sequence, "{next}");
        sequence = next;
        if place < 3 {
            assert_eq!(event["correlationid"], row["correlation_id"]);
            assert_eq!(event["id"], format!("{}-{place}", row["id"].as_str().expect("an id")));
            assert_eq!(event["hubid"], row["writer"]);
        }
        let user = row["caller_id"].as_str().expect("a caller");
        assert!(!event.to_string().contains(user), "who called is for those who may read the trail");
    }
    let consumed = [nats.consume("reader", 4).await, nats.consume("reader", 2).await].concat();
    let read: Vec<_> = consumed.iter().map(|event| event["id"].as_str().expect("an id")).collect();
    let sent: Vec<_> = stored.iter().map(|stored| &*stored.message_id).collect();
    assert_eq!(read, sent, "a durable consumer goes on where it was");
    eventually("all is noted as delivered", async || (outbox(&hub, "delivered_at IS NULL") == 0).then_some(())).await;
    assert_eq!(outbox(&hub, "delivered_at IS NOT NULL"), 6, "and kept for a while");
}

#[tokio::test]
async fn the_hub_tells_of_itself_by_a_row_and_an_event() {
    let nats = Nats::start().await;
    let hub = delivering(&nats);
    hub.configure("  broken: 1\n");
    let told = nats.stored(1).await.pop().expect("an event");
    assert_eq!(told.subject, "bulkhead.events.hub.bulkhead.reload.refused");
    assert_eq!(
        (told.event["source"].as_str(), told.event["type"].as_str()),
        (Some("/hub"), Some("bulkhead.reload.refused"))
    );
    assert!(told.event["data"]["reason"].as_str().expect("a reason").contains("broken"), "{told:?}");
    let rows = hub.events();
    let row = rows.iter().find(|row| row["operation"] == "tell").expect("a row");
    assert_eq!(told.event["id"], format!("{}-0", row["id"].as_str().expect("an id")));
    assert_eq!((row["surface"].as_str(), row["outcome"].as_str()), (Some("hub"), Some("failed")));
}

#[tokio::test]
async fn without_a_broker_events_go_to_the_log_and_nothing_of_them_is_kept() {
    let hub = Hub::start(&Testbed::default().yaml());
    emit(&hub, 17).await;
    eventually("it is in the log", async || hub.log().contains("org.example.counted").then_some(())).await;
    assert_eq!(outbox(&hub, "true"), 0);
}
