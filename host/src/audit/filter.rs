//! Which events of the trail somebody asks for: the same words over REST and on the command line.

use std::{fmt::Display, str::FromStr};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::event::Outcome;
use crate::{
    names::{Code, OperationKind, Role, Severity, Surface, words},
    text::plain,
};

/// The longest value of a parameter, in characters.
const VALUE_MAX: usize = 256;
/// The longest range in which free text is searched without an index.
const TEXT_RANGE: TimeDelta = TimeDelta::days(1);

words! {
    /// What can be asked for.
    pub enum Parameter: "parameter" {
        /// The provider.
        Provider = "provider",
        /// The tool, resource or prompt.
        Tool = "tool",
        /// The user.
        Caller = "caller",
        /// The user's team.
        Team = "team",
        /// The user's role.
        Role = "role",
        /// How it ended.
        Outcome = "outcome",
        /// The code of its error.
        ErrorCode = "error_code",
        /// What was asked.
        Operation = "operation",
        /// Where it came in.
        Surface = "surface",
        /// An upstream host that was called.
        Hostname = "hostname",
        /// What belongs to one request.
        CorrelationId = "correlation_id",
        /// The revision that ran.
        Revision = "revision",
        /// Recorded at this time or later.
        From = "from",
        /// Recorded earlier than this.
        To = "to",
        /// It took as long as this, or longer.
        MinDuration = "min_duration_ms",
        /// How bad the worst finding in its output is, at least.
        Severity = "severity",
        /// A text in payload, result or error.
        Text = "text",
    }
}

impl Parameter {
    /// What its value means.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Provider => "the provider's name",
            Self::Tool => "the name of the tool or prompt, or the URI of the resource",
            Self::Caller => "the user's UUID",
            Self::Team => "the user's team",
            Self::Role => "the user's role",
            Self::Outcome => "how it ended",
            Self::ErrorCode => "the code of its error",
            Self::Operation => "what was asked",
            Self::Surface => "where it came in",
            Self::Hostname => "an upstream host that was called",
            Self::CorrelationId => "the correlation id",
            Self::Revision => "the revision that ran",
            Self::From => "recorded at this time or later: RFC 3339, or a date (UTC)",
            Self::To => "recorded earlier than this: RFC 3339, or a date (UTC)",
            Self::MinDuration => "took so many milliseconds or more",
            Self::Severity => "the worst finding in its output is this, or worse",
            Self::Text => {
                "a text in payload, result or error, letters of ASCII in whatever case; within a day, or of one caller, correlation id or tool"
            }
        }
    }

    /// The words that it takes; `None` if it takes others than words.
    #[must_use]
    pub fn choices(self) -> Option<Vec<&'static str>> {
        macro_rules! words_of {
            ($name:ty) => {
                Some(<$name>::ALL.iter().map(|one| one.as_str()).collect())
            };
        }
        match self {
            Self::Role => words_of!(Role),
            Self::Outcome => words_of!(Outcome),
            Self::ErrorCode => words_of!(Code),
            Self::Operation => words_of!(OperationKind),
            Self::Surface => words_of!(Surface),
            Self::Severity => words_of!(Severity),
            _ => None,
        }
    }
}

/// Why a filter is none: which parameter, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}` {told}")]
pub struct FilterError {
    /// The parameter.
    pub parameter: Parameter,
    /// What is wrong with it.
    pub told: String,
}

/// What an event has to be like. Nothing at all is every event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub(super) provider: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) caller: Option<Uuid>,
    pub(super) team: Option<String>,
    pub(super) role: Option<Role>,
    pub(super) outcome: Option<Outcome>,
    pub(super) error_code: Option<Code>,
    pub(super) operation: Option<OperationKind>,
    pub(super) surface: Option<Surface>,
    pub(super) hostname: Option<String>,
    pub(super) correlation_id: Option<String>,
    pub(super) revision: Option<String>,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
    pub(super) min_duration_ms: Option<u32>,
    pub(super) severity: Option<Severity>,
    pub(super) text: Option<String>,
    /// As it was given.
    told: Map<String, Value>,
}

