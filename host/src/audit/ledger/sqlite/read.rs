//! Entries back from the database, strictly: what a hub cannot have written is told and not guessed.

use std::{fmt::Display, str::FromStr};

use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use rusqlite::{Row, types::ValueRef};
use uuid::Uuid;

use super::{
    super::super::{
        body::Body,
        cloud_event::ForOutbox,
        entry::{Entry, Place, Sealed},
        event::{Event, Intent, Sharing},
        seal::Head,
        statement::Statement,
        usage::{Costs, Usage},
    },
    insert::Compact,
    position,
};

/// What of a row cannot be read.
pub(super) type Unreadable = String;

/// The columns of an event, in the order in which [`event`] reads them. `position` is the first of each kind of entry.
pub(super) const EVENT: &str = "position, id, provider, tool, caller_id, caller_role, payload, payload_salt, payload_digest, \
    result, result_salt, result_digest, error, duration_ms, hostname, created_at, recorded_at, outcome, error_code, operation, \
    surface, correlation_id, team, revision, times, digests_only, upstream_requests, upstream_bytes, cost, severity, replays";
/// Those of an intent.
pub(super) const INTENT: &str = "position, id, provider, tool, caller_id, caller_role, payload, payload_salt, \
    payload_digest, surface, correlation_id, team, created_at, recorded_at, digests_only, replays";
/// Those of a statement.
pub(super) const STATEMENT: &str = "position, kind, body, recorded_at";

/// From the columns `position` and `head`. One of another length is nobody's.
pub(super) fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    let (_, seq) = position::parts(row.get(0)?);
    Ok(Head { seq, hash: row.get::<_, Vec<u8>>(1)?.try_into().unwrap_or_default() })
}

pub(super) fn event(row: &Row<'_>, writer: Uuid) -> Result<Sealed<Entry>, Unreadable> {
    let place = place(row, writer, 16)?;
    let digests_only = digests_only(row, 25)?;
    let event = Event {
        id: required(row, 1, id)?,
        provider: optional(row, 2, text)?,
        tool: optional(row, 3, text)?,
        caller_id: optional(row, 4, id)?,
        caller_role: optional(row, 5, word)?,
        payload: body(row, 6, digests_only & 1 != 0)?,
        result: body(row, 9, digests_only & 2 != 0)?,
        error: optional(row, 12, text)?,
        duration_ms: required(row, 13, whole)?,
        hostname: optional(row, 14, text)?,
        created_at: required(row, 15, time)?,
        outcome: required(row, 17, word)?,
        error_code: optional(row, 18, word)?,
        operation: required(row, 19, word)?,
        surface: required(row, 20, word)?,
        correlation_id: correlation(row, 21)?,
        team: optional(row, 22, text)?,
        revision: optional(row, 23, compact_digest)?,
        replays: optional(row, 30, id)?,
        times: required(row, 24, whole)?,
        used: Usage { requests: some(row, 26)?, bytes: some(row, 27)?, costs: costs(row, 28)? },
        severity: optional(row, 29, word)?,
        sharing: Sharing::Own,
        quotas: Vec::new(),
        outbox: ForOutbox::default(),
    };
    Ok(Sealed { place, entry: Entry::Event(Box::new(event)) })
}

pub(super) fn intent(row: &Row<'_>, writer: Uuid) -> Result<Sealed<Intent>, Unreadable> {
    let place = place(row, writer, 13)?;
    let entry = Intent {
        id: required(row, 1, id)?,
        provider: required(row, 2, text)?,
        tool: required(row, 3, text)?,
        caller_id: optional(row, 4, id)?,
        caller_role: optional(row, 5, word)?,
        payload: body(row, 6, digests_only(row, 14)? == 1)?,
        surface: required(row, 9, word)?,
        correlation_id: correlation(row, 10)?,
        team: optional(row, 11, text)?,
        created_at: required(row, 12, time)?,
        replays: optional(row, 15, id)?,
    };
    Ok(Sealed { place, entry })
}

pub(super) fn statement(row: &Row<'_>, writer: Uuid) -> Result<Sealed<Entry>, Unreadable> {
    let place = place(row, writer, 3)?;
    let statement = Statement::read(required(row, 1, word)?, required(row, 2, text)?);
    Ok(Sealed { place, entry: Entry::Statement(Box::new(statement)) })
}

fn place(row: &Row<'_>, writer: Uuid, recorded_at: usize) -> Result<Place, Unreadable> {
    let (_, seq) = position::parts(required(row, 0, whole)?);
    Ok(Place { writer, seq, recorded_at: required(row, recorded_at, time)? })
}

/// See `super::insert::digests_only`.
fn digests_only(row: &Row<'_>, column: usize) -> Result<u8, Unreadable> {
    match optional(row, column, whole)? {
        None => Ok(0),
        Some(bits @ 1..=3) => Ok(bits),
        Some(other) => Err(format!("its digests_only is {other}")),
    }
}

