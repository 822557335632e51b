//! An event as it leaves.

use serde_json::Error;

use crate::audit::{CloudEvent, OutboxKey, Waiting};

/// An event with its place among those of its hub, ready to be sent.
#[derive(Debug)]
pub(super) struct Letter {
    key: OutboxKey,
    event: CloudEvent,
    body: String,
    replays: i32,
}

impl Letter {
    pub(super) fn of(waiting: &Waiting) -> Result<Self, Error> {
        let mut event: CloudEvent = serde_json::from_str(&waiting.event)?;
        let OutboxKey { writer, seq, ordinal } = waiting.key;
        event.hubid = Some(writer.to_string());
        // As a text it is in the order of the numbers.
        event.sequence = Some(format!("{seq:016}.{ordinal:04}"));
        let body = serde_json::to_string(&event)?;
        Ok(Self { key: waiting.key, event, body, replays: waiting.replays })
    }

    pub(super) fn key(&self) -> OutboxKey {
        self.key
    }

    pub(super) fn source(&self) -> &str {
        &self.event.source
    }

    pub(super) fn event_type(&self) -> &str {
        &self.event.event_type
    }

    pub(super) fn data(&self) -> &str {
        self.event.data.get()
    }

    /// By what a broker knows one that it has got already. What somebody has asked for anew is to come through again.
    pub(super) fn message_id(&self) -> String {
        match self.replays {
            0 => self.event.id.clone(),
            replays => format!("{}-r{replays}", self.event.id),
        }
    }

    /// The CloudEvent, JSON.
    pub(super) fn body(&self) -> String {
        self.body.clone()
    }
}
