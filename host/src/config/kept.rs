//! How much of what goes in and comes out is kept in the audit trail.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{bounded::bounded, sink::CheckpointSink};
use crate::names::Kept;

bounded!(/// The longest body that is kept whole, in bytes of JSON.
    KeptBytes, 4_096..=1_048_576, 65_536, "bytes");

/// What is kept of the two bodies of a call. What is left out is as outside: a tool's as its provider's, that as for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeptBodies {
    /// What is kept of inputs.
    pub payload: Option<Kept>,
    /// What is kept of outputs.
    pub result: Option<Kept>,
    /// Of what is longer than this, in bytes of JSON, the beginning and a digest are kept: 4096 to 1048576; 65536 when left out.
    #[schemars(with = "Option<u32>", range(min = 4096, max = 1_048_576))]
    pub max_bytes: Option<KeptBytes>,
}

impl KeptBodies {
    /// These, and for what they leave out the `outer` ones.
    #[must_use]
    pub fn or(self, outer: Self) -> Self {
        Self {
            payload: self.payload.or(outer.payload),
            result: self.result.or(outer.result),
            max_bytes: self.max_bytes.or(outer.max_bytes),
        }
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

    /// The longest body that is kept whole, in bytes.
    #[must_use]
    pub fn max_bytes(self) -> usize {
        usize::try_from(self.max_bytes.unwrap_or_default().get()).unwrap_or(usize::MAX)
    }

    /// Whether as much is kept as with `old`: keeping less is what somebody has taken back.
    pub(super) fn covers(self, old: Self) -> bool {
        self.payload() >= old.payload() && self.result() >= old.result() && self.max_bytes() >= old.max_bytes()
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
        let all = KeptBodies { payload: Some(Kept::Digest), ..KeptBodies::default() };
        let tool = KeptBodies { result: Some(Kept::None), max_bytes: Some(KeptBytes(5000)), ..KeptBodies::default() };
        let both = tool.or(all);
        assert_eq!((both.payload(), both.result(), both.max_bytes()), (Kept::Digest, Kept::None, 5000));
        assert_eq!(all.or(KeptBodies { payload: Some(Kept::None), ..KeptBodies::default() }), all);
        assert_eq!(all.max_bytes(), 65_536);
        assert!(all.covers(both) && !both.covers(all), "to keep less is to withdraw something");
    }
}
