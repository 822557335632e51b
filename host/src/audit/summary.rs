//! What was used, by whom and of what: sums of the rollups, in as many parts as somebody asks for.

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    entry::timestamp,
    filter::{Filter, FilterError, Parameter, Scope},
    rollup,
    usage::decimal,
};
use crate::names::words;

words! {
    /// By what usage is told apart.
    #[derive(clap::ValueEnum)]
    #[value(rename_all = "snake_case")]
    pub enum Dimension: "dimension" {
        /// The hour of recording.
        Hour = "hour",
        /// Its day (UTC).
        Day = "day",
        /// The provider.
        Provider = "provider",
        /// The tool, resource or prompt.
        Tool = "tool",
        /// The user.
        Caller = "caller",
        /// The user's team.
        Team = "team",
        /// How calls ended.
        Outcome = "outcome",
    }
}

/// The filters that sums know of.
pub const SUMMED: [Parameter; 7] = [
    Parameter::Provider,
    Parameter::Tool,
    Parameter::Caller,
    Parameter::Team,
    Parameter::Outcome,
    Parameter::From,
    Parameter::To,
];

/// The most sums that one answer has, units of costs counted apart.
pub(super) const SUMS_MAX: usize = 10_000;

/// Which sums somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    pub(super) filter: Filter,
    pub(super) by: Vec<Dimension>,
    pub(super) scope: Scope,
}

impl UsageQuery {
    /// What is asked for by somebody who sees `scope`.
    ///
    /// # Errors
    /// When nothing is summed by that.
    pub fn new(filter: Filter, by: Vec<Dimension>, scope: Scope) -> Result<Self, FilterError> {
        if let Some(parameter) = filter.parameters().find(|parameter| !SUMMED.contains(parameter)) {
            let known = SUMMED.map(Parameter::as_str).join(", ");
            return Err(FilterError {
                parameter,
                told: format!("is nothing that usage is summed by: there are {known}"),
            });
        }
        for (parameter, at) in [(Parameter::From, filter.from), (Parameter::To, filter.to)] {
            if at.is_some_and(|at| !is_whole_hour(at)) {
                let told =
                    "has to be a whole hour, such as `2026-11-21T18:00:00Z`, or a date: usage is summed by the hour";
                return Err(FilterError { parameter, told: told.to_owned() });
            }
        }
        Ok(Self { filter, by, scope })
    }

    /// The one user whose usage it is about, if it is about one's.
    pub(super) fn caller(&self) -> Option<Uuid> {
        match self.scope {
            Scope::Own(user) => Some(user),
            Scope::Whole => self.filter.caller,
        }
    }

    /// Whether it can give nothing: somebody asks for another's usage and sees its own alone. Nobody's id stands for whatever has
    /// no user, which is nobody's own.
    pub(super) fn is_empty(&self) -> bool {
        match self.scope {
            Scope::Whole => false,
            Scope::Own(user) => user.is_nil() || self.filter.caller.is_some_and(|caller| caller != user),
        }
    }
}

fn is_whole_hour(at: DateTime<Utc>) -> bool {
    at.minute() == 0 && at.second() == 0 && at.nanosecond() == 0
}

/// What a sum is of, in one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    /// Hours since 1970.
    Hour(i64),
    /// Days since 1970.
    Day(i64),
    Caller(Uuid),
    Text(String),
}

impl Label {
    /// As it is shown; `None` if there is none.
    fn told(&self) -> Option<String> {
        match self {
            Self::Hour(hour) => rollup::begin(*hour).map(timestamp),
            Self::Day(day) => {
                let day = TimeDelta::try_days(*day)?;
                NaiveDate::default().checked_add_signed(day).map(|day| day.to_string())
            }
            Self::Caller(caller) => (!caller.is_nil()).then(|| caller.to_string()),
            Self::Text(text) => (!text.is_empty()).then(|| text.clone()),
        }
    }
}

/// A sum of rollups, as a store gives it: by what was asked for and, below that, by the unit of costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) labels: Vec<Label>,
    /// Empty for everything but costs. That sum comes first.
    pub(super) unit: String,
    pub(super) calls: i64,
    pub(super) errors: i64,
    pub(super) duration_ms: i64,
    pub(super) upstream_requests: i64,
    pub(super) upstream_bytes: i64,
    /// In millionths.
    pub(super) cost: i128,
}

/// What was used.
#[derive(Debug)]
pub struct Summary {
    /// One for each part that was asked for, in their order.
    pub sums: Vec<Map<String, Value>>,
    /// Whether these are all.
    pub is_whole: bool,
}

