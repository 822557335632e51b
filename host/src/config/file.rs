//! The file as types.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    bounded::ToolTimeout,
    breaker::BreakerSettings,
    events::EventsConfig,
    filled,
    granted::Granted,
    kept::{AuditConfig, KeptBodies},
    quota::RateLimits,
    sandbox::SandboxLimits,
    secret_name::SecretName,
};
use crate::{
    names::{ProviderName, ToolClass, ToolName, ToolRole, UriPattern},
    outbound::{DnsServer, HostRule, QueryUrl, Target},
};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Bulkhead provider-config.yaml")]
pub struct Config {
    /// The format of this file.
    pub version: Version,
    /// What holds for every provider's requests.
    #[serde(default, deserialize_with = "filled::filled")]
    pub outbound: OutboundConfig,
    /// The audit trail.
    #[serde(default, deserialize_with = "filled::filled")]
    pub audit: AuditConfig,
    /// What becomes of events.
    #[serde(default, deserialize_with = "filled::filled")]
    pub events: EventsConfig,
    /// Every provider by its name: 1 to 32 of a-z, 0-9 and `-`, beginning with a letter.
    #[serde(deserialize_with = "filled::filled")]
    #[schemars(with = "BTreeMap<String, ProviderConfig>")]
    pub providers: BTreeMap<ProviderName, ProviderConfig>,
}

impl Config {
    /// Says everywhere what is kept of bodies, also where the file leaves that to what is outside.
    pub(super) fn settle_kept_bodies(&mut self) {
        for provider in self.providers.values_mut() {
            provider.keep = provider.keep.or(self.audit.keep);
            for tool in &mut provider.tools {
                tool.keep = tool.keep.or(provider.keep);
            }
        }
    }
}

/// The format of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Version {
    /// The only one so far.
    #[serde(rename = "1.0")]
    V1,
}

/// What holds for every provider's requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboundConfig {
    /// A PEM file of certificate authorities that are trusted beside the system's; relative to this file's folder.
    pub extra_ca: Option<PathBuf>,
    /// DNS servers, each `IP` or `IP:port`, that are asked instead of the operating system's resolver: at most 8. Then
    /// nothing else is asked, neither `/etc/hosts` nor search domains.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(max = 8))]
    pub dns_servers: Vec<DnsServer>,
}

/// One provider: what to run and what it is granted.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// `false` takes the provider out of service.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// The component, a `.wasm` file; relative to this file's folder.
    pub component: PathBuf,
    /// The provider's secret in the vault, with default grants: shorthand for an entry in `secrets`.
    #[schemars(with = "Option<String>")]
    pub vault_key: Option<SecretName>,
    /// Further secrets, or other grants for them.
    #[serde(default, deserialize_with = "filled::each_filled")]
    #[schemars(with = "BTreeMap<String, SecretGrant>")]
    pub secrets: BTreeMap<SecretName, SecretGrant>,
    /// Hosts it may reach: `[scheme://]host[:port]`, https unless an entry says http, `*.` for whole leading labels.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub allowed_hosts: Vec<HostEntry>,
    /// Where a POST only asks: whole URLs without a query, each within `allowed_hosts`; a segment `*` stands for any one.
    /// Tools of class read, health checks, resources and prompts send nothing but GET, HEAD and these: at most 64.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(max = 64))]
    pub queries: Vec<QueryEntry>,
    /// Calls per role and class. What is left out has the defaults: viewer 100 reads/hour; operator 200 reads,
    /// 50 scans and 50 writes/hour; admin unlimited.
    #[serde(default)]
    pub rate_limits: RateLimits,
    /// Passed to the provider as they are. Never put a secret here.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// What the audit trail keeps of its inputs and outputs.
    #[serde(default)]
    pub keep: KeptBodies,
    /// Bounds of the sandbox.
    #[serde(default)]
    pub sandbox: SandboxLimits,
    /// When requests to an upstream that fails are no longer sent.
    #[serde(default)]
    pub breaker: BreakerSettings,
    /// The tools that are exposed. One that is not listed is not reachable.
    pub tools: Vec<ToolGrant>,
    /// The resources that can be read, by URI or template as the component writes them, or `all`; none when left out.
    #[serde(default)]
    #[schemars(with = "super::granted::GrantedForm")]
    pub resources: Granted<UriPattern>,
    /// Those of `resources` that are this provider's even without its name in front, although another provider has the
    /// same scheme and authority.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(max = 256))]
    pub resources_for: Vec<UriPattern>,
    /// The prompts that can be asked for, or `all`; none when left out.
    #[serde(default)]
    #[schemars(with = "super::granted::GrantedForm")]
    pub prompts: Granted<ToolName>,
}

