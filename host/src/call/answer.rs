//! The answer of a call.

use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use super::{AdminOutput, CallError, Offers, TrailOutput};
use crate::{
    health::Health,
    sandbox::{Content, PromptMessage, ResourceContent},
};

/// What a call came to. Whatever leaves a row is on record when anybody sees this.
#[derive(Debug)]
pub struct Answer {
    /// The call's id, that of its audit row if it has one.
    pub id: Uuid,
    /// What came of it, or why there is nothing.
    pub outcome: Result<Output, CallError>,
}

/// What a provider gave, or the hub.
#[derive(Debug)]
pub enum Output {
    /// A tool's output.
    Tool {
        /// The JSON, valid against the tool's output schema.
        value: Value,
        /// The same, written out once for whoever wants its text.
        written: Box<RawValue>,
        /// Further content for MCP clients.
        content: Vec<Content>,
    },
    /// A resource's contents.
    Resource(Vec<ResourceContent>),
    /// A prompt's messages.
    Prompt(Vec<PromptMessage>),
    /// A provider's health.
    Health(Health),
    /// What there is for the caller.
    Offers(Offers),
    /// What the audit trail tells.
    Trail(TrailOutput),
    /// What an admin is told.
    Admin(AdminOutput),
}
