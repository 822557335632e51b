//! Reads the file into types; every error names its place.
//!
//! `serde-saphyr` replaces the unmaintained `serde_yaml`: maintained, free of `unsafe`, bounded against hostile
//! documents, and its errors know line and column.

use std::{collections::HashSet, fs, io::Read, path::Path};

use super::{Config, HostEntry, ProviderConfig};

/// The largest file read, in bytes.
const SIZE_MAX: u64 = 1024 * 1024;

/// Why the configuration cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {reason}")]
    File {
        /// The file's name.
        file: String,
        /// What the operating system said.
        reason: String,
    },
    /// The file says something that it cannot mean.
    #[error("{file}{line}: {path}{reason}")]
    Content {
        /// The file's name.
        file: String,
        /// `:line:column`, where known.
        line: String,
        /// The place in the document with `: `, such as `providers.netdata.tools[0]: `; empty at the top.
        path: String,
        /// What is wrong there.
        reason: String,
    },
}

/// Reads and checks the file.
///
/// # Errors
/// When it cannot be read or says something wrong: syntax, unknown keys, bounds, duplicates.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let file = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let unreadable = |reason: String| ConfigError::File { file: file.clone(), reason };
    let mut text = String::new();
    let opened = fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let read = opened.take(SIZE_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if read as u64 > SIZE_MAX {
        return Err(unreadable("larger than 1 MiB".to_owned()));
    }
    parse(&file, &text)
}

/// Parses the text of a file called `file`.
///
/// # Errors
/// As [`read`].
pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
    let mut place = String::new();
    let options = serde_saphyr::options! { with_snippet: false };
    let parsed = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            if error.path().iter().next().is_some() {
                place = format!("{}: ", error.path());
            }
            error.into_inner()
        })
    });
    let config: Config = parsed.map_err(|error| {
        let line = error.location().map_or_else(String::new, |at| format!(":{}:{}", at.line(), at.column()));
        let reason = reason(&error.to_string());
        ConfigError::Content { file: file.to_owned(), line, path: std::mem::take(&mut place), reason }
    })?;
    check(file, &config)?;
    Ok(config)
}

/// The message without its place, which is said apart.
fn reason(message: &str) -> String {
    match message.rsplit_once(" at line ") {
        Some((reason, _)) => reason.to_owned(),
        None => message.to_owned(),
    }
}

/// The most DNS servers: more would only make a failing lookup slower.
const DNS_SERVERS_MAX: usize = 8;

/// What the types cannot say.
fn check(file: &str, config: &Config) -> Result<(), ConfigError> {
    if config.outbound.dns_servers.len() > DNS_SERVERS_MAX {
        return Err(ConfigError::Content {
            file: file.to_owned(),
            line: String::new(),
            path: "outbound.dns_servers: ".to_owned(),
            reason: format!("{} are too many: name at most {DNS_SERVERS_MAX}", config.outbound.dns_servers.len()),
        });
    }
    for (name, provider) in &config.providers {
        let wrong = provider.tool_listed_twice().or_else(|| provider.secret_host_beyond_allowed());
        if let Some((place, reason)) = wrong {
            let (file, path) = (file.to_owned(), format!("providers.{name}.{place}: "));
            return Err(ConfigError::Content { file, line: String::new(), path, reason });
        }
    }
    Ok(())
}

/// What is wrong: the place within the provider's entry, and the reason.
type Wrong = (String, String);

impl ProviderConfig {
    fn tool_listed_twice(&self) -> Option<Wrong> {
        let mut seen = HashSet::new();
        let (index, tool) = self.tools.iter().enumerate().find(|(_, tool)| !seen.insert(&tool.name))?;
        Some((format!("tools[{index}]"), format!("`{}` is listed twice: remove one", tool.name)))
    }

    /// A secret may only go where the provider may go. Otherwise a config would promise what the gate refuses, or a later
    /// change of `allowed_hosts` would open a way that nobody thought of.
    fn secret_host_beyond_allowed(&self) -> Option<Wrong> {
        let beyond = |host: &HostEntry| !self.allowed_hosts.iter().any(|allowed| host.is_within(allowed));
        self.secrets.iter().find_map(|(name, grant)| {
            let hosts = grant.hosts.iter().flatten();
            let (index, host) = hosts.enumerate().find(|(_, host)| beyond(host))?;
            let reason = format!(
                "`{0}` is not within the provider's `allowed_hosts`: add it there, or take it out here",
                host.as_str()
            );
            Some((format!("secrets.{name}.hosts[{index}]"), reason))
        })
    }
}

/// The file's JSON Schema, for editors.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r"
version: '1.0'
providers:
  netdata:
    component: providers/netdata.wasm
    vault_key: netdata_token
    allowed_hosts: [app.netdata.cloud, '*.netdata.cloud', 'http://127.0.0.1:19999']
    rate_limits: { ops_viewer: { reads: 100/hour }, ops_operator: { scans: 50/hour, reads: 200/hour }, ops_admin: unlimited }
    settings: { agent_url: 'http://127.0.0.1:19999' }
    tools:
      - { name: metrics.query, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }
";

    fn error(change: (&str, &str)) -> String {
        assert!(GOOD.contains(change.0), "the change applies");
        parse("c.yaml", &GOOD.replace(change.0, change.1)).expect_err("refused").to_string()
    }

    #[test]
    fn the_schema_in_the_docs_is_this_one() {
        let published: serde_json::Value =
            serde_json::from_str(include_str!("../../../docs/provider-config.schema.json")).expect("JSON");
        assert_eq!(schema().to_value(), published, "run `bulkhead config schema > docs/provider-config.schema.json`");
    }

    #[test]
    fn the_documented_form_is_understood() {
        let config = parse("c.yaml", GOOD).expect("valid");
        let netdata = &config.providers["netdata"];
        assert!(netdata.enabled);
        assert_eq!(netdata.tools[0].timeout_ms.get(), 5000);
        assert_eq!(netdata.granted_secrets().count(), 1);
    }

    #[test]
    fn a_mistake_is_told_with_line_path_and_remedy() {
        for (change, parts) in [
            (("component: p", "componnent: p"), vec!["c.yaml:5", "providers.netdata", "componnent"]),
            (("5000", "50"), vec!["c.yaml:11", "providers.netdata.tools[0].timeout_ms", "100 to 30000"]),
            (("100/hour", "100/week"), vec!["c.yaml:8", "rate_limits.ops_viewer", "100/hour"]),
            (("'*.netdata.cloud'", "'*'"), vec!["c.yaml:7", "allowed_hosts[1]"]),
            (("'*.netdata.cloud'", "'*.co.uk'"), vec!["c.yaml:7", "allowed_hosts[1]", "below 'co.uk'"]),
            (("ops_viewer, timeout", "root, timeout"), vec!["min_role", "ops_viewer"]),
            (("version: '1.0'", "version: '9'"), vec!["c.yaml:2", "version"]),
            (("vault_key: netdata_token", "vault_key: 'a b'"), vec!["vault_key", "a-z"]),
            (("  netdata:", "  Net_Data:"), vec!["provider name"]),
            (("settings: {", "settings: {{"), vec!["c.yaml:9"]),
        ] {
            let message = error(change);
            for part in parts {
                assert!(message.contains(part), "{change:?}: `{message}` lacks `{part}`");
            }
        }
    }

    #[test]
    fn dns_servers_are_addresses_with_or_without_a_port_and_few() {
        let with = |servers: &str| parse("c.yaml", &format!("{GOOD}outbound: {{ dns_servers: [{servers}] }}\n"));
        let addresses = |servers: &str| -> Vec<String> {
            let servers = with(servers).expect("valid").outbound.dns_servers;
            servers.iter().map(|server| server.address().to_string()).collect()
        };
        assert_eq!(
            addresses("9.9.9.9, '127.0.0.1:5353', '::1', '[2620:fe::fe]:53'"),
            ["9.9.9.9:53", "127.0.0.1:5353", "[::1]:53", "[2620:fe::fe]:53"]
        );
        for wrong in ["dns.example.com", "9.9.9", "'9.9.9.9:0'", "0.0.0.0", "'[::1]'", "224.0.0.1", "'9.9.9.9:x'", "''"]
        {
            let message = with(wrong).expect_err(wrong).to_string();
            assert!(message.contains("outbound.dns_servers[0]: ") && message.contains("192.0.2.53"), "{message}");
        }
        assert!(with(&["9.9.9.9"; 8].join(", ")).is_ok());
        let message = with(&["9.9.9.9"; 9].join(", ")).expect_err("too many").to_string();
        assert!(message.contains("outbound.dns_servers: 9 are too many"), "{message}");
    }

    #[test]
    fn a_secret_may_only_go_where_its_provider_may() {
        let with = |hosts: &str| {
            let secrets = format!("    secrets: {{ netdata_token: {{ hosts: [{hosts}] }} }}\n    settings:");
            parse("c.yaml", &GOOD.replace("    settings:", &secrets))
        };
        for within in [
            "app.netdata.cloud",
            "deep.down.netdata.cloud, 'http://127.0.0.1:19999'",
            "'*.netdata.cloud', '*.eu.netdata.cloud'",
            "'https://APP.netdata.cloud.:443'",
            "",
        ] {
            assert!(with(within).is_ok(), "{within}");
        }
        for (beyond, entry) in [
            ("app.netdata.cloud, evil.example", "hosts[1]: `evil.example`"),
            ("netdata.cloud", "hosts[0]: `netdata.cloud`"),
            ("evilnetdata.cloud", "`evilnetdata.cloud`"),
            ("'http://app.netdata.cloud'", "`http://app.netdata.cloud`"),
            ("'app.netdata.cloud:8443'", "`app.netdata.cloud:8443`"),
            ("'http://127.0.0.1'", "`http://127.0.0.1`"),
            ("'*.example.com'", "`*.example.com`"),
        ] {
            let message = with(beyond).expect_err(beyond).to_string();
            assert!(message.starts_with("c.yaml: providers.netdata.secrets.netdata_token.hosts["), "{message}");
            assert!(
                message.contains(entry) && message.contains("not within the provider's `allowed_hosts`"),
                "{message}"
            );
        }
        let no_wildcard = GOOD.replace("'*.netdata.cloud', ", "");
        let wider =
            no_wildcard.replace("    settings:", "    secrets: { a: { hosts: ['*.netdata.cloud'] } }\n    settings:");
        assert!(parse("c.yaml", &wider).is_err(), "a wildcard is wider than a name below it");
    }

    #[test]
    fn duplicates_are_refused() {
        let twice = GOOD.replace(
            "    tools:\n",
            "    tools:\n      - { name: metrics.query, min_role: ops_admin, schema_version: '1.0' }\n",
        );
        assert!(parse("c.yaml", &twice).expect_err("refused").to_string().contains("listed twice"));
        let twice = format!("{GOOD}{}", GOOD.split_once("providers:\n").expect("split").1);
        assert!(parse("c.yaml", &twice).is_err(), "the same provider twice");
    }
}
