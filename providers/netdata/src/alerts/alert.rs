//! An alert as the tool gives it, and which are asked for.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Number;

/// Which alerts a caller wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Filter {
    #[default]
    Raised,
    Warning,
    Critical,
    Clear,
    All,
}

impl Filter {
    /// The statuses asked for; none means all.
    pub(super) fn statuses(self) -> &'static [Status] {
        match self {
            Self::Raised => &[Status::Critical, Status::Warning],
            Self::Warning => &[Status::Warning],
            Self::Critical => &[Status::Critical],
            Self::Clear => &[Status::Clear],
            Self::All => &[],
        }
    }

    pub(super) fn wants(self, status: Status) -> bool {
        self == Self::All || self.statuses().contains(&status)
    }
}

/// The state of an alert, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Critical,
    Warning,
    Clear,
    Undefined, // not evaluated, or evaluated to nothing
}

impl Status {
    pub(super) fn of(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "CRITICAL" => Self::Critical,
            "WARNING" => Self::Warning,
            "CLEAR" => Self::Clear,
            _ => Self::Undefined,
        }
    }
}

/// One alert.
#[derive(Serialize, JsonSchema)]
pub(super) struct Alert {
    /// The alert's name, such as "ram_in_use".
    pub(super) name: String,
    /// Its present state.
    pub(super) status: Status,
    /// The present value; absent where nothing could be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Number>,
    /// The unit of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) units: Option<String>,
    /// The chart that it watches; metrics.query takes it as `chart` with an Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chart: Option<String>,
    /// The context that it watches; metrics.query takes it as `context`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<String>,
    /// The server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<String>,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<String>,
    /// Since when it is in this state, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    /// The condition for warning, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning_when: Option<String>,
    /// The condition for critical, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) critical_when: Option<String>,
}
