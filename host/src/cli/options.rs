//! Flags, environment variables and commands.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use url::Url;
use uuid::Uuid;

use super::filters::{
    CopyOptions, ExportOptions, ListOptions, PurgeOptions, ReplayOptions, ShowOptions, TailOptions, UsageOptions,
    public_url,
};
use super::operating::{OperateOptions, ProvidersOptions};
use crate::{
    audit::{self, PublicKey},
    backup::Recipient,
    config::SecretName,
    http, invocation,
    limits::CALLS_PER_CALLER,
    names::Role,
    sandbox,
    telemetry::LogFormat,
    tls::TlsFiles,
    upgrade,
};

/// One gateway for the ops tools that AI agents call. Every provider is a sandboxed WebAssembly component; every call is
/// authenticated, authorized, limited, checked and recorded.
#[derive(Debug, Parser)]
#[command(name = "bulkhead", version = upgrade::version(), arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// Where things are.
    #[command(flatten)]
    pub options: Options,
    /// What is logged.
    #[command(flatten)]
    pub log: LogOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where things are.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Folder for keys, vault and database; made if missing, readable by you alone
    #[arg(long, global = true, env = "BULKHEAD_DATA", default_value = invocation::DATA, value_name = "DIR")]
    pub data: PathBuf,
    /// The provider config
    #[arg(long, global = true, env = "BULKHEAD_CONFIG", default_value = invocation::CONFIG, value_name = "FILE")]
    pub config: PathBuf,
    /// Where operations are recorded: `sqlite:FILE` or `postgres://USER@HOST/DATABASE`; a file in the data folder unless given
    #[arg(long, global = true, env = "BULKHEAD_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// File with the password of PostgreSQL's user, and nothing else; ~/.pgpass is read too
    #[arg(long, global = true, env = "BULKHEAD_DATABASE_PASSWORD_FILE", value_name = "FILE")]
    pub database_password_file: Option<PathBuf>,
    /// Where secrets are kept: in the data folder, or in the vault of the Supabase project that `--database-url` names
    #[arg(long, global = true, env = "BULKHEAD_VAULT", value_enum, default_value = "local")]
    pub vault: VaultKind,
    /// Keep no record, to measure what recording costs
    #[cfg(feature = "bench")]
    #[arg(long, global = true, hide = true)]
    pub forget: bool,
}

/// Where secrets are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum VaultKind {
    /// Sealed, in the data folder.
    Local,
    /// In Supabase's vault.
    Supabase,
}

/// What is logged.
#[derive(Debug, Clone, Args)]
pub struct LogOptions {
    /// Log filter, such as `info` or `bulkhead=debug`
    #[arg(long, global = true, env = "BULKHEAD_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Format of log lines
    #[arg(long, global = true, env = "BULKHEAD_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// Whose tokens are accepted. Without these the hub accepts the tokens that `bulkhead token` makes, and no others.
#[derive(Debug, Clone, Args)]
pub struct IdentityOptions {
    /// Key set of the identity provider, such as `https://<ref>.supabase.co/auth/v1/.well-known/jwks.json`
    #[arg(long, env = "BULKHEAD_JWKS_URL", requires_all = ["issuer", "audience"], value_name = "URL")]
    pub jwks_url: Option<String>,
    /// The issuer that tokens must name
    #[arg(long, env = "BULKHEAD_ISSUER", requires = "jwks_url", value_name = "URL")]
    pub issuer: Option<String>,
    /// The audience that tokens must name: this hub's URL, or `authenticated` for plain Supabase tokens
    #[arg(long, env = "BULKHEAD_AUDIENCE", requires = "jwks_url", value_name = "AUDIENCE")]
    pub audience: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve REST and MCP over HTTP
    Serve(Box<ServeOptions>),
    /// Serve MCP over stdin and stdout, for a client that starts programs
    Mcp(McpOptions),
    /// Have another program take the place of the hub that runs, while it serves
    Upgrade(UpgradeOptions),
    /// Make a bearer token signed by the hub's own key
    Token(TokenOptions),
    /// Set, list or remove secrets in the local vault
    Secrets {
        /// What to do with them.
        #[command(subcommand)]
        command: SecretsCommand,
    },
    /// Check the provider config, or print its JSON Schema
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Compile a component from stdin; the hub starts this itself
    #[command(name = sandbox::COMMAND, hide = true)]
    Compile,
    /// Make or update the schema `ops` in PostgreSQL, as its owner; the hub then connects as a user with the role `bulkhead_hub`
    Migrate,
    /// Make an encrypted backup of the database, the keys and the vault, also while the hub runs
    Backup(BackupOptions),
    /// Go on from a backup, in a data folder that is empty
    Restore(RestoreOptions),
    /// Have a running hub read its config and every component anew. Exit status: 0 if all is as the config wants it, 3 if something
    /// is wrong with a provider, 1 if it could not be done or the config cannot be used
    Reload(OperateOptions),
    /// List a running hub's providers, or do something to one. Exit status: 0 if each serves as the config wants it or is disabled, 3 if
    /// not, 1 if it could not be done
    Providers(ProvidersOptions),
    /// How a running hub is. Exit status: 0 if all is well, 3 if not, 1 if it does not answer
    Status(OperateOptions),
    /// Read the audit trail, or verify it
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        command: Box<AuditCommand>,
    },
}