/// A number that is not there if it is zero.
fn some<T: TryFrom<i64> + Default + PartialEq>(row: &Row<'_>, column: usize) -> Result<T, Unreadable> {
    match optional(row, column, whole)? {
        Some(zero) if zero == T::default() => Err(format!("its {} {OTHERWISE}", name(row, column))),
        number => Ok(number.unwrap_or_default()),
    }
}

fn costs(row: &Row<'_>, column: usize) -> Result<Costs, Unreadable> {
    let costs = optional(row, column, |value| Costs::read(&text(value)?))?;
    Ok(costs.unwrap_or_default())
}

/// A body from its three columns.
fn body(row: &Row<'_>, first: usize, digest_only: bool) -> Result<Option<Body>, Unreadable> {
    let document = optional(row, first, text)?;
    let salt = optional(row, first + 1, bytes)?;
    let digest = optional(row, first + 2, bytes)?;
    let told = |why: &str| format!("its {} {why}", name(row, first));
    match (document, salt, digest) {
        (None, None, None) if !digest_only => Ok(None),
        (Some(text), Some(salt), None) if !digest_only => {
            Body::read_as_written(text, salt).map(Some).map_err(|why| told(&why))
        }
        (None, None, Some(digest)) => Ok(Some(Body::of_digest(digest, digest_only))),
        _ => Err(told("has columns that do not go together")),
    }
}

fn name<'row>(row: &'row Row<'_>, column: usize) -> &'row str {
    row.as_ref().column_name(column).unwrap_or("column")
}

pub(super) fn required<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(ValueRef<'_>) -> Result<T, String>,
) -> Result<T, Unreadable> {
    optional(row, column, read)?.ok_or_else(|| format!("its {} is missing", name(row, column)))
}

fn optional<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(ValueRef<'_>) -> Result<T, String>,
) -> Result<Option<T>, Unreadable> {
    let told = |why: String| format!("its {} {why}", name(row, column));
    match row.get_ref(column).map_err(|error| told(error.to_string()))? {
        ValueRef::Null => Ok(None),
        value => read(value).map(Some).map_err(told),
    }
}

pub(super) fn text(value: ValueRef<'_>) -> Result<String, String> {
    let ValueRef::Text(bytes) = value else { return Err("is no text".to_owned()) };
    String::from_utf8(bytes.to_vec()).map_err(|_| "is not UTF-8".to_owned())
}

pub(super) fn word<T: FromStr>(value: ValueRef<'_>) -> Result<T, String>
where
    T::Err: Display,
{
    text(value)?.parse().map_err(|error: T::Err| format!("is unknown: {error}"))
}

pub(super) fn whole<T: TryFrom<i64>>(value: ValueRef<'_>) -> Result<T, String> {
    let ValueRef::Integer(number) = value else { return Err("is no number".to_owned()) };
    number.try_into().map_err(|_| "is out of range".to_owned())
}

fn time(value: ValueRef<'_>) -> Result<DateTime<Utc>, String> {
    DateTime::from_timestamp_millis(whole(value)?).ok_or_else(|| "is no time".to_owned())
}

fn bytes<const LENGTH: usize>(value: ValueRef<'_>) -> Result<[u8; LENGTH], String> {
    let ValueRef::Blob(bytes) = value else { return Err("is no bytes".to_owned()) };
    bytes.try_into().map_err(|_| format!("has {} bytes instead of {LENGTH}", bytes.len()))
}

pub(super) fn id(value: ValueRef<'_>) -> Result<Uuid, String> {
    bytes(value).map(Uuid::from_bytes)
}

/// What [`Compact::correlation`] wrote, beside the operation's id in column 1.
fn correlation(row: &Row<'_>, column: usize) -> Result<String, Unreadable> {
    let operation: Uuid = required(row, 1, id)?;
    let given = optional(row, column, |value| {
        let text = compact_id(value)?;
        if text == operation.to_string() { Err(OTHERWISE.to_owned()) } else { Ok(text) }
    })?;
    Ok(given.unwrap_or_else(|| operation.to_string()))
}

/// What [`Compact::id`] wrote.
fn compact_id(value: ValueRef<'_>) -> Result<String, String> {
    if let ValueRef::Blob(_) = value {
        return id(value).map(|id| id.to_string());
    }
    let text = text(value)?;
    let is_shortest = matches!(Compact::id(&text), Compact::Text(_));
    if is_shortest { Ok(text) } else { Err(OTHERWISE.to_owned()) }
}

/// What [`Compact::digest`] wrote.
fn compact_digest(value: ValueRef<'_>) -> Result<String, String> {
    if let ValueRef::Blob(_) = value {
        return bytes::<32>(value).map(|digest| HEXLOWER.encode(&digest));
    }
    let text = text(value)?;
    let is_shortest = matches!(Compact::digest(&text), Compact::Text(_));
    if is_shortest { Ok(text) } else { Err(OTHERWISE.to_owned()) }
}

/// In another form than the hub's, no search would find it.
const OTHERWISE: &str = "is not written as the hub writes it";
