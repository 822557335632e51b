//! The flags of the commands that read the trail, copy it, or take bodies out of it.

use std::path::PathBuf;

use clap::Args;
use url::Url;
use uuid::Uuid;

use crate::audit::{
    Cursor, Dimension, ExportFormat, Filter, PAGE, PAGE_MAX, Parameter, PublicKey, Query, Scope, UsageQuery,
};

/// Which events: the same filters as `GET /audit/events` has.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterOptions {
    /// Of this provider
    #[arg(long)]
    pub provider: Option<String>,
    /// Of this tool, prompt or resource URI
    #[arg(long)]
    pub tool: Option<String>,
    /// Of this user
    #[arg(long, value_name = "UUID")]
    pub caller: Option<String>,
    /// Of users of this team
    #[arg(long)]
    pub team: Option<String>,
    /// Of users with this role
    #[arg(long)]
    pub role: Option<String>,
    /// That ended so: `ok`, `denied`, `invalid`, `failed`, `timeout`, `cancelled`, `interrupted`
    #[arg(long)]
    pub outcome: Option<String>,
    /// With this code of an error
    #[arg(long, value_name = "CODE")]
    pub error_code: Option<String>,
    /// That asked for this, such as `call_tool`
    #[arg(long)]
    pub operation: Option<String>,
    /// That came in here: `rest`, `mcp`, `stdio`, `probe`, `hub`
    #[arg(long)]
    pub surface: Option<String>,
    /// That called this upstream host
    #[arg(long, value_name = "HOST")]
    pub hostname: Option<String>,
    /// Of one request
    #[arg(long, value_name = "ID")]
    pub correlation_id: Option<String>,
    /// That this revision ran
    #[arg(long)]
    pub revision: Option<String>,
    /// Recorded at this time or later: RFC 3339, or a date (UTC)
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Recorded earlier than this
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// That took so many milliseconds or more
    #[arg(long, value_name = "MS")]
    pub min_duration_ms: Option<String>,
    /// Whose worst finding is this, or worse: `info`, `low`, `medium`, `high`, `critical`
    #[arg(long)]
    pub severity: Option<String>,
    /// With this text in payload, result or error, letters of ASCII in whatever case
    #[arg(long)]
    pub text: Option<String>,
}

/// A running hub instead of the data folder.
#[derive(Debug, Clone, Args)]
pub struct HubOptions {
    /// Ask a running hub, such as `http://127.0.0.1:8080`, with the rights of your token, instead of reading the data folder
    #[arg(long, global = true, value_name = "URL", value_parser = public_url)]
    pub hub: Option<Url>,
    /// File with your token for that hub; otherwise the environment variable BULKHEAD_TOKEN
    #[arg(long, global = true, value_name = "FILE", requires = "hub")]
    pub token_file: Option<PathBuf>,
}

/// `bulkhead audit list`.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// Of which hub.
    #[command(flatten)]
    pub hub: HubOptions,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterOptions,
    /// How many, newest first
    #[arg(long, default_value_t = PAGE, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=i64::from(PAGE_MAX)))]
    pub limit: u16,
    /// Where the page before ended
    #[arg(long)]
    pub cursor: Option<Cursor>,
    /// Also say how many there are on all pages
    #[arg(long)]
    pub total: bool,
    /// One JSON object per line, for programs
    #[arg(long)]
    pub json: bool,
}

/// `bulkhead audit show`.
#[derive(Debug, Args)]
pub struct ShowOptions {
    /// Of which hub.
    #[command(flatten)]
    pub hub: HubOptions,
    /// The call's id: `X-Call-Id` of its answer
    pub id: Uuid,
    /// With its proof, as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// `bulkhead audit export`.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// Of which hub.
    #[command(flatten)]
    pub hub: HubOptions,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterOptions,
    /// Lines of JSON with proof, or comma-separated values
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: ExportFormat,
}

/// `bulkhead audit replay`.
#[derive(Debug, Args)]
pub struct ReplayOptions {
    /// The failed call's id
    pub id: Uuid,
    /// The hub that issues it again
    #[command(flatten)]
    pub hub: HubOptions,
    /// Also if it was a scan or write, which may have taken effect: look there first
    #[arg(long)]
    pub again: bool,
}

/// `bulkhead audit tail`.
#[derive(Debug, Args)]
pub struct TailOptions {
    /// Of which hub.
    #[command(flatten)]
    pub hub: HubOptions,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterOptions,
    /// One JSON object per line, for programs
    #[arg(long)]
    pub json: bool,
}

/// `bulkhead audit usage`.
#[derive(Debug, Args)]
pub struct UsageOptions {
    /// Of which hub.
    #[command(flatten)]
    pub hub: HubOptions,
    /// By what it is told apart: `hour`, `day`, `provider`, `tool`, `caller`, `team`, `outcome`, with commas between
    #[arg(long, value_delimiter = ',', value_name = "WHAT", default_value = "provider,tool")]
    pub by: Vec<Dimension>,
    /// Of this provider
    #[arg(long)]
    pub provider: Option<String>,
    /// Of this tool, prompt or resource URI
    #[arg(long)]
    pub tool: Option<String>,
    /// Of this user
    #[arg(long, value_name = "UUID")]
    pub caller: Option<String>,
    /// Of users of this team
    #[arg(long)]
    pub team: Option<String>,
    /// Of what ended so
    #[arg(long)]
    pub outcome: Option<String>,
    /// From this hour on: RFC 3339, or a date (UTC)
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to this hour
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// One JSON object per line, for programs
    #[arg(long)]
    pub json: bool,
}