/// `bulkhead serve`.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// Address to listen on
    #[arg(long, env = "BULKHEAD_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Address for Prometheus to read metrics from, without a token: name one that only it reaches
    #[arg(long, env = "BULKHEAD_METRICS_LISTEN", value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// The URL that callers use, where it is not the address above, such as behind a proxy: its Host and Origin are allowed on
    /// MCP, and OAuth metadata is published under it
    #[arg(long, env = "BULKHEAD_PUBLIC_URL", value_parser = public_url, value_name = "URL")]
    pub public_url: Option<Url>,
    /// Connections that may be open at once; beyond them, those without a call under way are evicted
    #[arg(long, env = "BULKHEAD_MAX_CONNECTIONS", default_value_t = http::CONNECTIONS, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// Concurrency limit per caller: how many of its calls may be under way at once, whatever its role
    #[arg(long, env = "BULKHEAD_MAX_CALLS_PER_CALLER", default_value_t = CALLS_PER_CALLER, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_calls_per_caller: u32,
    /// The grace period: how long calls under way may take to end when the hub stops, such as `30s`
    #[arg(long, env = "BULKHEAD_GRACE", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub grace: Duration,
    /// Whether TLS ends here.
    #[command(flatten)]
    pub tls: TlsOptions,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub identity: IdentityOptions,
}

/// TLS at the hub's own port. Without these it speaks plain HTTP, for a proxy in front of it.
#[derive(Debug, Args)]
pub struct TlsOptions {
    /// The certificate with its chain, PEM; it is taken anew when the file changes
    #[arg(long = "tls-cert", env = "BULKHEAD_TLS_CERT", requires = "key", value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM, which only the hub's user may read
    #[arg(long = "tls-key", env = "BULKHEAD_TLS_KEY", requires = "certificate", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Who signs the certificates of clients, PEM: then each client needs one beside its token
    #[arg(long = "tls-client-ca", env = "BULKHEAD_TLS_CLIENT_CA", requires = "certificate", value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
}

impl TlsOptions {
    /// The files, if there is to be TLS.
    pub(super) fn files(self) -> Option<TlsFiles> {
        let (certificate, key) = self.certificate.zip(self.key)?;
        Some(TlsFiles { certificate, key, client_ca: self.client_ca })
    }
}

/// `bulkhead upgrade`.
#[derive(Debug, Args)]
pub struct UpgradeOptions {
    /// The new program; nobody but the hub's user and root may be able to change it
    #[arg(value_name = "PROGRAM")]
    pub program: PathBuf,
    /// Also if it is older than the hub that runs
    #[arg(long)]
    pub force: bool,
    /// The process of the hub that is meant, where several serve from the data folder
    #[arg(long, value_name = "NUMBER")]
    pub process: Option<u32>,
}

/// `bulkhead mcp`.
#[derive(Debug, Args)]
pub struct McpOptions {
    /// File with the token that says who calls; otherwise the environment variable BULKHEAD_TOKEN
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// List tools as `provider__tool`, for clients that refuse dots, as most agents do
    #[arg(long)]
    pub flat: bool,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub identity: IdentityOptions,
}

/// `bulkhead token`.
#[derive(Debug, Args)]
pub struct TokenOptions {
    /// The role that it grants
    #[arg(long, value_enum)]
    pub role: Role,
    /// The user that it names (`sub`); a new one unless given
    #[arg(long, value_name = "UUID")]
    pub user: Option<Uuid>,
    /// The team that its calls are attributed to
    #[arg(long)]
    pub team: Option<String>,
    /// How long it is valid: `30m`, `1h`, `7d`
    #[arg(long, default_value = "1h", value_parser = duration, value_name = "TIME")]
    pub ttl: Duration,
}

