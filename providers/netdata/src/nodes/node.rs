//! A server as the tool gives it.

use bulkhead_sdk::prelude::*;

/// One server.
#[derive(Serialize, JsonSchema)]
pub struct Node {
    /// Its host name, as in the `node` of alerts.list. Several may have the same.
    pub(super) name: String,
    /// "live" sends metrics now; "stale" no longer does, only its past can be queried; "offline" cannot be queried now.
    /// Absent where unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<State>,
    /// The version of Netdata on it, where known. Agents before 2.0 know only their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// The operating system, such as "Debian GNU/Linux 12 (bookworm)", where known. Agents before 2.0 know only their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os: Option<String>,
}

/// Whether a node reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Live,
    Stale,
    Offline,
}

impl State {
    /// The words of v3 and Cloud; one that will be new is as good as none.
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "reachable" => Some(Self::Live),
            "stale" => Some(Self::Stale),
            "unreachable" | "offline" | "created" | "pruned" => Some(Self::Offline),
            _ => None,
        }
    }
}
