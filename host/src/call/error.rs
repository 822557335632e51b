//! Why a call failed.
//!
//! One type for every surface: REST and MCP each turn it into their own form, with the same code and the same text. The
//! text is for the caller: it says what to do next and never carries a secret, a path of the machine or a backtrace.

use std::time::Duration;

use super::{InputFault, Misaddress};
use crate::{
    audit::{AuditError, Outcome, TrailError},
    config::Quota,
    health::CircuitOpen,
    identity::IdentityError,
    json::{Violation, listed},
    limits::{ConcurrencyExceeded, TooOften},
    names::{Code, ItemKind, Role, ToolClass},
    registry::DisabledBy,
    sandbox::{CallFault, ErrorCode, RunError},
    text::whole_seconds,
};

/// A request or message that its protocol does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct RequestFault {
    /// The stable code of what is wrong.
    pub code: Code,
    /// The HTTP status that fits.
    pub status: u16,
    /// What is wrong, and what to send instead.
    pub text: String,
}

/// A provider's own error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderFault {
    /// What sort of error.
    pub code: Code,
    /// The provider's words.
    pub message: String,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
    /// The HTTP status that fits.
    pub status: u16,
}

impl From<CallFault> for ProviderFault {
    fn from(fault: CallFault) -> Self {
        let (code, status) = match fault.code {
            ErrorCode::InvalidInput => (Code::InvalidInput, 400),
            ErrorCode::NotFound => (Code::NotFound, 404),
            ErrorCode::Conflict => (Code::Conflict, 409),
            ErrorCode::UpstreamAuth => (Code::UpstreamAuth, 502),
            ErrorCode::UpstreamRateLimited => (Code::UpstreamRateLimited, 503),
            ErrorCode::UpstreamFailed => (Code::UpstreamFailed, 502),
            ErrorCode::UpstreamUnreachable => (Code::UpstreamUnreachable, 502),
            ErrorCode::UpstreamTimeout => (Code::UpstreamTimeout, 504),
            ErrorCode::Misconfigured => (Code::Misconfigured, 503),
            ErrorCode::Internal => (Code::ProviderFailed, 502),
        };
        Self { code, status, message: fault.message, retry_after: fault.retry_after_ms.map(Duration::from_millis) }
    }
}

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// Authentication failed.
    #[error(transparent)]
    Unauthenticated(#[from] IdentityError),
    /// No such provider.
    #[error("there is no provider `{0:.64}`: GET /openapi.json or MCP tools/list shows what there is")]
    UnknownProvider(String),
    /// No such tool, resource or prompt.
    #[error("`{provider}` has no {kind} `{name:.128}`: GET /openapi.json or the MCP lists show what there is")]
    UnknownItem {
        /// The provider.
        provider: String,
        /// What sort of thing.
        kind: ItemKind,
        /// What was asked for.
        name: String,
    },
    /// A name without its provider that several may have.
    #[error(
        "`{name:.128}` may be the {kind} of several providers: ask for {}{}",
        choices.iter().map(|choice| format!("`{choice:.160}`")).collect::<Vec<_>>().join(" or "),
        if *kind == ItemKind::Resource { ", or let an admin say whose it is (`resources_for` in provider-config.yaml)" } else { "" }
    )]
    Ambiguous {
        /// What sort of thing.
        kind: ItemKind,
        /// What was asked for.
        name: String,
        /// Names that are clear.
        choices: Vec<String>,
    },
    /// The provider is out of service because somebody wants that.
    #[error("`{provider}` is not available: it is disabled: {}", by.remedy())]
    Disabled {
        /// The provider.
        provider: String,
        /// Who wants that.
        by: DisabledBy,
    },
    /// The provider could not be loaded, or is down.
    #[error("`{provider}` is not available: {reason}")]
    Unavailable {
        /// The provider.
        provider: String,
        /// Why, and how to fix it.
        reason: String,
    },
    /// The provider's upstream keeps failing, so nothing is sent there.
    #[error("`{provider}` is not available: {open}")]
    CircuitOpen {
        /// The provider.
        provider: String,
        /// Which upstream, and for how long.
        open: CircuitOpen,
    },
    /// The provider is new and not ready yet.
    #[error("`{0}` is still loading: try again in a few seconds")]
    Loading(String),
    /// The caller's role is too low.
    #[error("this needs the role {needed}; your token grants {}: ask an admin for it", granted(*.has))]
    Forbidden {
        /// The lowest role that may.
        needed: Role,
        /// The caller's.
        has: Option<Role>,
    },
    /// Sent to a name that is not the hub's, or by a page of another site.
    #[error(transparent)]
    Misaddressed(#[from] Misaddress),
    /// The quota is used up.
    #[error("the rate limit of {quota} for {} calls to `{provider}` is reached: try again in {} s", class, whole_seconds(*retry_after))]
    RateLimited {
        /// The provider.
        provider: String,
        /// What is counted.
        class: ToolClass,
        /// The quota.
        quota: Quota,
        /// When a call fits again.
        retry_after: Duration,
    },
    /// The caller's concurrency limit is reached.
    #[error(transparent)]
    ConcurrencyExceeded(#[from] ConcurrencyExceeded),
    /// Too many of the caller's requests are refused.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// The request is none that its protocol allows.
    #[error(transparent)]
    Request(#[from] RequestFault),
    /// The input is wrong.
    #[error(transparent)]
    Input(#[from] InputFault),
    /// The sandbox ended the run.
    #[error("{0}")]
    Run(#[from] RunError),
    /// The provider answered with an error.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
    /// The provider's output is not what its schema promises.
    #[error("the provider's output does not match its own schema (tell its author): {}", listed(.0))]
    InvalidOutput(Vec<Violation>),
    /// The config cannot be used; what was serving goes on serving.
    #[error("the config is not usable, so nothing has changed: {0}")]
    ConfigRefused(String),
    /// What an admin asks for cannot be done to the provider.
    #[error("{0}")]
    OverrideRefused(String),
    /// What admins do to providers cannot be kept.
    #[error("{0}")]
    OverrideNotKept(String),
    /// The audit trail was not read.
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// What happened could not be made durable, so it is not answered.
    #[error("{}", not_recorded(.0))]
    NotRecorded(#[from] AuditError),
    /// The line itself broke; its event tells no more.
    #[error("the hub failed on this call: try again, and tell an admin if it persists")]
    Internal,
}

impl CallError {
    /// The stable code of this error: the same in REST, MCP and the audit trail.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unauthenticated(error) => error.code(),
            Self::UnknownProvider(_) => Code::UnknownProvider,
            Self::UnknownItem { kind: ItemKind::Tool, .. } => Code::UnknownTool,
            Self::UnknownItem { kind: ItemKind::Resource, .. } => Code::UnknownResource,
            Self::UnknownItem { kind: ItemKind::Prompt, .. } => Code::UnknownPrompt,
            Self::Ambiguous { .. } => Code::AmbiguousName,
            Self::Disabled { .. } | Self::Unavailable { .. } => Code::ProviderUnavailable,
            Self::CircuitOpen { .. } => Code::CircuitOpen,
            Self::Loading(_) => Code::Loading,
            Self::Forbidden { .. } => Code::RoleTooLow,
            Self::Misaddressed(Misaddress::Host(_)) => Code::HostRefused,
            Self::Misaddressed(Misaddress::Origin(_)) => Code::OriginRefused,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::ConcurrencyExceeded(_) | Self::Input(InputFault::ConcurrencyExceeded(_)) => Code::TooManyCalls,
            Self::TooOften(TooOften::Refused(_)) => Code::TooManyRefused,
            Self::TooOften(TooOften::Checks(_)) => Code::TooManyChecks,
            Self::Request(fault) => fault.code,
            Self::Input(InputFault::TooLarge(_)) => Code::InputTooLarge,
            Self::Input(InputFault::TooSlow(_)) => Code::InputTooSlow,
            Self::Input(InputFault::Encoded) => Code::InputEncoded,
            Self::Input(InputFault::TooComplex(_)) => Code::InputTooComplex,
            Self::Input(InputFault::Malformed(_)) => Code::InputMalformed,
            Self::Input(InputFault::Number(_)) => Code::InputNumber,
            Self::Input(InputFault::Invalid(_)) => Code::InputInvalid,
            Self::Input(InputFault::HeaderMismatch(_)) => Code::HeaderMismatch,
            Self::Run(RunError::Timeout(_)) => Code::Timeout,
            Self::Run(RunError::Cancelled) => Code::Cancelled,
            Self::Run(RunError::Limit(breach)) => breach.code(),
            Self::Run(RunError::Trap(_)) => Code::ProviderCrashed,
            Self::Run(RunError::Busy(_)) => Code::ProviderBusy,
            Self::Provider(fault) => fault.code,
            Self::InvalidOutput(_) => Code::OutputInvalid,
            Self::ConfigRefused(_) => Code::ConfigRefused,
            Self::OverrideRefused(_) => Code::OverrideRefused,
            Self::OverrideNotKept(_) => Code::OverrideNotKept,
            Self::Trail(TrailError::Busy | TrailError::Full { .. }) => Code::TrailBusy,
            Self::Trail(TrailError::TooLong) => Code::SearchTooLong,
            Self::Trail(TrailError::Away | TrailError::Unreadable) => Code::TrailUnreadable,
            Self::NotRecorded(_) => Code::NotRecorded,
            Self::Internal => Code::Internal,
        }
    }

    /// The HTTP status of this error.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Unauthenticated(error) if *error != IdentityError::KeysUnavailable => 401,
            Self::UnknownProvider(_) | Self::UnknownItem { .. } => 404,
            Self::Unauthenticated(_)
            | Self::Disabled { .. }
            | Self::Unavailable { .. }
            | Self::CircuitOpen { .. }
            | Self::Loading(_)
            | Self::Run(RunError::Busy(_))
            | Self::Trail(TrailError::TooLong | TrailError::Away)
            | Self::OverrideNotKept(_)
            | Self::NotRecorded(_) => 503,
            Self::Ambiguous { .. } | Self::ConfigRefused(_) | Self::OverrideRefused(_) => 409,
            Self::Forbidden { .. } | Self::Misaddressed(_) => 403,
            Self::RateLimited { .. }
            | Self::ConcurrencyExceeded(_)
            | Self::TooOften(_)
            | Self::Trail(TrailError::Busy | TrailError::Full { .. })
            | Self::Input(InputFault::ConcurrencyExceeded(_)) => 429,
            Self::Request(fault) => fault.status,
            Self::Input(InputFault::TooLarge(_)) => 413,
            Self::Input(InputFault::TooSlow(_)) => 408,
            Self::Input(InputFault::Encoded) => 415,
            Self::Input(_) => 400,
            Self::Run(RunError::Timeout(_)) => 504,
            // Nobody reads it; the number is nginx's for "client closed request".
            Self::Run(RunError::Cancelled) => 499,
            Self::InvalidOutput(_) | Self::Run(_) => 502,
            Self::Provider(fault) => fault.status,
            Self::Trail(TrailError::Unreadable) | Self::Internal => 500,
        }
    }

    /// How the audit trail classes this error.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Unauthenticated(_)
            | Self::Forbidden { .. }
            | Self::Misaddressed(_)
            | Self::RateLimited { .. }
            | Self::ConcurrencyExceeded(_)
            | Self::TooOften(_)
            | Self::Trail(TrailError::Busy | TrailError::Full { .. })
            | Self::Input(InputFault::ConcurrencyExceeded(_)) => Outcome::Denied,
            Self::UnknownProvider(_)
            | Self::UnknownItem { .. }
            | Self::Ambiguous { .. }
            | Self::Input(_)
            | Self::Request(_) => Outcome::Invalid,
            Self::Run(RunError::Timeout(_)) | Self::Trail(TrailError::TooLong) => Outcome::Timeout,
            Self::Run(RunError::Cancelled) => Outcome::Cancelled,
            Self::Provider(fault) if fault.code == Code::InvalidInput => Outcome::Invalid,
            Self::Provider(fault) if fault.code == Code::UpstreamTimeout => Outcome::Timeout,
            _ => Outcome::Failed,
        }
    }

    /// The fields that are wrong, where fields are.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        match self {
            Self::Input(InputFault::Invalid(violations)) | Self::InvalidOutput(violations) => violations,
            Self::Input(InputFault::Number(violation)) => std::slice::from_ref(violation),
            _ => &[],
        }
    }
}

fn not_recorded(error: &AuditError) -> &'static str {
    match error {
        AuditError::Refusing => {
            "nothing can be recorded at the moment, so the operation did not run: try again, and tell an admin if it persists"
        }
        _ => {
            "the operation could not be recorded, so its result is withheld: check the upstream before you retry, \
             and tell an admin if it persists"
        }
    }
}

fn granted(role: Option<Role>) -> &'static str {
    role.map_or("no ops_role", Role::as_str)
}