/// `bulkhead backup`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct BackupOptions {
    /// The file that is made; it must not be there yet
    #[arg(long, group = "what", requires = "recipients", value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Who can read it: a public key `age1…`, as often as there are some
    #[arg(long = "recipient", conflicts_with = "new_identity", value_name = "KEY")]
    pub recipients: Vec<Recipient>,
    /// Make no backup but a key for backups: write the private one to this file, which belongs far from this machine, and print
    /// the public one
    #[arg(long, group = "what", value_name = "FILE")]
    pub new_identity: Option<PathBuf>,
}

/// `bulkhead restore`.
#[derive(Debug, Args)]
pub struct RestoreOptions {
    /// The backup
    pub backup: PathBuf,
    /// File with a private key that it was made for, `AGE-SECRET-KEY-1…`
    #[arg(long, value_name = "FILE")]
    pub identity: PathBuf,
}

/// `bulkhead secrets`.
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Read a value from stdin and keep it sealed; a running hub uses it within seconds
    Set {
        /// The secret's name, such as `netdata_token`
        name: SecretName,
    },
    /// List the names that have values
    List,
    /// Forget a value
    Remove {
        /// The secret's name
        name: SecretName,
    },
}

/// `bulkhead config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the config and load every provider it enables
    Check {
        /// The file; that of `--config` unless given
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema of the config, for editors
    Schema,
}

/// `bulkhead audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Walk the hash chains and say whether anything was changed or removed
    Verify {
        /// A public key that is trusted to sign the trail, as `audit key` prints it; that of the data folder unless one is given
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<PublicKey>,
        /// A file of checkpoints from somewhere else (`audit.checkpoints` in the config, or `audit checkpoint`): what they saw
        /// must be there
        #[arg(long = "checkpoint", value_name = "FILE")]
        checkpoints: Vec<PathBuf>,
        /// Whom a hub tells that it is in order would have only its word
        #[arg(long, hide = true, value_name = "URL")]
        hub: Option<String>,
    },
    /// List events, newest first
    List(ListOptions),
    /// Show one call, with everything that belongs to it
    Show(ShowOptions),
    /// Write events with their proof, or as comma-separated values, to stdout
    Export(ExportOptions),
    /// Show events as they are recorded
    Tail(TailOptions),
    /// Have a running hub issue a failed call again, as whoever you are there; the two are linked on record
    Replay(ReplayOptions),
    /// Move what was recorded before a time into compressed files beside the database, one for each month, which `verify`,
    /// `list`, `show` and `export` still read. The hub may run meanwhile
    Archive {
        /// A day, such as 2026-10-01, or a time in RFC 3339
        #[arg(long, value_name = "DATE", value_parser = audit::time)]
        before: DateTime<Utc>,
    },
    /// Sum up what was used: calls, errors, time, upstream requests and bytes, costs
    Usage(UsageOptions),
    /// Copy the trail of a file to PostgreSQL, with its proof; what is there already is left as it is
    Copy(CopyOptions),
    /// Remove inputs and outputs of calls, by a signed statement that says so; their rows stay. In PostgreSQL as the owner of
    /// the tables
    Purge(PurgeOptions),
    /// Print a signed checkpoint of the trail as it is now; keep it where whoever has the database cannot change it
    Checkpoint,
    /// Print the public key that this hub signs the trail with; keep it where whoever has the database cannot change it
    Key {
        /// Put a new key in its place first, signed by the old one: who trusts that trusts this. Hubs that run go on with the
        /// old one until they end
        #[arg(long)]
        new: bool,
    },
}

/// Parses `90s`, `30m`, `1h` or `7d`, at most 365 days.
fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("`{text}` is not a time: write a number with s, m, h or d, such as `1h`");
    let unit = text.chars().last().ok_or_else(refused)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(refused()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| refused())?;
    match number.checked_mul(seconds) {
        Some(total @ 1..=31_536_000) => Ok(Duration::from_secs(total)),
        _ => Err(format!("`{text}` is out of bounds: use 1s to 365d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_public_url_is_one_below_which_endpoints_can_be() {
        for fine in ["https://hub.example", "http://127.0.0.1:8080", "https://hub.example/ops/"] {
            assert!(public_url(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "hub.example",
            "ftp://hub.example",
            "mailto:hub",
            "https://a@hub.example",
            "https://hub.example?a",
            "https://hub.example#a",
            "",
        ] {
            assert!(public_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "h", "1", "1w", "-1h", "0s", "366d", "99999999999999999999d", "1.5h", "é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