impl UsageOptions {
    /// What they ask for.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub(super) fn query(&self) -> anyhow::Result<UsageQuery> {
        Ok(UsageQuery::new(Filter::read(self.given())?, self.by.clone(), Scope::Whole)?)
    }

    /// The same as parameters of REST.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub(super) fn parameters(&self) -> anyhow::Result<Vec<(String, String)>> {
        self.query()?;
        let by: Vec<_> = self.by.iter().map(|dimension| dimension.as_str()).collect();
        let filter = self.given().map(|(parameter, value)| (parameter.to_string(), value.to_owned()));
        Ok(filter.chain([("by".to_owned(), by.join(","))]).collect())
    }

    fn given(&self) -> impl Iterator<Item = (Parameter, &str)> {
        let given = [
            (Parameter::Provider, &self.provider),
            (Parameter::Tool, &self.tool),
            (Parameter::Caller, &self.caller),
            (Parameter::Team, &self.team),
            (Parameter::Outcome, &self.outcome),
            (Parameter::From, &self.from),
            (Parameter::To, &self.to),
        ];
        given.into_iter().filter_map(|(parameter, value)| Some((parameter, value.as_deref()?)))
    }
}

/// `bulkhead audit copy`.
#[derive(Debug, Args)]
pub struct CopyOptions {
    /// Where to: `postgres://USER@HOST/DATABASE`, as the user that hubs connect as
    #[arg(long, value_name = "URL")]
    pub to_database_url: String,
    /// File with the password of that user, and nothing else; ~/.pgpass is read too
    #[arg(long, value_name = "FILE")]
    pub to_database_password_file: Option<PathBuf>,
    /// A public key that is trusted to sign either trail; that of the data folder unless one is given
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<PublicKey>,
}

/// `bulkhead audit purge`.
#[derive(Debug, Args)]
pub struct PurgeOptions {
    /// Calls whose inputs and outputs are removed
    #[arg(value_name = "ID", conflicts_with_all = ["from", "to"])]
    pub ids: Vec<Uuid>,
    /// Or all that are found; with a range, `--from` and `--to`.
    #[command(flatten)]
    pub filter: FilterOptions,
}

/// Parses a URL below which endpoints can be.
pub(super) fn public_url(text: &str) -> Result<Url, String> {
    let url: Url =
        text.parse().map_err(|error| format!("{error}: write it in full, such as `https://hub.example.org`"))?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_bare = url.username().is_empty() && url.password().is_none();
    if is_web && is_bare && url.query().is_none() && url.fragment().is_none() {
        Ok(url)
    } else {
        Err("use http or https, a host, perhaps a port and a path, and nothing else".to_owned())
    }
}

impl FilterOptions {
    /// What they ask for.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub(super) fn query(&self) -> anyhow::Result<Query> {
        Ok(Query::new(self.filter()?, Scope::Whole)?)
    }

    /// The same of what is recorded from now on.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub(super) fn query_of_news(&self) -> anyhow::Result<Query> {
        Ok(Query::of_news(self.filter()?, Scope::Whole))
    }

    /// The same as parameters of REST.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub(super) fn parameters(&self) -> anyhow::Result<Vec<(String, String)>> {
        self.filter()?;
        Ok(self.given().map(|(parameter, value)| (parameter.to_string(), value.to_owned())).collect())
    }

    fn filter(&self) -> anyhow::Result<Filter> {
        Ok(Filter::read(self.given())?)
    }

    fn given(&self) -> impl Iterator<Item = (Parameter, &str)> {
        let Self {
            provider,
            tool,
            caller,
            team,
            role,
            outcome,
            error_code,
            operation,
            surface,
            hostname,
            correlation_id,
            revision,
            from,
            to,
            min_duration_ms,
            severity,
            text,
        } = self;
        let given = [
            (Parameter::Provider, provider),
            (Parameter::Tool, tool),
            (Parameter::Caller, caller),
            (Parameter::Team, team),
            (Parameter::Role, role),
            (Parameter::Outcome, outcome),
            (Parameter::ErrorCode, error_code),
            (Parameter::Operation, operation),
            (Parameter::Surface, surface),
            (Parameter::Hostname, hostname),
            (Parameter::CorrelationId, correlation_id),
            (Parameter::Revision, revision),
            (Parameter::From, from),
            (Parameter::To, to),
            (Parameter::MinDuration, min_duration_ms),
            (Parameter::Severity, severity),
            (Parameter::Text, text),
        ];
        given.into_iter().filter_map(|(parameter, value)| Some((parameter, value.as_deref()?)))
    }
}
