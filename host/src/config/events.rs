//! Where events are delivered to.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{bounded::bounded, secret_name::SecretName};

bounded!(/// Events that may wait to be delivered.
    WaitingEvents, 100..=1_000_000, 10_000, "events");
bounded!(/// How large those may be together.
    WaitingMib, 1..=4096, 64, MiB);
bounded!(/// How long events that were delivered are kept.
    KeptDays, 1..=90, 7, "days");

/// What becomes of the events of providers and of the hub itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsConfig {
    /// Where they go; to the log when left out.
    #[serde(default)]
    pub to: EventTarget,
    /// How many may wait to be delivered: 100 to 1000000; 10000 when left out. Beyond that the oldest are dropped, on record.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 100, max = 1_000_000))]
    pub max_waiting: WaitingEvents,
    /// How large those may be together, in MiB: 1 to 4096; 64 when left out.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1, max = 4096))]
    pub max_waiting_mib: WaitingMib,
    /// How long those that were delivered are kept, so that they can be delivered again, in days: 1 to 90; 7 when left out.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1, max = 90))]
    pub keep_days: KeptDays,
}

/// Where events go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventTarget {
    /// To the hub's log. Nothing of them is kept.
    #[default]
    Log,
    /// To a stream of NATS JetStream, each at least once.
    Nats(NatsTarget),
}

/// A stream of NATS JetStream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NatsTarget {
    /// The server: `nats://host:port`, or `tls://host:port` where nothing is sent without TLS.
    #[schemars(with = "String")]
    pub server: NatsServer,
    /// What subjects begin with: `PREFIX.providers.NAME.TYPE` and `PREFIX.hub.TYPE`; `bulkhead.events` when left out.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub subject: SubjectPrefix,
    /// A stream that is made if nothing takes those subjects yet; none is made when left out.
    #[schemars(with = "Option<String>")]
    pub stream: Option<StreamName>,
    /// The user, if the server wants one; its password is in the vault, as `secret`.
    pub user: Option<String>,
    /// The name in the vault of the user's password, or without a user of a token.
    #[schemars(with = "Option<String>")]
    pub secret: Option<SecretName>,
}

/// A NATS server's URL, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NatsServer(String);

impl NatsServer {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing may be sent without TLS.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        self.0.starts_with("tls:")
    }
}

impl TryFrom<String> for NatsServer {
    type Error = String;
    fn try_from(raw: String) -> Result<Self, String> {
        let told = || "not a NATS server: write `nats://host:port` or `tls://host:port`".to_owned();
        let url = url::Url::parse(&raw).map_err(|_| told())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials do not belong into the config: name a secret of the vault as `secret`".to_owned());
        }
        let is_bare = url.path().trim_end_matches('/').is_empty() && url.query().is_none() && url.fragment().is_none();
        let is_known = matches!(url.scheme(), "nats" | "tls") && url.host_str().is_some_and(|host| !host.is_empty());
        if is_known && is_bare { Ok(Self(raw)) } else { Err(told()) }
    }
}

/// What subjects begin with: words of letters, digits, `-` and `_`, separated by dots; 64 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SubjectPrefix(String);

impl SubjectPrefix {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SubjectPrefix {
    fn default() -> Self {
        Self("bulkhead.events".to_owned())
    }
}

impl TryFrom<String> for SubjectPrefix {
    type Error = String;
    fn try_from(raw: String) -> Result<Self, String> {
        if raw.len() <= 64 && raw.split('.').all(is_word) {
            Ok(Self(raw))
        } else {
            Err("not what subjects can begin with: use words of letters, digits, `-` and `_`, separated by dots"
                .to_owned())
        }
    }
}

/// A stream's name: letters, digits, `-` and `_`; 64 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StreamName(String);

impl StreamName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StreamName {
    type Error = String;
    fn try_from(raw: String) -> Result<Self, String> {
        if raw.len() <= 64 && is_word(&raw) {
            Ok(Self(raw))
        } else {
            Err("not a stream's name: use 1 to 64 letters, digits, `-` and `_`".to_owned())
        }
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn config(events: &str) -> Result<super::EventsConfig, String> {
        let text = format!("version: '1.0'\nevents: {events}\nproviders: {{}}\n");
        parse("c.yaml", &text).map(|config| config.events).map_err(|error| error.to_string())
    }

    #[test]
    fn events_go_to_the_log_unless_the_config_names_a_server_without_credentials() {
        assert_eq!(config("{}").expect("valid"), super::EventsConfig::default());
        assert_eq!(config("{ to: log }").expect("valid"), super::EventsConfig::default());
        let nats = |rest: &str| config(&format!("{{ to: {{ nats: {{ {rest} }} }} }}"));
        assert!(nats("server: 'nats://127.0.0.1:4222', stream: EVENTS, user: hub, secret: nats_password").is_ok());
        for (wrong, told) in [
            ("server: 'http://a.example'", "not a NATS server"),
            ("server: 'nats://a.example/x'", "not a NATS server"),
            ("server: 'nats://u:p@a.example'", "do not belong into the config"),
            ("server: 'nats://a.example', subject: 'a..b'", "not what subjects can begin with"),
            ("server: 'nats://a.example', subject: 'a.>'", "not what subjects can begin with"),
            ("server: 'nats://a.example', stream: 'a b'", "not a stream's name"),
            ("server: 'nats://a.example', password: x", "unknown field"),
        ] {
            let error = nats(wrong).expect_err(wrong);
            assert!(error.contains(told) && error.contains("events"), "{wrong}: {error}");
        }
        assert!(config("{ max_waiting: 99 }").expect_err("too few").contains("out of bounds"));
    }
}
