//! `provider-config.yaml`: the single source of truth for what providers exist and what they are granted.

mod bounded;
mod breaker;
mod check;
mod endpoint;
mod events;
mod file;
mod filled;
mod granted;
mod kept;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod quota;
mod read;
mod sandbox;
mod secret_name;
mod sink;
mod withdrawal;

pub use bounded::ToolTimeout;
pub use breaker::{BreakerPercent, BreakerSettings};
pub use endpoint::{Endpoint, EndpointUrl};
pub use events::{EventTarget, EventsConfig, NatsServer, NatsTarget, StreamName, SubjectPrefix};
pub use file::{Config, HostEntry, OutboundConfig, ProviderConfig, QueryEntry, SecretGrant, ToolGrant, Version};
pub use granted::{Granted, ITEMS_MAX};
pub use kept::{AuditConfig, KeptBodies};
pub use quota::{ClassQuotas, Quota, QuotaError, RateLimits, RoleQuota};
pub use read::{ConfigError, parse, read, schema};
pub use sandbox::{SandboxLimits, StackKib};
pub use secret_name::SecretName;
pub use sink::CheckpointSink;