fn enabled() -> bool {
    true
}

impl ProviderConfig {
    /// Every secret granted to the provider.
    pub fn granted_secrets(&self) -> impl Iterator<Item = (&SecretName, SecretGrant)> {
        let shorthand = self.vault_key.iter().filter(|name| !self.secrets.contains_key(*name));
        let shorthand = shorthand.map(|name| (name, SecretGrant::default()));
        shorthand.chain(self.secrets.iter().map(|(name, grant)| (name, grant.clone())))
    }
}

/// What a provider may do with a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretGrant {
    /// Where the value may be sent, each entry within one of `allowed_hosts`; all of them when left out, none when empty.
    #[serde(default, deserialize_with = "filled::listed")]
    #[schemars(with = "Option<Vec<String>>")]
    pub hosts: Option<Vec<HostEntry>>,
    /// Lets the provider read the value itself, for secrets that must be parsed.
    #[serde(default)]
    pub reveal: bool,
}

/// A tool that is exposed, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolGrant {
    /// The tool's name in the component.
    #[schemars(with = "String")]
    pub name: ToolName,
    /// What it may do: `read` looks, `scan` makes the upstream work, `write` changes something. The component must say the
    /// same. It decides the quota, whether an intent is recorded, and what can be sent.
    pub class: ToolClass,
    /// The lowest role that may call it.
    pub min_role: ToolRole,
    /// How long one call may take, in milliseconds: 100 to 30000.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 100, max = 30000))]
    pub timeout_ms: ToolTimeout,
    /// The schema version that callers rely on; the component must say the same.
    pub schema_version: String,
    /// What the audit trail keeps of its inputs and outputs.
    #[serde(default)]
    pub keep: KeptBodies,
}

/// An entry of an allowlist, checked when it is parsed and kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostEntry {
    written: String,
    rule: HostRule,
}

impl HostEntry {
    /// The entry as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether all that it allows is allowed by `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.rule.is_within(&other.rule)
    }

    /// The one place that it allows, unless it is a wildcard.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.rule.target()
    }
}

/// An entry of `queries`, checked when it is parsed and kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct QueryEntry {
    written: String,
    url: QueryUrl,
}

impl QueryEntry {
    /// The entry as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What it covers.
    #[must_use]
    pub fn url(&self) -> &QueryUrl {
        &self.url
    }

    /// Whether an entry of `allowed_hosts` leads there.
    #[must_use]
    pub fn is_within(&self, allowed: &HostEntry) -> bool {
        self.url.is_within(&allowed.rule)
    }
}

impl TryFrom<String> for QueryEntry {
    type Error = String;
    fn try_from(raw: String) -> Result<Self, String> {
        match raw.parse() {
            Ok(url) => Ok(Self { written: raw, url }),
            Err(error) => Err(format!("`{}` cannot be a query: {error}", raw.chars().take(256).collect::<String>())),
        }
    }
}

impl TryFrom<String> for HostEntry {
    type Error = String;
    fn try_from(raw: String) -> Result<Self, String> {
        match raw.parse() {
            Ok(rule) => Ok(Self { written: raw, rule }),
            Err(error) => Err(format!("`{raw}` cannot be allowed: {error}")),
        }
    }
}
