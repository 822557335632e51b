//! How much of what goes in and comes out is kept in the audit trail.

use schemars::JsonSchema;
use serde::Deserialize;

use super::sink::CheckpointSink;
use crate::names::Kept;

/// What is kept of the two bodies of a call. What is left out is as outside: a tool's as its provider's, that as for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeptBodies {
    /// What is kept of inputs.
    pub payload: Option<Kept>,
    /// What is kept of outputs.
    pub result: Option<Kept>,
}

impl KeptBodies {
    /// These, and for what they leave out the `outer` ones.
    #[must_use]
    pub fn or(self, outer: Self) -> Self {
        Self { payload: self.payload.or(outer.payload), result: self.result.or(outer.result) }
    }

    /// Of inputs: all, if nothing is said anywhere.
    #[must_use]
    pub fn payload(self) -> Kept {
        self.payload.unwrap_or_default()
    }

    /// Of outputs, likewise.
    #[must_use]
    pub fn result(self) -> Kept {
        self.result.unwrap_or_default()
    }

    /// Whether as much is kept as with `old`: keeping less is what somebody has taken back.
    pub(super) fn covers(self, old: Self) -> bool {
        self.payload() >= old.payload() && self.result() >= old.result()
    }
}

/// The audit trail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// What is kept of bodies, where neither provider nor tool says otherwise; all of them when left out.
    #[serde(default)]
    pub keep: KeptBodies,
    /// Where signed checkpoints go, each minute in which something was recorded and at the hub's end: places that whoever can
    /// change the database cannot change. `bulkhead audit verify --checkpoint FILE` compares them with the trail. At most 8.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub checkpoints: Vec<CheckpointSink>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_leaves_out_is_as_outside() {
        let all = KeptBodies { payload: Some(Kept::Digest), result: None };
        let tool = KeptBodies { payload: None, result: Some(Kept::None) };
        assert_eq!(tool.or(all), KeptBodies { payload: Some(Kept::Digest), result: Some(Kept::None) });
        assert_eq!(all.or(KeptBodies { payload: Some(Kept::None), result: None }), all);
    }
}
