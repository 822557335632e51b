//! Entries into the database.

use data_encoding::HEXLOWER;
use rusqlite::{
    Connection, OptionalExtension as _, Transaction, params,
    types::{ToSql, ToSqlOutput, ValueRef},
};
use uuid::Uuid;

use super::{
    super::super::{
        body::{Body, Content, Text},
        entry::{Entry, Place, Sealed, timestamp},
        event::{Event, Intent},
        seal::Batch,
        statement::Statement,
    },
    position, rejection,
};
use crate::names::{Code, Role, Severity};

const EVENT: &str = "INSERT INTO ops.run_events (position, id, provider, tool, caller_id, caller_role, payload, payload_salt, \
    payload_digest, result, result_salt, result_digest, error, duration_ms, hostname, created_at, recorded_at, outcome, \
    error_code, operation, surface, correlation_id, team, revision, times, digests_only, \
    upstream_requests, upstream_bytes, cost, severity, replays) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

const INTENT: &str = "INSERT INTO ops.run_intents (position, id, provider, tool, caller_id, caller_role, payload, \
    payload_salt, payload_digest, surface, correlation_id, team, created_at, recorded_at, digests_only, replays) \
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

const STATEMENT: &str = "INSERT INTO ops.audit_statements (position, kind, body, recorded_at) VALUES (?,?,?,?)";

/// A tie of a chain that is not there names nothing, which verification finds.
const TIE: &str = "INSERT INTO ops.audit_ties (position, statement) SELECT number << 40 | ?2, ?3 FROM ops.audit_writers \
    WHERE writer = ?1";

const BATCH: &str = "INSERT INTO ops.audit_batches (position, head, signature) VALUES (?,?,?)";

const QUOTA: &str = "INSERT INTO ops.provider_quotas (provider, name, quota_limit, remaining, resets_at, observed_at) \
    VALUES (?,?,?,?,?,?) ON CONFLICT (provider, name) DO UPDATE SET quota_limit = excluded.quota_limit, \
    remaining = excluded.remaining, resets_at = excluded.resets_at, observed_at = excluded.observed_at \
    WHERE excluded.observed_at >= observed_at";

/// Forgets the quotas of a provider that have not been heard of for longest.
const FORGET_QUOTAS: &str = "DELETE FROM ops.provider_quotas WHERE provider = ?1 AND name NOT IN (SELECT name FROM \
    ops.provider_quotas WHERE provider = ?1 ORDER BY observed_at DESC, rowid DESC LIMIT ?2)";

/// Quotas of one provider that are kept. Their names are the provider's to make up.
const QUOTAS_MAX: u32 = 64;
/// The longest name of a quota that is kept, in characters.
const QUOTA_NAME_MAX: usize = 128;

/// Registers a writer and gives its number.
pub(super) fn writer(transaction: &Transaction<'_>, writer: Uuid) -> rusqlite::Result<i64> {
    one(transaction.execute("INSERT INTO ops.audit_writers (writer) VALUES (?)", [writer.as_bytes()])?)?;
    let number = number(transaction, writer)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    // Its entries would have no position. A hub counts that far never, somebody else may.
    if (1..=position::NUMBER_MAX).contains(&number) {
        Ok(number)
    } else {
        Err(rusqlite::Error::IntegralValueOutOfRange(0, number))
    }
}

/// The number of a writer; `None` if it is not registered.
pub(super) fn number(connection: &Connection, writer: Uuid) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT number FROM ops.audit_writers WHERE writer = ?")?;
    statement.query_row([writer.as_bytes()], |row| row.get(0)).optional()
}

pub(super) fn entry(transaction: &Transaction<'_>, number: i64, sealed: &Sealed<&Entry>) -> rusqlite::Result<()> {
    let (at, place) = (position::of(number, sealed.place.seq), &sealed.place);
    match sealed.entry {
        Entry::Event(event) => self::event(transaction, at, place, event),
        Entry::Intent(intent) => self::intent(transaction, at, place, intent),
        Entry::Statement(statement) => self::statement(transaction, at, place, statement),
    }
}

/// The end of a batch.
pub(super) fn batch(transaction: &Transaction<'_>, number: i64, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let at = position::of(number, batch.head.seq);
    one(transaction.prepare_cached(BATCH)?.execute(params![at, batch.head.hash, batch.signature])?)
}

fn event(transaction: &Transaction<'_>, at: i64, place: &Place, event: &Event) -> rusqlite::Result<()> {
    let (payload, result) = (Columns::of(event.payload.as_ref()), Columns::of(event.result.as_ref()));
    one(transaction.prepare_cached(EVENT)?.execute(params![
        at,
        event.id.as_bytes(),
        event.provider,
        event.tool,
        event.caller_id.as_ref().map(Uuid::as_bytes),
        event.caller_role.map(Role::as_str),
        payload.text,
        payload.salt,
        payload.digest,
        result.text,
        result.salt,
        result.digest,
        event.error,
        event.duration_ms,
        event.hostname,
        event.created_at.timestamp_millis(),
        place.recorded_at.timestamp_millis(),
        event.outcome.as_str(),
        event.error_code.map(Code::as_str),
        event.operation.as_str(),
        event.surface.as_str(),
        Compact::correlation(&event.correlation_id, event.id),
        event.team,
        event.revision.as_deref().map(Compact::digest),
        event.times,
        digests_only(event.payload.as_ref(), event.result.as_ref()),
        some(event.used.requests.into()),
        some(event.used.bytes),
        event.used.costs.written(),
        event.severity.map(Severity::as_str),
        event.replays.as_ref().map(Uuid::as_bytes),
    ])?)?;
    // These are no part of the trail: what cannot be kept of them does not cost the row.
    match quotas(transaction, event) {
        Err(error) if rejection::is_of_the_entry(&error) => {
            tracing::warn!(%error, "what a call learnt of quotas could not be kept");
        }
        inserted => inserted?,
    }
    Ok(())
}

