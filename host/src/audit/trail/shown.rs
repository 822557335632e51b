//! Events as they are shown: over REST, on the command line and in exports.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use super::super::{
    body::{Body, Text},
    entry::{Place, event_members, intent_members, timestamp},
    event::{Event, Intent},
    ledger::{Listed, Proof},
    usage::{Costs, decimal},
};
use crate::json;

/// Members that say nothing to whoever does not verify.
const OF_PROOF: [&str; 3] = ["kind", "payload_digest", "result_digest"];

/// An event by its members, and its bodies if they were read.
pub(super) fn listed(listed: &Listed) -> Map<String, Value> {
    match &listed.event {
        Ok(event) => {
            let mut shown = event_members(event, &listed.place);
            shown.retain(|name, _| !OF_PROOF.contains(&name.as_str()));
            with_costs(&mut shown, &event.used.costs);
            with_body(&mut shown, "payload", event.payload.as_ref());
            with_body(&mut shown, "result", event.result.as_ref());
            shown
        }
        Err(why) => unreadable(&listed.place, why),
    }
}

pub(super) fn intent(place: &Place, intent: &Intent) -> Map<String, Value> {
    let mut shown = intent_members(intent, place);
    shown.retain(|name, _| !OF_PROOF.contains(&name.as_str()));
    with_body(&mut shown, "payload", intent.payload.as_ref());
    shown
}

/// What stands where an event cannot be read.
pub(super) fn unreadable(place: &Place, why: &str) -> Map<String, Value> {
    let Place { writer, seq, recorded_at } = place;
    let shown = [
        ("writer", writer.to_string().into()),
        ("seq", (*seq).into()),
        ("recorded_at", timestamp(*recorded_at).into()),
        ("unreadable", format!("{why}: run `bulkhead audit verify`").into()),
    ];
    shown.into_iter().map(|(name, value): (_, Value)| (name.to_owned(), value)).collect()
}

/// Sealed are millionths; people read decimal numbers, as texts, because a number would be read as a binary fraction.
fn with_costs(shown: &mut Map<String, Value>, costs: &Costs) {
    let told: Map<String, Value> =
        costs.each().map(|(unit, amount)| (unit.to_owned(), decimal(amount.into()).into())).collect();
    if !told.is_empty() {
        shown.insert("cost".to_owned(), told.into());
    }
}

fn with_body(shown: &mut Map<String, Value>, name: &str, body: Option<&Body>) {
    let Some(Text::Kept(content)) = body.map(Body::text) else { return };
    // What was read is JSON.
    let value = serde_json::from_str(&content.text).unwrap_or_default();
    shown.insert(name.to_owned(), value);
}

/// The line of an event in an export: what it is sealed over, and its bodies with their salts.
pub(super) fn sealed(place: &Place, event: &Event) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("entry".to_owned(), event_members(event, place).into());
    for (name, body) in [("payload", &event.payload), ("result", &event.result)] {
        if let Some(Text::Kept(content)) = body.as_ref().map(Body::text) {
            // The same document as it was hashed.
            let canonical = json::canonical_of_any(&content.text).unwrap_or_default();
            let salt = HEXLOWER.encode(&content.salt);
            line.insert(name.to_owned(), json!({ "canonical": canonical, "salt": salt }));
        }
    }
    line
}

/// The line of a batch in an export.
pub(super) fn batch(proof: &Proof) -> Value {
    let Proof { writer, first, previous, leaves, signature, key } = proof;
    let leaves: Vec<_> = leaves.iter().map(|leaf| HEXLOWER.encode(leaf)).collect();
    json!({
        "writer": writer.to_string(),
        "first": first,
        "previous": HEXLOWER.encode(previous),
        "leaves": leaves,
        "signature": HEXLOWER.encode(signature),
        "key": key,
    })
}
