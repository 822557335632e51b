//! What the hub tells of itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    names::{ProviderName, ToolClass},
    text::whole_seconds,
};

/// Something that whoever operates the hub is to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubEvent {
    /// A health check has found a provider down.
    ProviderDown {
        /// The provider.
        provider: ProviderName,
        /// What is wrong.
        reason: String,
    },
    /// One that was down works again.
    ProviderBack {
        /// The provider.
        provider: ProviderName,
    },
    /// A circuit breaker has opened: calls fail at once.
    BreakerOpened {
        /// The provider.
        provider: ProviderName,
        /// The upstream host, if the breaker is that host's alone.
        host: Option<String>,
        /// Why.
        reason: String,
        /// When it lets a probe through.
        retry_after: Duration,
    },
    /// It has closed again.
    BreakerClosed {
        /// The provider.
        provider: ProviderName,
        /// The upstream host, if the breaker is that host's alone.
        host: Option<String>,
    },
    /// The newest config cannot be used; what was serving goes on.
    ReloadRefused {
        /// What is wrong with it.
        reason: String,
    },
    /// A provider cannot be loaded; its older revision, if there is one, may go on.
    LoadRefused {
        /// The provider.
        provider: ProviderName,
        /// What is wrong with it.
        reason: String,
    },
    /// Callers have used up quotas of a provider.
    LimitReached {
        /// The provider.
        provider: ProviderName,
        /// What the quota is of.
        class: ToolClass,
        /// How many calls were refused since this was last told.
        refused: u32,
    },
}

impl HubEvent {
    /// The attribute `type`.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::ProviderDown { .. } => "bulkhead.provider.down",
            Self::ProviderBack { .. } => "bulkhead.provider.back",
            Self::BreakerOpened { .. } => "bulkhead.breaker.opened",
            Self::BreakerClosed { .. } => "bulkhead.breaker.closed",
            Self::ReloadRefused { .. } => "bulkhead.reload.refused",
            Self::LoadRefused { .. } => "bulkhead.load.refused",
            Self::LimitReached { .. } => "bulkhead.limit.reached",
        }
    }

    /// The provider that it is about, which is its `subject`.
    #[must_use]
    pub fn provider(&self) -> Option<&ProviderName> {
        match self {
            Self::ProviderDown { provider, .. }
            | Self::ProviderBack { provider }
            | Self::BreakerOpened { provider, .. }
            | Self::BreakerClosed { provider, .. }
            | Self::LoadRefused { provider, .. }
            | Self::LimitReached { provider, .. } => Some(provider),
            Self::ReloadRefused { .. } => None,
        }
    }

    /// Whether something is wrong.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        !matches!(self, Self::ProviderBack { .. } | Self::BreakerClosed { .. })
    }

    /// The event's `data`.
    #[must_use]
    pub fn data(&self) -> Value {
        let mut data = match self {
            Self::ProviderDown { reason, .. } | Self::ReloadRefused { reason } | Self::LoadRefused { reason, .. } => {
                json!({ "reason": reason })
            }
            Self::ProviderBack { .. } => json!({}),
            Self::BreakerOpened { host, reason, retry_after, .. } => {
                json!({ "host": host, "reason": reason, "retry_after_s": whole_seconds(*retry_after) })
            }
            Self::BreakerClosed { host, .. } => json!({ "host": host }),
            Self::LimitReached { class, refused, .. } => json!({ "class": class.as_str(), "refused": refused }),
        };
        if let (Some(provider), Value::Object(members)) = (self.provider(), &mut data) {
            members.insert("provider".to_owned(), provider.as_str().into());
        }
        data
    }

    /// What it says, for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::ProviderDown { provider, reason } => format!("{provider} is down: {reason}"),
            Self::ProviderBack { provider } => format!("{provider} is no longer down"),
            Self::BreakerOpened { provider, host, reason, .. } => {
                let host = host.as_deref().map(|host| format!(" towards {host}")).unwrap_or_default();
                format!("calls of {provider}{host} fail at once: {reason}")
            }
            Self::BreakerClosed { provider, host } => {
                let host = host.as_deref().map(|host| format!(" towards {host}")).unwrap_or_default();
                format!("calls of {provider}{host} go through again")
            }
            Self::ReloadRefused { reason } => format!("the newest config is not in use: {reason}"),
            Self::LoadRefused { provider, reason } => format!("{provider} cannot be loaded: {reason}"),
            Self::LimitReached { provider, class, refused } => {
                format!("{refused} calls of {provider} were refused: the quota of {} is used up", class.as_str())
            }
        }
    }
}
