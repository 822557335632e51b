//! What `capture.error` takes.

use std::collections::BTreeMap;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{Map, Value};
use serde::Serializer;

/// One event to capture. Serialized, it is the part of the event that is the same for Sentry.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct Input {
    /// What happened: "Payment for order A-1001 was refused by the gateway". Leave changing parts to `tags` or `extra`
    /// where you can, because events with the same message become one issue.
    #[schemars(length(min = 1, max = 8192))]
    message: String,
    /// How bad it is.
    #[serde(default)]
    level: Level,
    /// The exception, if there was one; it then gives the issue its title.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_chain")]
    exception: Option<Exception>,
    /// Short indexed values to search by: {"service": "checkout", "region": "eu-1"}. Keys up to 32 characters of
    /// letters, digits, "_", ".", ":" and "-"; values up to 200 characters on one line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    /// Where it happened: "production".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^[^\s/]{1,64}$"))]
    environment: Option<String>,
    /// The version that runs there: "checkout@2.14.0".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^[^\n\r\t/\\]{1,200}$"))]
    release: Option<String>,
    /// Anything else that helps, as JSON, shown with the event but not searchable: {"order": {"id": "A-1001"}}.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(extend("additionalProperties" = true))]
    extra: Map<String, Value>,
    /// Groups events by this instead of by what Sentry finds out: ["payment-refused", "gateway-x"].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    fingerprint: Vec<String>,
    /// The operation that failed: "POST /orders" or "nightly-backup".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    transaction: Option<String>,
    /// The machine: "web-1".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    server_name: Option<String>,
    /// The language of the frames, which decides how they are shown: "python", "javascript", "go", "java", "native";
    /// "other" for the rest.
    #[serde(default = "other")]
    #[schemars(extend("pattern" = "^[a-z]{1,16}$"))]
    platform: String,
}

fn other() -> String {
    "other".to_owned()
}

/// Sentry takes a chain of exceptions; ours has one.
#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn as_chain<S: Serializer>(exception: &Option<Exception>, serializer: S) -> Result<S::Ok, S::Error> {
    json!({ "values": [exception] }).serialize(serializer)
}

/// Sentry's levels, worst first.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    Fatal,
    #[default]
    Error,
    Warning,
    Info,
    Debug,
}

/// What was thrown.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct Exception {
    /// Its class: "ConnectionError".
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 256))]
    kind: String,
    /// Its message: "refused by 10.0.0.7:5432".
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The module or package of the class: "psycopg".
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    /// Where it was thrown.
    #[serde(skip_serializing_if = "Option::is_none")]
    stacktrace: Option<Stacktrace>,
}

/// A stack of calls.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Stacktrace {
    /// The calls, the oldest first: the last one threw.
    #[schemars(length(min = 1, max = 250))]
    frames: Vec<Frame>,
}

/// One call in the stack.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Frame {
    /// The function: "charge_card".
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    /// The file: "checkout/payment.py".
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    /// The module: "checkout.payment".
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    /// The line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    lineno: Option<u32>,
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none")]
    colno: Option<u32>,
    /// The code of that line.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_line: Option<String>,
    /// Whether it is the application's own code and not a library's.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_app: Option<bool>,
}

impl Input {
    /// What the schema does not say. Sentry would drop such a value and keep the event, so nobody would learn of it.
    pub fn check(&self) -> Result<(), CallError> {
        for (key, value) in &self.tags {
            let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
            if key.is_empty() || key.len() > 32 || !key.chars().all(fits) {
                return Err(CallError::invalid_input(format!(
                    "`tags`: the key `{key:.40}` does not fit Sentry: use 1 to 32 letters, digits, _ . : -"
                )));
            }
            if value.is_empty() || value.chars().count() > 200 || value.contains('\n') {
                return Err(CallError::invalid_input(format!(
                    "`tags`: the value of `{key}` does not fit Sentry: use 1 to 200 characters on one line, or put it into `extra`"
                )));
            }
        }
        if self.environment.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("none")) {
            return Err(CallError::invalid_input("`environment` may not be \"None\": leave it out instead"));
        }
        if self.release.as_deref().is_some_and(|name| matches!(name.trim(), "" | "." | "..")) {
            return Err(CallError::invalid_input("`release` is not a version: write one such as \"checkout@2.14.0\""));
        }
        Ok(())
    }
}
