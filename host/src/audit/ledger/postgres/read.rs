//! Entries back from the database, strictly: what a hub cannot have written is told and not guessed.

use std::{fmt::Display, str::FromStr};

use chrono::{DateTime, Utc};
use sqlx_core::{decode::Decode, row::Row as _, types::Type};
use sqlx_postgres::{PgRow, Postgres};
use uuid::Uuid;

use super::time::Millis;
use crate::{
    audit::{
        body::Body,
        cloud_event::ForOutbox,
        entry::{Entry, Place, Sealed},
        event::{Event, Intent, Sharing},
        seal::Head,
        statement::Statement,
        usage::{Costs, Usage},
    },
    names::Kept,
};

/// What of a row cannot be read.
pub(super) type Unreadable = String;

/// The columns of an event but those of [`BODIES`].
pub(super) const EVENT: &str = "writer, seq, id, provider, tool, caller, caller_role, error, duration_ms, hostname, created_at, \
    recorded_at, outcome, error_code, operation, surface, correlation_id, team, revision, times, \
    upstream_requests, upstream_bytes, cost, severity, replays";
pub(super) const BODIES: &str = "payload::text AS payload, payload_salt, payload_digest, payload_kept, \
    result::text AS result, result_salt, result_digest, result_kept";
/// In their place, where nobody wants them.
pub(super) const NO_BODIES: &str = "NULL::text AS payload, NULL::bytea AS payload_salt, NULL::bytea AS payload_digest, \
    NULL::text AS payload_kept, NULL::text AS result, NULL::bytea AS result_salt, NULL::bytea AS result_digest, \
    NULL::text AS result_kept";
pub(super) const INTENT: &str = "writer, seq, id, provider, tool, caller, caller_role, payload::text AS payload, payload_salt, \
    payload_digest, payload_kept, surface, correlation_id, team, created_at, recorded_at, replays";
pub(super) const STATEMENT: &str = "seq, kind, body, recorded_at";

pub(super) fn event(row: &PgRow, writer: Uuid) -> Result<Sealed<Entry>, Unreadable> {
    let event = Event {
        id: required(row, "id")?,
        provider: optional(row, "provider")?,
        tool: optional(row, "tool")?,
        caller_id: optional(row, "caller")?,
        caller_role: optional_word(row, "caller_role")?,
        payload: body(row, ["payload", "payload_salt", "payload_digest", "payload_kept"])?,
        result: body(row, ["result", "result_salt", "result_digest", "result_kept"])?,
        error: optional(row, "error")?,
        duration_ms: whole(i64::from(required::<i32>(row, "duration_ms")?), "duration_ms")?,
        hostname: optional(row, "hostname")?,
        created_at: time(row, "created_at")?,
        outcome: word(row, "outcome")?,
        error_code: optional_word(row, "error_code")?,
        operation: word(row, "operation")?,
        surface: word(row, "surface")?,
        correlation_id: required(row, "correlation_id")?,
        team: optional(row, "team")?,
        revision: optional(row, "revision")?,
        replays: optional(row, "replays")?,
        times: whole(required::<i64>(row, "times")?, "times")?,
        used: used(row)?,
        severity: optional_word(row, "severity")?,
        sharing: Sharing::Own,
        quotas: Vec::new(),
        outbox: ForOutbox::default(),
    };
    Ok(Sealed { place: place(row, writer)?, entry: Entry::Event(Box::new(event)) })
}

pub(super) fn intent(row: &PgRow, writer: Uuid) -> Result<Sealed<Intent>, Unreadable> {
    let entry = Intent {
        id: required(row, "id")?,
        provider: required(row, "provider")?,
        tool: required(row, "tool")?,
        caller_id: optional(row, "caller")?,
        caller_role: optional_word(row, "caller_role")?,
        payload: body(row, ["payload", "payload_salt", "payload_digest", "payload_kept"])?,
        surface: word(row, "surface")?,
        correlation_id: required(row, "correlation_id")?,
        team: optional(row, "team")?,
        created_at: time(row, "created_at")?,
        replays: optional(row, "replays")?,
    };
    Ok(Sealed { place: place(row, writer)?, entry })
}

