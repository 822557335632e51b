//! Sums beside the entries that they are of.

use std::collections::BTreeMap;

use sqlx_core::{query::query, query_builder::QueryBuilder, row::Row as _};
use sqlx_postgres::{PgConnection, PgRow, Postgres};
use uuid::Uuid;

use super::{
    super::Found,
    read::{self, Unreadable},
    time::Millis,
};
use crate::{
    audit::{
        rollup::{self, Key, SUM_MAX, Sums},
        summary::{Dimension, Label, Sum, UsageQuery},
    },
    store::postgres::PostgresError,
};

/// One row for each key, whatever the number of events.
const ADD: &str = "INSERT INTO ops.usage_rollups AS kept (writer, hour, provider, tool, caller_id, team, outcome, unit, calls, \
    duration_ms, upstream_requests, upstream_bytes, cost) SELECT $1, * FROM unnest($2::timestamptz[], $3::text[], $4::text[], \
    $5::uuid[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[]) \
    ON CONFLICT (hour, writer, provider, tool, caller_id, team, outcome, unit) DO UPDATE SET \
    calls = least(kept.calls + excluded.calls, $14), duration_ms = least(kept.duration_ms + excluded.duration_ms, $14), \
    upstream_requests = least(kept.upstream_requests + excluded.upstream_requests, $14), \
    upstream_bytes = least(kept.upstream_bytes + excluded.upstream_bytes, $14), cost = least(kept.cost + excluded.cost, $14)";

const OF_WRITER: &str = "SELECT hour, provider, tool, caller_id, team, outcome, unit, calls, duration_ms, upstream_requests, \
    upstream_bytes, cost FROM ops.usage_rollups WHERE writer = $1";

/// Adds the sums of a batch.
pub(super) async fn add(
    connection: &mut PgConnection,
    writer: Uuid,
    rollups: &BTreeMap<Key<&str>, Sums>,
) -> Result<(), PostgresError> {
    if rollups.is_empty() {
        return Ok(());
    }
    // The clock of a hub that commits is no time that cannot be.
    let hours = rollups.keys().map(|key| Millis(rollup::begin(key.hour).unwrap_or_default()));
    let texts = |of: for<'a> fn(&Key<&'a str>) -> &'a str| rollups.keys().map(of).collect::<Vec<_>>();
    let numbers = |index: usize| rollups.values().map(|sums| sums.numbers()[index]).collect::<Vec<_>>();
    let added = query::<Postgres>(ADD)
        .bind(writer)
        .bind(hours.collect::<Vec<_>>())
        .bind(texts(|key| key.provider))
        .bind(texts(|key| key.tool))
        .bind(rollups.keys().map(|key| key.caller).collect::<Vec<_>>())
        .bind(texts(|key| key.team))
        .bind(rollups.keys().map(|key| key.outcome.as_str()).collect::<Vec<_>>())
        .bind(texts(|key| key.unit))
        .bind(numbers(0))
        .bind(numbers(1))
        .bind(numbers(2))
        .bind(numbers(3))
        .bind(numbers(4))
        .bind(SUM_MAX)
        .execute(connection)
        .await?;
    // A trigger can make it fewer, and no error.
    if added.rows_affected() == rollups.len() as u64 { Ok(()) } else { Err(PostgresError::Drops) }
}

