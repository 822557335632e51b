//! The flags of the commands that read the trail.

use clap::Args;
use uuid::Uuid;

use crate::audit::{Cursor, ExportFormat, Filter, PAGE, PAGE_MAX, Parameter, Query, Scope};

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
    /// With this text in payload, result or error, in whatever case
    #[arg(long)]
    pub text: Option<String>,
}

/// `bulkhead audit list`.
#[derive(Debug, Args)]
pub struct ListOptions {
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
    /// The call's id: `X-Call-Id` of its answer
    pub id: Uuid,
    /// With its proof, as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// `bulkhead audit export`.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// Which events.
    #[command(flatten)]
    pub filter: FilterOptions,
    /// Lines of JSON with proof, or comma-separated values
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: ExportFormat,
}

/// `bulkhead audit tail`.
#[derive(Debug, Args)]
pub struct TailOptions {
    /// Which events.
    #[command(flatten)]
    pub filter: FilterOptions,
    /// One JSON object per line, for programs
    #[arg(long)]
    pub json: bool,
}

impl FilterOptions {
    /// What they ask for.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub(super) fn query(&self) -> anyhow::Result<Query> {
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
            (Parameter::Text, text),
        ];
        let given = given.into_iter().filter_map(|(parameter, value)| Some((parameter, value.as_deref()?)));
        Ok(Query::new(Filter::read(given)?, Scope::Whole)?)
    }
}