impl Summary {
    /// From the sums of a store, one more than [`SUMS_MAX`] if there are more.
    pub(super) fn of(by: &[Dimension], mut found: Vec<Sum>) -> Self {
        let is_whole = found.len() <= SUMS_MAX;
        if !is_whole {
            // The last part may have more units than were read.
            let last = found.pop().map(|sum| sum.labels);
            found.retain(|sum| Some(&sum.labels) != last.as_ref());
        }
        let sums = found.chunk_by(|one, next| one.labels == next.labels).map(|part| shown(by, part)).collect();
        Self { sums, is_whole }
    }
}

/// One part: its sums, and what it cost in each unit.
fn shown(by: &[Dimension], part: &[Sum]) -> Map<String, Value> {
    let mut shown = Map::new();
    let labels = part.first().map(|sum| sum.labels.as_slice()).unwrap_or_default();
    for (dimension, label) in by.iter().zip(labels) {
        if let Some(told) = label.told() {
            shown.insert(dimension.to_string(), told.into());
        }
    }
    let total = |of: fn(&Sum) -> i64| part.iter().map(of).fold(0, i64::saturating_add);
    for (name, number) in [
        ("calls", total(|sum| sum.calls)),
        ("errors", total(|sum| sum.errors)),
        ("duration_ms", total(|sum| sum.duration_ms)),
        ("upstream_requests", total(|sum| sum.upstream_requests)),
        ("upstream_bytes", total(|sum| sum.upstream_bytes)),
    ] {
        shown.insert(name.to_owned(), number.into());
    }
    let costs = part.iter().filter(|sum| !sum.unit.is_empty());
    let costs: Map<_, Value> = costs.map(|sum| (sum.unit.clone(), decimal(sum.cost).into())).collect();
    shown.insert("cost".to_owned(), costs.into());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(labels: Vec<Label>, unit: &str, number: i64) -> Sum {
        let is_cost = !unit.is_empty();
        let [counted, cost] = if is_cost { [0, number] } else { [number, 0] };
        Sum {
            labels,
            unit: unit.to_owned(),
            calls: counted,
            errors: 0,
            duration_ms: counted,
            upstream_requests: counted,
            upstream_bytes: counted,
            cost: cost.into(),
        }
    }

    #[test]
    fn units_of_one_part_are_one_sum() {
        let by = [Dimension::Day, Dimension::Caller];
        let labels = |day| vec![Label::Day(day), Label::Caller(Uuid::nil())];
        let found = vec![
            sum(labels(1), "", 7),
            sum(labels(1), "EUR", 1_500_000),
            sum(labels(1), "USD", 1),
            sum(labels(2), "", 3),
        ];
        let Summary { sums, is_whole } = Summary::of(&by, found);
        assert!(is_whole && sums.len() == 2);
        let first = Value::from(sums[0].clone());
        assert_eq!(first["day"], "1970-01-02");
        assert_eq!(
            (&first["calls"], &first["cost"]["EUR"], &first["cost"]["USD"]),
            (&7.into(), &"1.5".into(), &"0.000001".into())
        );
        assert!(first.get("caller").is_none(), "nobody");
        let many =
            (0..=SUMS_MAX).map(|hour| sum(vec![Label::Hour(i64::try_from(hour).expect("small"))], "", 1)).collect();
        let cut = Summary::of(&[Dimension::Hour], many);
        assert!(!cut.is_whole && cut.sums.len() == SUMS_MAX);
    }

    #[test]
    fn only_what_is_summed_by_is_asked_for() {
        let query = |given: &[(Parameter, &str)], scope| {
            UsageQuery::new(Filter::read(given.iter().copied()).expect("a filter"), Vec::new(), scope)
        };
        let told = |given: &[(Parameter, &str)]| query(given, Scope::Whole).expect_err("refused").to_string();
        assert!(told(&[(Parameter::Role, "ops_admin")]).starts_with("`role` is nothing that usage is summed by"));
        assert!(told(&[(Parameter::To, "2026-01-01T10:30:00Z")]).starts_with("`to` has to be a whole hour"));
        let user = Uuid::from_u128(1);
        assert!(query(&[(Parameter::From, "2026-01-01")], Scope::Own(user)).is_ok_and(|query| !query.is_empty()));
        assert!(query(&[], Scope::Own(Uuid::nil())).is_ok_and(|query| query.is_empty()));
        let other = Uuid::from_u128(2).to_string();
        assert!(query(&[(Parameter::Caller, &other)], Scope::Own(user)).is_ok_and(|query| query.is_empty()));
    }
}
