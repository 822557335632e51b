//! A query of the trail in PostgreSQL's SQL. Values are bound, and only the hub's own words are in the text.

use sqlx_core::query_builder::QueryBuilder;
use sqlx_postgres::Postgres;

use super::{
    super::listed::Wanted,
    read,
    time::{Millis, known},
};
use crate::{
    audit::{
        cursor::Cursor,
        event::Outcome,
        filter::{Query, ceiling},
    },
    names::{Code, OperationKind, Role, Surface},
};

/// Spacing that `jsonb` puts between the parts of a document, and the hub does not: what stands in strings stays as it is.
const UNSPACED: &str = r#"'("(?:[^"\\]|\\.)*")|([:,]) ', '\1\2', 'g'"#;

/// Events that a query finds, with the conditions up to here; what else is to hold follows.
pub(super) fn select(query: &Query, wanted: Wanted) -> QueryBuilder<Postgres> {
    let bodies = if wanted == Wanted::Bodies { read::BODIES } else { read::NO_BODIES };
    let mut sql = QueryBuilder::new(format!("SELECT {}, {bodies} FROM ", read::EVENT));
    conditions(&mut sql, query);
    sql
}

/// Those of a page, newest first.
pub(super) fn page(query: &Query, after: Option<&Cursor>, limit: i64, wanted: Wanted) -> QueryBuilder<Postgres> {
    let mut sql = select(query, wanted);
    if let Some(Cursor(place)) = after {
        let at = Millis(known(place.recorded_at));
        // The first says where the index begins.
        sql.push(" AND recorded_at <= ").push_bind(at).push(" AND (recorded_at, writer, seq) < (").push_bind(at);
        sql.push(", ").push_bind(place.writer).push(", ").push_bind(place.seq).push(")");
    }
    sql.push(" ORDER BY recorded_at DESC, writer DESC, seq DESC LIMIT ").push_bind(limit);
    sql
}

/// How many there are, counted no further than to `most`.
pub(super) fn count(query: &Query, most: u32) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM (SELECT FROM ");
    conditions(&mut sql, query);
    sql.push(" LIMIT ").push_bind(i64::from(most)).push(") counted");
    sql
}

/// The table and all that has to hold.
fn conditions(sql: &mut QueryBuilder<Postgres>, query: &Query) {
    let filter = &query.filter;
    match &filter.correlation_id {
        // Apart, so that the index of ids is taken however common the planner believes one to be.
        Some(id) => {
            sql.push("(SELECT * FROM ops.run_events WHERE correlation_id = ").push_bind(id.clone()).push(" OFFSET 0) e")
        }
        None => sql.push("ops.run_events e"),
    };
    sql.push(if query.is_empty() { " WHERE false" } else { " WHERE true" });
    if let Some(caller) = query.caller() {
        sql.push(" AND caller = ").push_bind(caller);
    }
    for (column, value) in [
        ("provider", filter.provider.as_deref()),
        ("tool", filter.tool.as_deref()),
        ("team", filter.team.as_deref()),
        ("caller_role", filter.role.map(Role::as_str)),
        ("outcome", filter.outcome.map(Outcome::as_str)),
        ("error_code", filter.error_code.map(Code::as_str)),
        ("operation", filter.operation.map(OperationKind::as_str)),
        ("surface", filter.surface.map(Surface::as_str)),
        ("revision", filter.revision.as_deref()),
    ] {
        if let Some(value) = value {
            sql.push(format_args!(" AND {column} = ")).push_bind(value.to_owned());
        }
    }
    if let Some(host) = &filter.hostname {
        sql.push(" AND strpos(',' || hostname || ',', ").push_bind(format!(",{host},")).push(") > 0");
    }
    if let Some(from) = filter.from {
        sql.push(" AND recorded_at >= ").push_bind(Millis(known(ceiling(from))));
    }
    if let Some(to) = filter.to {
        sql.push(" AND recorded_at < ").push_bind(Millis(known(ceiling(to))));
    }
    if let Some(least) = filter.min_duration_ms {
        sql.push(" AND duration_ms >= ").push_bind(i64::from(least));
    }
    if let Some(severity) = filter.severity {
        let or_worse: Vec<_> = severity.or_worse().iter().map(|one| one.as_str().to_owned()).collect();
        sql.push(" AND severity = ANY (").push_bind(or_worse).push(")");
    }
    if let Some(text) = &filter.text {
        self::text(sql, text);
    }
}

/// In bodies a text stands as JSON has it. Case is that of ASCII, as in the other store.
fn text(sql: &mut QueryBuilder<Postgres>, text: &str) {
    let quoted = serde_json::Value::from(text).to_string();
    let in_json = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&quoted);
    sql.push(" AND (");
    for body in ["payload", "result"] {
        if text.contains([',', ':', ' ']) {
            // What could stand across the spacing: a pattern that finds too much, and of that what is there without.
            let loose = like(in_json).replace(',', ",%").replace(':', ":%");
            sql.push(format_args!("({body}::text COLLATE \"C\" ILIKE ")).push_bind(loose);
            sql.push(format_args!(" AND regexp_replace({body}::text, {UNSPACED}) COLLATE \"C\" ILIKE "));
            sql.push_bind(like(in_json)).push(") OR ");
        } else {
            sql.push(format_args!("{body}::text COLLATE \"C\" ILIKE ")).push_bind(like(in_json)).push(" OR ");
        }
    }
    sql.push("error COLLATE \"C\" ILIKE ").push_bind(like(text)).push(")");
}

/// Whatever contains this text.
fn like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