impl Filter {
    /// A filter of these parameters.
    ///
    /// # Errors
    /// When one is there twice, or is not what it should be.
    pub fn read<'a>(given: impl IntoIterator<Item = (Parameter, &'a str)>) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for (parameter, value) in given {
            let refused = |told: String| FilterError { parameter, told };
            filter.set(parameter, value).map_err(refused)?;
            if filter.told.insert(parameter.to_string(), value.into()).is_some() {
                return Err(refused("is there twice: give it once".to_owned()));
            }
        }
        if let (Some(from), Some(to)) = (filter.from, filter.to)
            && from >= to
        {
            return Err(FilterError { parameter: Parameter::To, told: "is not later than `from`".to_owned() });
        }
        Ok(filter)
    }

    /// The parameters that were given.
    pub(super) fn parameters(&self) -> impl Iterator<Item = Parameter> {
        self.told.keys().filter_map(|name| name.parse().ok())
    }

    fn set(&mut self, parameter: Parameter, value: &str) -> Result<(), String> {
        if value.is_empty() || value.chars().count() > VALUE_MAX {
            return Err(format!("has to be a text of 1 to {VALUE_MAX} characters"));
        }
        // What a percent-decoder puts for bytes that are no text is none either.
        if value.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            return Err("has to be a text without control characters".to_owned());
        }
        let text = || Some(value.to_owned());
        match parameter {
            Parameter::Provider => self.provider = text(),
            Parameter::Tool => self.tool = text(),
            Parameter::Caller => {
                let id = value.parse().map_err(|_| "has to be a user's UUID".to_owned())?;
                self.caller = Some(id);
            }
            Parameter::Team => self.team = text(),
            Parameter::Role => self.role = Some(word(parameter, value)?),
            Parameter::Outcome => self.outcome = Some(word(parameter, value)?),
            Parameter::ErrorCode => self.error_code = Some(word(parameter, value)?),
            Parameter::Operation => self.operation = Some(word(parameter, value)?),
            Parameter::Surface => self.surface = Some(word(parameter, value)?),
            Parameter::Hostname => self.hostname = text(),
            Parameter::CorrelationId => self.correlation_id = text(),
            Parameter::Revision => self.revision = text(),
            Parameter::From => self.from = Some(time(value)?),
            Parameter::To => self.to = Some(time(value)?),
            Parameter::MinDuration => {
                self.min_duration_ms =
                    Some(value.parse().map_err(|_| format!("has to be a whole number, 0 to {}", u32::MAX))?);
            }
            Parameter::Severity => self.severity = Some(word(parameter, value)?),
            Parameter::Text => self.text = text(),
        }
        Ok(())
    }
}

fn word<T: FromStr>(parameter: Parameter, value: &str) -> Result<T, String>
where
    T::Err: Display,
{
    value.parse().map_err(|_: T::Err| {
        let choices = parameter.choices().unwrap_or_default().join(", ");
        format!("cannot be `{}`: write one of {choices}", plain::name(value))
    })
}

/// A time as it is asked for: RFC 3339, or a date, which is its beginning in UTC.
///
/// # Errors
/// When it is neither.
pub fn time(value: &str) -> Result<DateTime<Utc>, String> {
    let date = |value: &str| value.parse::<NaiveDate>().map(|date| date.and_time(NaiveTime::MIN).and_utc());
    DateTime::parse_from_rfc3339(value)
        .map(|at| at.to_utc())
        .or_else(|_| date(value))
        .ok()
        // What a row can be of: also what is not after that in milliseconds.
        .filter(|at| (0..=253_402_300_799_999).contains(&at.timestamp_millis()))
        .ok_or_else(|| {
            "has to be a time such as `2026-11-21T18:00:00Z` (in a URL a `+` is written `%2B`), or a date".to_owned()
        })
}

/// Rows are of whole milliseconds: the first that is not before a time.
pub(super) fn ceiling(at: DateTime<Utc>) -> DateTime<Utc> {
    let whole = at.timestamp_millis() + i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1_000_000));
    DateTime::from_timestamp_millis(whole).unwrap_or(at)
}

/// Whose events somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Whole,
    /// Those of one user.
    Own(Uuid),
}

/// A filter and whose events it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) filter: Filter,
    pub(super) scope: Scope,
}

impl Query {
    /// What is asked for by somebody who sees `scope`.
    ///
    /// # Errors
    /// When free text would be searched in too much.
    pub fn new(filter: Filter, scope: Scope) -> Result<Self, FilterError> {
        let is_indexed = matches!(scope, Scope::Own(_))
            || filter.caller.is_some()
            || filter.correlation_id.is_some()
            || (filter.provider.is_some() && filter.tool.is_some());
        let until = filter.to.unwrap_or_else(Utc::now);
        let is_short = filter.from.is_some_and(|from| until - from <= TEXT_RANGE);
        if filter.text.is_some() && !is_indexed && !is_short {
            let told = "is searched within a day: give `from` and `to`, or else `caller`, `correlation_id`, or `provider` and `tool`";
            return Err(FilterError { parameter: Parameter::Text, told: told.to_owned() });
        }
        Ok(Self { filter, scope })
    }