pub(super) fn statement(row: &PgRow, writer: Uuid) -> Result<Sealed<Entry>, Unreadable> {
    let statement = Statement::read(word(row, "kind")?, required(row, "body")?);
    Ok(Sealed { place: place(row, writer)?, entry: Entry::Statement(Box::new(statement)) })
}

fn place(row: &PgRow, writer: Uuid) -> Result<Place, Unreadable> {
    Ok(Place { writer, seq: required(row, "seq")?, recorded_at: time(row, "recorded_at")? })
}

fn used(row: &PgRow) -> Result<Usage, Unreadable> {
    let otherwise = |column: &str| format!("its {column} is not written as the hub writes it");
    let requests = optional::<i32>(row, "upstream_requests")?.map_or(Ok(0), |requests| {
        u32::try_from(requests).ok().filter(|requests| *requests > 0).ok_or_else(|| otherwise("upstream_requests"))
    })?;
    let bytes = optional::<i64>(row, "upstream_bytes")?.map_or(Ok(0), |bytes| {
        u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).ok_or_else(|| otherwise("upstream_bytes"))
    })?;
    let costs =
        optional::<String>(row, "cost")?.map(|cost| Costs::read(&cost).map_err(|why| format!("its cost {why}")));
    Ok(Usage { requests, bytes, costs: costs.transpose()?.unwrap_or_default() })
}

/// A body from its four columns.
fn body(row: &PgRow, [document, salt, digest, kept]: [&str; 4]) -> Result<Option<Body>, Unreadable> {
    let kept = optional_word::<Kept>(row, kept)?;
    match (optional::<String>(row, document)?, bytes(row, salt)?, bytes(row, digest)?, kept) {
        (None, None, None, None) => Ok(None),
        (Some(text), Some(salt), None, None) => {
            Body::read(&text, salt).map(Some).map_err(|why| format!("its {document} {why}"))
        }
        (None, None, Some(digest), None) => Ok(Some(Body::of_digest(digest, false))),
        (None, None, Some(digest), Some(Kept::Digest)) => Ok(Some(Body::of_digest(digest, true))),
        _ => Err(format!("its {document} has columns that do not go together")),
    }
}

fn optional<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    column: &str,
) -> Result<Option<T>, Unreadable> {
    row.try_get(column).map_err(|error| format!("its {column} cannot be read: {error}"))
}

pub(super) fn required<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    column: &str,
) -> Result<T, Unreadable> {
    optional(row, column)?.ok_or_else(|| format!("its {column} is missing"))
}

fn optional_word<T: FromStr>(row: &PgRow, column: &str) -> Result<Option<T>, Unreadable>
where
    T::Err: Display,
{
    let word = optional::<String>(row, column)?;
    word.map(|word| word.parse().map_err(|error: T::Err| format!("its {column} is unknown: {error}"))).transpose()
}

pub(super) fn word<T: FromStr>(row: &PgRow, column: &str) -> Result<T, Unreadable>
where
    T::Err: Display,
{
    optional_word(row, column)?.ok_or_else(|| format!("its {column} is missing"))
}

fn whole(number: i64, column: &str) -> Result<u32, Unreadable> {
    number.try_into().map_err(|_| format!("its {column} is out of range"))
}

fn time(row: &PgRow, column: &str) -> Result<DateTime<Utc>, Unreadable> {
    required::<Millis>(row, column).map(|Millis(at)| at)
}

fn bytes<const LENGTH: usize>(row: &PgRow, column: &str) -> Result<Option<[u8; LENGTH]>, Unreadable> {
    let bytes = optional::<Vec<u8>>(row, column)?;
    let told = |bytes: Vec<u8>| format!("its {column} has {} bytes instead of {LENGTH}", bytes.len());
    bytes.map(|bytes| bytes.try_into().map_err(told)).transpose()
}

/// From the columns `seq` and `head`. One of another length is nobody's.
pub(super) fn head(row: &PgRow) -> Result<Head, sqlx_core::error::Error> {
    let hash: Vec<u8> = row.try_get("head")?;
    Ok(Head { seq: row.try_get("seq")?, hash: hash.try_into().unwrap_or_default() })
}
