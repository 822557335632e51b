//! Sums beside the entries that they are of.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Row, Transaction, params, params_from_iter, types::Value};
use uuid::Uuid;

use super::{super::stored::Found, read};
use crate::audit::{
    rollup::{self, Key, SUM_MAX, Sums},
    summary::{Dimension, Label, Sum, UsageQuery},
};

/// One row for each key, whatever the number of events.
const ADD: &str = "INSERT INTO ops.usage_rollups (hour, writer, provider, tool, caller_id, team, outcome, unit, calls, \
    duration_ms, upstream_requests, upstream_bytes, cost) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13) \
    ON CONFLICT DO UPDATE SET calls = min(calls + excluded.calls, ?14), \
    duration_ms = min(duration_ms + excluded.duration_ms, ?14), \
    upstream_requests = min(upstream_requests + excluded.upstream_requests, ?14), \
    upstream_bytes = min(upstream_bytes + excluded.upstream_bytes, ?14), cost = min(cost + excluded.cost, ?14)";

const ALL: &str = "SELECT writer, hour, provider, tool, caller_id, team, outcome, unit, calls, duration_ms, \
    upstream_requests, upstream_bytes, cost FROM ops.usage_rollups";

/// Adds the sums of a batch.
pub(super) fn add(
    transaction: &Transaction<'_>,
    number: i64,
    rollups: &BTreeMap<Key<&str>, Sums>,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(ADD)?;
    for (Key { hour, provider, tool, caller, team, outcome, unit }, sums) in rollups {
        let [calls, duration_ms, requests, bytes, cost] = sums.numbers();
        let changed = statement.execute(params![
            hour,
            number,
            provider,
            tool,
            caller.as_bytes(),
            team,
            outcome.as_str(),
            unit,
            calls,
            duration_ms,
            requests,
            bytes,
            cost,
            SUM_MAX,
        ])?;
        // A trigger can make it none, and no error.
        if changed != 1 {
            return Err(rusqlite::Error::StatementChangedRows(changed));
        }
    }
    Ok(())
}

/// Tells of all sums.
pub(super) fn walk(
    connection: &Connection,
    writers: &HashMap<i64, Uuid>,
    visit: &mut dyn FnMut(Found),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        visit(match (writers.get(&number), rollup(row)) {
            (Some(&writer), Ok((key, sums))) => Found::Rollup { writer, key: Box::new(key), sums },
            (None, _) => Found::Stray(format!("a sum of usage is of hub run {number}, which never started")),
            (Some(writer), Err(why)) => Found::Stray(format!("a sum of usage of hub run {writer} was changed: {why}")),
        });
    }
    Ok(())
}

fn rollup(row: &Row<'_>) -> Result<(Key<String>, Sums), read::Unreadable> {
    let key = Key {
        hour: read::required(row, 1, read::whole)?,
        provider: read::required(row, 2, read::text)?,
        tool: read::required(row, 3, read::text)?,
        caller: read::required(row, 4, read::id)?,
        team: read::required(row, 5, read::text)?,
        outcome: read::required(row, 6, read::word)?,
        unit: read::required(row, 7, read::text)?,
    };
    let mut numbers = [0; 5];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = read::required(row, 8 + index, read::whole)?;
    }
    Ok((key, numbers.into()))
}

/// The sums of what a query is about, in the order of its parts; `most` of them.
pub(super) fn summed(connection: &Connection, query: &UsageQuery, most: usize) -> rusqlite::Result<Vec<Sum>> {
    let (mut conditions, mut values) = ("1".to_owned(), Vec::<Value>::new());
    let filter = &query.filter;
    let mut and = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            conditions.push_str(" AND ");
            conditions.push_str(condition);
            values.push(value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    and("hour >= ?", filter.from.map(|from| rollup::hour(from).into()));
    and("hour < ?", filter.to.map(|to| rollup::hour(to).into()));
    and("provider = ?", text(&filter.provider));
    and("tool = ?", text(&filter.tool));
    and("caller_id = ?", query.caller().map(|caller| Value::Blob(caller.as_bytes().to_vec())));
    and("team = ?", text(&filter.team));
    and("outcome = ?", filter.outcome.map(|outcome| outcome.as_str().to_owned().into()));
    values.push(i64::try_from(most).unwrap_or(i64::MAX).into());
    let parts = query.by.iter().fold(String::new(), |parts, dimension| parts + column(*dimension) + ", ");
    // Millionths in two, so that their sum cannot be too large.
    let sql = format!(
        "SELECT {parts}unit, sum(calls), sum(CASE outcome WHEN 'ok' THEN 0 ELSE calls END), sum(duration_ms), \
         sum(upstream_requests), sum(upstream_bytes), sum(cost / 1000000), sum(cost % 1000000) FROM ops.usage_rollups \
         WHERE {conditions} GROUP BY {parts}unit ORDER BY {parts}unit LIMIT ?"
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| sum(row, &query.by))?;
    rows.collect()
}

fn column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Hour => "hour",
        Dimension::Day => "hour / 24",
        Dimension::Provider => "provider",
        Dimension::Tool => "tool",
        Dimension::Caller => "caller_id",
        Dimension::Team => "team",
        Dimension::Outcome => "outcome",
    }
}

fn sum(row: &Row<'_>, by: &[Dimension]) -> rusqlite::Result<Sum> {
    let label = |(index, dimension): (usize, &Dimension)| {
        Ok(match dimension {
            Dimension::Hour => Label::Hour(row.get(index)?),
            Dimension::Day => Label::Day(row.get(index)?),
            Dimension::Caller => Label::Caller(Uuid::from_bytes(row.get(index)?)),
            Dimension::Provider | Dimension::Tool | Dimension::Team | Dimension::Outcome => {
                Label::Text(row.get(index)?)
            }
        })
    };
    let labels = by.iter().enumerate().map(label).collect::<rusqlite::Result<_>>()?;
    let at = by.len();
    let (units, millionths): (i64, i64) = (row.get(at + 6)?, row.get(at + 7)?);
    Ok(Sum {
        labels,
        unit: row.get(at)?,
        calls: row.get(at + 1)?,
        errors: row.get(at + 2)?,
        duration_ms: row.get(at + 3)?,
        upstream_requests: row.get(at + 4)?,
        upstream_bytes: row.get(at + 5)?,
        cost: i128::from(units) * 1_000_000 + i128::from(millionths),
    })
}