/// Sums by what a query asks for, in the order of its parts; `most` of them. The table's key begins with the hour.
pub(super) async fn summed(
    connection: &mut PgConnection,
    query: &UsageQuery,
    most: usize,
) -> Result<Vec<Sum>, PostgresError> {
    let parts: String = query.by.iter().flat_map(|dimension| [column(*dimension), ", "]).collect();
    // Millionths in two, so that their sum cannot be too large.
    let mut sql = QueryBuilder::<Postgres>::new(format!(
        "SELECT {parts}unit COLLATE \"C\", sum(calls)::bigint, sum(CASE outcome WHEN 'ok' THEN 0 ELSE calls END)::bigint, \
         sum(duration_ms)::bigint, sum(upstream_requests)::bigint, sum(upstream_bytes)::bigint, sum(cost / 1000000)::bigint, \
         sum(cost % 1000000)::bigint FROM ops.usage_rollups WHERE true"
    ));
    let filter = &query.filter;
    if let Some(from) = filter.from {
        sql.push(" AND hour >= ").push_bind(Millis(from));
    }
    if let Some(to) = filter.to {
        sql.push(" AND hour < ").push_bind(Millis(to));
    }
    let outcome = filter.outcome.map(|outcome| outcome.as_str().to_owned());
    for (column, value) in
        [("provider", &filter.provider), ("tool", &filter.tool), ("team", &filter.team), ("outcome", &outcome)]
    {
        if let Some(value) = value {
            sql.push(format_args!(" AND {column} = ")).push_bind(value.clone());
        }
    }
    if let Some(caller) = query.caller() {
        sql.push(" AND caller_id = ").push_bind(caller);
    }
    let order = (1..=query.by.len() + 1).map(|part| part.to_string()).collect::<Vec<_>>().join(", ");
    sql.push(format_args!(" GROUP BY {order} ORDER BY {order} LIMIT "));
    sql.push_bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = sql.build().fetch_all(connection).await?;
    rows.iter().map(|row| sum(row, &query.by)).collect()
}

/// Texts in the order of their bytes, as in the other store.
fn column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Hour => "extract(epoch FROM hour)::bigint / 3600",
        Dimension::Day => "extract(epoch FROM hour)::bigint / 86400",
        Dimension::Provider => "provider COLLATE \"C\"",
        Dimension::Tool => "tool COLLATE \"C\"",
        Dimension::Caller => "caller_id",
        Dimension::Team => "team COLLATE \"C\"",
        Dimension::Outcome => "outcome COLLATE \"C\"",
    }
}

fn sum(row: &PgRow, by: &[Dimension]) -> Result<Sum, PostgresError> {
    let label = |(index, dimension): (usize, &Dimension)| {
        Ok::<_, PostgresError>(match dimension {
            Dimension::Hour => Label::Hour(row.try_get(index)?),
            Dimension::Day => Label::Day(row.try_get(index)?),
            Dimension::Caller => Label::Caller(row.try_get(index)?),
            Dimension::Provider | Dimension::Tool | Dimension::Team | Dimension::Outcome => {
                Label::Text(row.try_get(index)?)
            }
        })
    };
    let labels = by.iter().enumerate().map(label).collect::<Result<_, _>>()?;
    let at = by.len();
    let (units, millionths): (i64, i64) = (row.try_get(at + 6)?, row.try_get(at + 7)?);
    Ok(Sum {
        labels,
        unit: row.try_get(at)?,
        calls: row.try_get(at + 1)?,
        errors: row.try_get(at + 2)?,
        duration_ms: row.try_get(at + 3)?,
        upstream_requests: row.try_get(at + 4)?,
        upstream_bytes: row.try_get(at + 5)?,
        cost: i128::from(units) * 1_000_000 + i128::from(millionths),
    })
}

/// Tells of a writer's sums.
pub(super) async fn walk(
    connection: &mut PgConnection,
    writer: Uuid,
    visit: &mut dyn FnMut(Found),
) -> Result<(), PostgresError> {
    for row in query::<Postgres>(OF_WRITER).bind(writer).fetch_all(connection).await? {
        visit(match rollup(&row) {
            Ok((key, sums)) => Found::Rollup { writer, key: Box::new(key), sums },
            Err(why) => Found::Stray(format!("a sum of usage of hub run {writer} was changed: {why}")),
        });
    }
    Ok(())
}

fn rollup(row: &PgRow) -> Result<(Key<String>, Sums), Unreadable> {
    let Millis(at) = read::required(row, "hour")?;
    let hour = rollup::hour(at);
    if rollup::begin(hour) != Some(at) {
        return Err("its hour is none".to_owned());
    }
    let key = Key {
        hour,
        provider: read::required(row, "provider")?,
        tool: read::required(row, "tool")?,
        caller: read::required(row, "caller_id")?,
        team: read::required(row, "team")?,
        outcome: read::word(row, "outcome")?,
        unit: read::required(row, "unit")?,
    };
    let mut numbers = [0; 5];
    for (number, column) in
        numbers.iter_mut().zip(["calls", "duration_ms", "upstream_requests", "upstream_bytes", "cost"])
    {
        *number = row.try_get(column).map_err(|error| format!("its {column} cannot be read: {error}"))?;
    }
    Ok((key, numbers.into()))
}
