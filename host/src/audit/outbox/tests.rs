//! The outbox of hubs on one file: what waits, who takes it over, what is dropped.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::*;
use crate::{
    audit::{
        Audit,
        cloud_event::{ForOutbox, Outgoing, Said, Sayer},
        event::{Event, Outcome},
    },
    store::sqlite,
};

const ROOMY: Bounds = Bounds { events: 1000, bytes: 1024 * 1024 };

fn data() -> PathBuf {
    let data = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
    std::fs::create_dir_all(&data).expect("a folder");
    data
}

fn audit(data: &Path) -> Audit {
    let audit = Audit::open(data, data.join("ops.db")).expect("a trail");
    audit.outbox().open(true, ROOMY);
    audit
}

/// An operation that tells of these.
fn telling(types: &[&str]) -> Event {
    let mut event = Event::sample(Outcome::Ok);
    let events = types.iter().enumerate().map(|(ordinal, event_type)| {
        let said = Said {
            row: event.id,
            ordinal,
            sayer: Sayer::Hub,
            event_type,
            subject: None,
            time: event.created_at,
            correlation_id: "c",
        };
        Outgoing::new(said, "{}")
    });
    event.outbox = ForOutbox { events: events.collect(), drops: 0 };
    event
}

fn types(waiting: &[Waiting]) -> Vec<String> {
    let member = |event: &str| -> serde_json::Value { serde_json::from_str(event).expect("JSON") };
    waiting.iter().map(|waiting| member(&waiting.event)["type"].as_str().expect("a type").to_owned()).collect()
}

#[tokio::test]
async fn what_rows_tell_waits_in_their_order_until_it_is_delivered() {
    let data = data();
    let audit = audit(&data);
    let outbox = audit.outbox();
    assert_eq!((outbox.next().await.expect("read"), outbox.backlog()), (Vec::new(), Backlog::default()));
    for told in [["a", "b"], ["c", "d"]] {
        audit.record(telling(&told)).await.expect("recorded");
    }
    audit.record(Event::sample(Outcome::Ok)).await.expect("recorded");
    let waiting = outbox.next().await.expect("read");
    assert_eq!(types(&waiting), ["a", "b", "c", "d"]);
    let bytes: usize = waiting.iter().map(|waiting| waiting.event.len()).sum();
    assert_eq!((outbox.backlog().events, outbox.backlog().bytes), (4, bytes as u64));
    // Whichever was delivered; the others go on waiting.
    outbox.delivered(vec![waiting[0].key, waiting[2].key]).await.expect("noted");
    assert_eq!(types(&outbox.next().await.expect("read")), ["b", "d"]);
    assert_eq!(
        outbox.sweep(Utc::now() - chrono::TimeDelta::days(1)).await.expect("swept"),
        0,
        "it is kept for a while"
    );
    assert_eq!(outbox.sweep(Utc::now() + chrono::TimeDelta::days(1)).await.expect("swept"), 2);
    assert_eq!(outbox.backlog().events, 2, "what waits is not swept");
    audit.close().await;
    std::fs::remove_dir_all(&data).expect("removed");
}

#[tokio::test]
async fn what_a_hub_leaves_is_taken_over_and_what_a_living_one_has_is_not() {
    let data = data();
    let (one, other) = (audit(&data), audit(&data));
    one.record(telling(&["a", "b"])).await.expect("recorded");
    other.record(telling(&["c"])).await.expect("recorded");
    other.outbox().take_over().await.expect("looked");
    assert_eq!(types(&other.outbox().next().await.expect("read")), ["c"], "each delivers its own");
    one.close().await;
    other.outbox().take_over().await.expect("looked");
    assert_eq!(types(&other.outbox().next().await.expect("read")), ["a", "b", "c"]);
    assert_eq!(other.outbox().backlog().events, 3);
    other.close().await;
    std::fs::remove_dir_all(&data).expect("removed");
}

#[tokio::test]
async fn at_the_bound_the_oldest_go_and_a_row_and_an_event_say_how_many() {
    let data = data();
    let audit = audit(&data);
    let outbox = audit.outbox();
    outbox.open(true, Bounds { events: 20, ..ROOMY });
    for number in 0..30 {
        audit.record(telling(&[&format!("n{number}")])).await.expect("recorded");
    }
    let waiting = outbox.next().await.expect("read");
    assert!(waiting.len() <= 20, "{}", waiting.len());
    let told = types(&waiting);
    assert_eq!(told.last().map(String::as_str), Some("n29"), "the newest are there");
    let dropped: u64 = waiting
        .iter()
        .filter_map(|waiting| serde_json::from_str::<serde_json::Value>(&waiting.event).ok())
        .filter(|event| event["type"] == "bulkhead.events.dropped")
        .map(|event| event["data"]["events"].as_u64().expect("a number"))
        .sum();
    let left = told.iter().filter(|told| told.starts_with('n')).count() as u64;
    assert_eq!(left + dropped, 30, "none is lost that nobody is told of: {told:?}");
    audit.close().await;
    let connection = sqlite::open_read_only(&data.join("ops.db")).expect("a database");
    let query = "SELECT error FROM ops.events WHERE operation = 'tell' LIMIT 1";
    let row: String = connection.query_row(query, [], |row| row.get(0)).expect("a row");
    assert!(row.contains("events were dropped"), "{row}");
    std::fs::remove_dir_all(&data).expect("removed");
}