fn intent(transaction: &Transaction<'_>, at: i64, place: &Place, intent: &Intent) -> rusqlite::Result<()> {
    let payload = Columns::of(intent.payload.as_ref());
    one(transaction.prepare_cached(INTENT)?.execute(params![
        at,
        intent.id.as_bytes(),
        intent.provider,
        intent.tool,
        intent.caller_id.as_ref().map(Uuid::as_bytes),
        intent.caller_role.map(Role::as_str),
        payload.text,
        payload.salt,
        payload.digest,
        intent.surface.as_str(),
        Compact::correlation(&intent.correlation_id, intent.id),
        intent.team,
        intent.created_at.timestamp_millis(),
        place.recorded_at.timestamp_millis(),
        digests_only(intent.payload.as_ref(), None),
        intent.replays.as_ref().map(Uuid::as_bytes),
    ])?)
}

fn statement(transaction: &Transaction<'_>, at: i64, place: &Place, statement: &Statement) -> rusqlite::Result<()> {
    let recorded_at = place.recorded_at.timestamp_millis();
    let values = params![at, statement.kind().as_str(), statement.body(), recorded_at];
    one(transaction.prepare_cached(STATEMENT)?.execute(values)?)?;
    for tie in statement.ties().unwrap_or_default() {
        transaction.prepare_cached(TIE)?.execute(params![tie.writer.as_bytes(), tie.seq, at])?;
    }
    Ok(())
}

fn quotas(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    for quota in &event.quotas {
        let name: String = quota.name.chars().take(QUOTA_NAME_MAX).collect();
        // A time is short; what is longer is none.
        let resets_at = quota.resets_at.as_ref().filter(|at| at.len() <= QUOTA_NAME_MAX);
        let observed_at = timestamp(event.created_at);
        let values = params![event.provider, name, quota.limit, quota.remaining, resets_at, observed_at];
        transaction.prepare_cached(QUOTA)?.execute(values)?;
    }
    if !event.quotas.is_empty() {
        transaction.prepare_cached(FORGET_QUOTAS)?.execute(params![event.provider, QUOTAS_MAX])?;
    }
    Ok(())
}

/// A statement that inserts a row has changed one row: a trigger can make it none, and no error.
pub(super) fn one(changed: usize) -> rusqlite::Result<()> {
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// A number, unless it is zero. It is bounded far below the largest.
fn some(number: u64) -> Option<i64> {
    i64::try_from(number).ok().filter(|number| *number != 0)
}

/// Of which bodies the config wants no more than the digest: 1 the payload, 2 the result, 3 both; null of none.
fn digests_only(payload: Option<&Body>, result: Option<&Body>) -> Option<i64> {
    let bit = |body: Option<&Body>, bit| if body.is_some_and(|body| *body.text() == Text::NotKept) { bit } else { 0 };
    Some(bit(payload, 1) | bit(result, 2)).filter(|bits| *bits != 0)
}

/// A body's three columns: the digest only where there is nothing to make it from.
struct Columns<'a> {
    text: Option<&'a str>,
    salt: Option<&'a [u8; 16]>,
    digest: Option<&'a [u8; 32]>,
}

impl<'a> Columns<'a> {
    fn of(body: Option<&'a Body>) -> Self {
        match body.map(|body| (body.digest(), body.text())) {
            None => Self { text: None, salt: None, digest: None },
            Some((_, Text::Kept(Content { text, salt }))) => Self { text: Some(text), salt: Some(salt), digest: None },
            Some((digest, Text::NotKept | Text::Removed)) => Self { text: None, salt: None, digest: Some(digest) },
        }
    }
}

/// A text that is mostly an id or a hash in its usual spelling, and then takes half the space as bytes.
pub(super) enum Compact<'a> {
    /// What the row has already.
    Nothing,
    Text(&'a str),
    Id([u8; 16]),
    Digest([u8; 32]),
}

impl<'a> Compact<'a> {
    /// A UUID in lower case, or another text.
    pub(super) fn id(text: &'a str) -> Self {
        let usual = |id: &Uuid| *id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text;
        text.parse().ok().filter(usual).map_or(Self::Text(text), |id| Self::Id(id.into_bytes()))
    }

    /// A correlation id, beside the id of the operation, which mostly is the same.
    fn correlation(text: &'a str, operation: Uuid) -> Self {
        match Self::id(text) {
            Self::Id(bytes) if bytes == *operation.as_bytes() => Self::Nothing,
            other => other,
        }
    }

    /// 64 hexadecimal digits in lower case, or another text.
    pub(super) fn digest(text: &'a str) -> Self {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(Self::Text(text), Self::Digest)
    }
}

impl ToSql for Compact<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Nothing => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Id(bytes) => ValueRef::Blob(bytes),
            Self::Digest(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