    /// The same for what is recorded from now on, which is never much at once.
    #[must_use]
    pub fn of_news(filter: Filter, scope: Scope) -> Self {
        Self { filter, scope }
    }

    /// As it was asked for, for the record.
    #[must_use]
    pub fn told(&self) -> Value {
        let mut told = self.filter.told.clone();
        if let Scope::Own(user) = self.scope {
            told.insert(Parameter::Caller.to_string(), user.to_string().into());
        }
        told.into()
    }

    /// Whether it finds out something of what bodies of others hold.
    #[must_use]
    pub fn looks_into_bodies_of_others(&self) -> bool {
        self.filter.text.is_some() && self.scope == Scope::Whole
    }

    /// The one user whose events it is about, if it is about one's.
    pub(super) fn caller(&self) -> Option<Uuid> {
        match self.scope {
            Scope::Own(user) => Some(user),
            Scope::Whole => self.filter.caller,
        }
    }

    /// Whether it can give nothing: somebody asks for another's events and sees its own alone.
    pub(super) fn is_empty(&self) -> bool {
        matches!((self.scope, self.filter.caller), (Scope::Own(user), Some(caller)) if user != caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(given: &[(Parameter, &str)]) -> String {
        Filter::read(given.iter().copied()).expect_err("no filter").to_string()
    }

    #[test]
    fn a_parameter_is_what_it_should_be_and_there_once() {
        for (given, told) in [
            (&[(Parameter::Caller, "root")][..], "`caller` has to be a user's UUID"),
            (&[(Parameter::Outcome, "OK")], "`outcome` cannot be `OK`: write one of ok, denied, "),
            (&[(Parameter::Role, "x\u{202e}")], "`role` cannot be `x\\u{202e}`"),
            (&[(Parameter::From, "yesterday")], "`from` has to be a time such as"),
            (&[(Parameter::From, "-9999-01-01")], "`from` has to be a time such as"),
            (&[(Parameter::MinDuration, "-1")], "`min_duration_ms` has to be a whole number"),
            (&[(Parameter::Tool, "")], "`tool` has to be a text of 1 to 256"),
            (&[(Parameter::Team, "a\0b")], "`team` has to be a text without control"),
            (&[(Parameter::Team, "a\u{fffd}")], "`team` has to be a text without control"),
            (&[(Parameter::Team, "a"), (Parameter::Team, "a")], "`team` is there twice"),
            (&[(Parameter::From, "2026-01-02"), (Parameter::To, "2026-01-02")], "`to` is not later"),
        ] {
            assert!(refused(given).starts_with(told), "{given:?}: {}", refused(given));
        }
        let filter = Filter::read([(Parameter::From, "2026-01-02T03:04:05+01:00")]).expect("a filter");
        assert_eq!(filter.from.map(|at| at.to_rfc3339()), Some("2026-01-02T02:04:05+00:00".to_owned()));
    }

    #[test]
    fn free_text_is_searched_in_a_day_or_by_an_index() {
        let query = |given: &[(Parameter, &str)], scope| {
            let given = given.iter().copied().chain([(Parameter::Text, "needle")]);
            Query::new(Filter::read(given).expect("a filter"), scope)
        };
        let (user, id) = (Uuid::from_u128(1), Uuid::from_u128(1).to_string());
        let day = [(Parameter::From, "2026-01-01"), (Parameter::To, "2026-01-02")];
        let longer = [(Parameter::From, "2026-01-01"), (Parameter::To, "2026-01-02T00:00:01Z")];
        assert!(query(&day, Scope::Whole).is_ok() && query(&[], Scope::Own(user)).is_ok());
        assert!(query(&[(Parameter::Caller, &id)], Scope::Whole).is_ok());
        assert!(query(&[(Parameter::Provider, "p"), (Parameter::Tool, "t")], Scope::Whole).is_ok());
        for wrong in [&longer[..], &[], &day[..1], &day[1..], &[(Parameter::Provider, "p")]] {
            assert!(query(wrong, Scope::Whole).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn whoever_sees_its_own_events_gets_none_of_anothers() {
        let (user, other) = (Uuid::from_u128(1), Uuid::from_u128(2).to_string());
        let filter = Filter::read([(Parameter::Caller, other.as_str())]).expect("a filter");
        assert!(Query::new(filter.clone(), Scope::Own(user)).expect("a query").is_empty());
        assert!(!Query::new(filter, Scope::Whole).expect("a query").is_empty());
    }
}
