//! Finding events in the file, by a connection of each search's own that can only read. No statement here holds a snapshot
//! for longer than a page takes, so that the write-ahead log does not grow for a reader.

use std::{fmt::Write as _, path::Path};

use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter, types::Value};
use uuid::Uuid;

use super::{
    super::{
        listed::{Listed, Proof, ReadFault, Wanted},
        stored::Found,
    },
    insert::{Compact, number},
    moving, position, purge, read, rollups, walk,
};
use crate::{
    audit::{
        cursor::Cursor,
        entry::{Entry, Place, Sealed},
        event::{Event, Intent, Outcome},
        filter::{Query, ceiling},
        packed::{self, Archive, Scratch},
        seal::Head,
        statement::{Archived, Statement},
        summary::{Sum, UsageQuery},
    },
    names::{Code, OperationKind, Role, StatementKind, Surface},
    store::sqlite::{self, StoreError},
    text::plain,
};

/// Steps of SQLite's machine between two looks at the time: about a tenth of a millisecond.
const STEPS: i32 = 4000;

/// Bodies are not even read where nobody wants them.
const EVENT_WITHOUT_BODIES: &str = "position, id, provider, tool, caller_id, caller_role, NULL AS payload, \
    NULL AS payload_salt, NULL AS payload_digest, NULL AS result, NULL AS result_salt, NULL AS result_digest, error, \
    duration_ms, hostname, created_at, recorded_at, outcome, error_code, operation, surface, correlation_id, team, revision, \
    times, NULL AS digests_only, upstream_requests, upstream_bytes, cost, severity, replays";
/// Each writer and its newest batch.
const HEADS: &str = "SELECT w.writer, b.position FROM ops.audit_writers w JOIN ops.audit_batches b ON b.position = \
    (SELECT max(position) FROM ops.audit_batches WHERE position BETWEEN w.number << 40 AND (w.number << 40) | 1099511627775) \
    WHERE length(w.writer) = 16 ORDER BY w.number";

/// What is of one request: the operation that has its id, and those that have another.
const OF_ONE_REQUEST: &str = "e.position IN (SELECT position FROM ops.run_events WHERE correlation_id = ? UNION ALL \
    SELECT position FROM ops.run_events WHERE id = ? AND correlation_id IS NULL)";

/// A reader of the file.
#[derive(Debug)]
pub(in crate::audit) struct SqliteReading(Connection);

impl SqliteReading {
    /// Opens the file. Whatever takes time asks `is_over`, and ends when that says so.
    pub(in crate::audit) fn open(
        database: &Path,
        is_over: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Self, ReadFault> {
        let mut connection = sqlite::open_read_only(database).map_err(ReadFault::Store)?;
        connection.progress_handler(STEPS, Some(is_over))?;
        Ok(Self(connection))
    }

    /// Opens an archive of a database.
    pub(in crate::audit) fn open_archive(archive: &Archived, database: &Path) -> Result<Self, ReadFault> {
        let told = |source| {
            let path = packed::folder(database).join(&archive.file).display().to_string();
            ReadFault::Store(StoreError::File { path, source })
        };
        let unpacked = Scratch::of(archive, database).map_err(told)?;
        // The file goes with `unpacked`, and stays for as long as it is open.
        Ok(Self(sqlite::open_alone(unpacked.path()).map_err(ReadFault::Store)?))
    }

    /// The archives that statements name, newest first.
    pub(in crate::audit) fn archives(&self) -> Result<Vec<(Archive, Archived)>, ReadFault> {
        let stated = moving::stated_in(&self.0)?.into_iter();
        let mut archives: Vec<_> =
            stated.filter_map(|stated| Archive::named(&stated.file).map(|archive| (archive, stated))).collect();
        archives.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        Ok(archives)
    }

    pub(in crate::audit) fn page(
        &self,
        query: &Query,
        after: Option<&Cursor>,
        limit: usize,
        wanted: Wanted,
    ) -> Result<Vec<Listed>, ReadFault> {
        let columns = if wanted == Wanted::Bodies { read::EVENT } else { EVENT_WITHOUT_BODIES };
        let Conditions { from, mut sql, mut values } = Conditions::of(query);
        if let Some(Cursor(place)) = after {
            let at = place.recorded_at.timestamp_millis();
            let writer = Value::Blob(place.writer.as_bytes().to_vec());
            sql.push_str(
                " AND e.recorded_at <= ? AND (e.recorded_at < ? OR w.writer < ? OR (w.writer = ? AND e.position & \
                 1099511627775 < ?))",
            );
            values.extend([at.into(), at.into(), writer.clone(), writer, place.seq.into()]);
        }
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        // The index gives the order of times; what is of one moment is sorted by what is sealed, not by writers' numbers.
        let sql = format!(
            "SELECT {columns}, w.writer {from} WHERE {sql} ORDER BY e.recorded_at DESC, w.writer DESC, e.position DESC \
             LIMIT ?"
        );
        let mut statement = self.0.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            page.push(listed(row)?);
        }
        Ok(page)
    }

    /// How many there are, counted no further than to `most`.
    pub(in crate::audit) fn count(&self, query: &Query, most: u32) -> Result<u32, ReadFault> {
        let Conditions { from, sql, mut values } = Conditions::of(query);
        values.push(most.into());
        let sql = format!("SELECT count(*) FROM (SELECT 1 {from} WHERE {sql} LIMIT ?)");
        Ok(self.0.query_row(&sql, params_from_iter(values), |row| row.get(0))?)
    }

    pub(in crate::audit) fn heads(&self) -> Result<Vec<(Uuid, i64)>, ReadFault> {
        let mut statement = self.0.prepare(HEADS)?;
        let head = |row: &Row<'_>| Ok((Uuid::from_bytes(row.get(0)?), position::parts(row.get(1)?).1));
        Ok(statement.query_map([], head)?.collect::<Result<_, _>>()?)
    }

    pub(in crate::audit) fn since(
        &self,
        query: &Query,
        writer: Uuid,
        seen: i64,
        head: i64,
        limit: usize,
    ) -> Result<Vec<Listed>, ReadFault> {
        let Some(number) = number(&self.0, writer)? else { return Ok(Vec::new()) };
        let Conditions { sql, mut values, .. } = Conditions::of(query);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        values.extend([position::of(number, seen), position::of(number, head), limit].map(Value::from));
        let sql = format!(
            "SELECT {EVENT_WITHOUT_BODIES}, w.writer FROM ops.run_events e NOT INDEXED \
             CROSS JOIN ops.audit_writers w ON w.number = e.position >> 40 \
             WHERE {sql} AND e.position > ? AND e.position <= ? ORDER BY e.position LIMIT ?"
        );
        let mut statement = self.0.prepare(&sql)?;
        let found = statement.query_map(params_from_iter(values), listed)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    pub(in crate::audit) fn event(&self, id: Uuid) -> Result<Option<Listed>, ReadFault> {
        let sql = format!(
            "SELECT {}, w.writer FROM ops.run_events e CROSS JOIN ops.audit_writers w ON w.number = e.position >> 40 \
             WHERE e.id = ? AND length(w.writer) = 16",
            read::EVENT
        );
        Ok(self.0.query_row(&sql, [id.as_bytes()], listed).optional()?)
    }

    pub(in crate::audit) fn intent(&self, id: Uuid) -> Result<Option<Result<Sealed<Intent>, String>>, ReadFault> {
        let sql = format!(
            "SELECT {}, w.writer FROM ops.run_intents i CROSS JOIN ops.audit_writers w ON w.number = i.position >> 40 \
             WHERE i.id = ? AND length(w.writer) = 16",
            read::INTENT
        );
        let read = |row: &Row<'_>| Ok(read::intent(row, row.get("writer").map(Uuid::from_bytes)?));
        Ok(self.0.query_row(&sql, [id.as_bytes()], read).optional()?)
    }

    pub(in crate::audit) fn purges(&self) -> Result<Vec<Sealed<Entry>>, ReadFault> {
        Ok(purge::stated(&self.0)?)
    }

    /// Sums of rollups, `most` of them.
    pub(in crate::audit) fn summed(&self, query: &UsageQuery, most: usize) -> Result<Vec<Sum>, ReadFault> {
        if query.is_empty() { Ok(Vec::new()) } else { Ok(rollups::summed(&self.0, query, most)?) }
    }

    pub(in crate::audit) fn proof(&self, place: &Place) -> Result<Option<Proof>, ReadFault> {
        let Place { writer, seq, .. } = *place;
        let Some(number) = number(&self.0, writer)? else { return Ok(None) };
        let (mut leaves, mut end, mut is_whole) = (Vec::new(), None, true);
        let previous = walk::batch(&self.0, number, writer, seq, &mut |found| match found {
            Found::Entry { entry: Ok(Sealed { place, entry }), .. } => {
                leaves.push(entry.encoding(&place).leaf());
                true
            }
            Found::Batch { seq, signature, .. } => {
                end = Some((seq, signature));
                false
            }
            _ => {
                is_whole = false;
                true
            }
        })?;
        let Some((last, signature)) = end.filter(|_| is_whole) else { return Ok(None) };
        if i64::try_from(leaves.len()) != Ok(last - previous.seq) {
            return Ok(None);
        }
        let Head { seq: before, hash: previous } = previous;
        Ok(Some(Proof { writer, first: before + 1, previous, leaves, signature, key: self.key(number)? }))
    }

    /// The key that a chain's `start` names.
    fn key(&self, number: i64) -> Result<Option<String>, ReadFault> {
        let query = "SELECT body FROM ops.audit_statements WHERE position = ? AND kind = ?";
        let values = [Value::from(position::of(number, 1)), StatementKind::Start.as_str().to_owned().into()];
        let body: Option<String> = self.0.query_row(query, params_from_iter(values), |row| row.get(0)).optional()?;
        Ok(body.and_then(|body| Statement::read(StatementKind::Start, body).as_start().ok()).map(|start| start.key))
    }
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let writer = Uuid::from_bytes(row.get("writer")?);
    let (position, recorded_at): (i64, i64) = (row.get("position")?, row.get("recorded_at")?);
    let recorded_at = DateTime::from_timestamp_millis(recorded_at).unwrap_or_default();
    let place = Place { writer, seq: position::parts(position).1, recorded_at };
    let event = match read::event(row, writer) {
        Ok(Sealed { entry: Entry::Event(event), .. }) => Ok(event),
        Ok(_) => Err("it is no event".to_owned()),
        Err(why) => Err(why),
    };
    Ok(Listed { place, event: event.map(|event: Box<Event>| *event) })
}

/// A query in SQL. Values are bound, and only the hub's own words are in the text.
struct Conditions {
    /// With the index that serves it.
    from: String,
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(query: &Query) -> Self {
        let filter = &query.filter;
        let mut all = Self { from: String::new(), sql: "length(w.writer) = 16".to_owned(), values: Vec::new() };
        if query.is_empty() {
            all.sql.push_str(" AND 0");
        }
        if let Some(caller) = query.caller() {
            all.and("e.caller_id = ?", Value::Blob(caller.as_bytes().to_vec()));
        }
        for (condition, value) in [
            ("e.provider = ?", filter.provider.as_deref()),
            ("e.tool = ?", filter.tool.as_deref()),
            ("e.team = ?", filter.team.as_deref()),
            ("e.caller_role = ?", filter.role.map(Role::as_str)),
            ("e.outcome = ?", filter.outcome.map(Outcome::as_str)),
            ("e.error_code = ?", filter.error_code.map(Code::as_str)),
            ("e.operation = ?", filter.operation.map(OperationKind::as_str)),
            ("e.surface = ?", filter.surface.map(Surface::as_str)),
            ("instr(',' || e.hostname || ',', ',' || ? || ',') > 0", filter.hostname.as_deref()),
        ] {
            if let Some(value) = value {
                all.and(condition, value.to_owned().into());
            }
        }
        if let Some(id) = &filter.correlation_id {
            let id = stored(&Compact::id(id));
            all.values.push(id.clone());
            // A text is no operation's id, and is equal to none.
            all.and(OF_ONE_REQUEST, id);
        }
        if let Some(revision) = &filter.revision {
            all.and("e.revision = ?", stored(&Compact::digest(revision)));
        }
        // Always there, so that the index of times can be used.
        let from = filter.from.map_or(i64::MIN, |from| ceiling(from).timestamp_millis());
        all.and("e.recorded_at >= ?", from.into());
        if let Some(to) = filter.to {
            all.and("e.recorded_at < ?", ceiling(to).timestamp_millis().into());
        }
        if let Some(least) = filter.min_duration_ms {
            all.and("e.duration_ms >= ?", least.into());
        }
        if let Some(severity) = filter.severity {
            let marks = vec!["?"; severity.or_worse().len()].join(",");
            let _ = write!(all.sql, " AND e.severity IN ({marks})");
            all.values.extend(severity.or_worse().iter().map(|one| Value::from(one.as_str().to_owned())));
        }
        if let Some(text) = &filter.text {
            all.text(text);
        }
        all.from = format!(
            "FROM ops.run_events e {} CROSS JOIN ops.audit_writers w ON w.number = e.position >> 40",
            index(query)
        );
        all
    }

    fn and(&mut self, condition: &str, value: Value) {
        // A `String` takes everything.
        let _ = write!(self.sql, " AND {condition}");
        self.values.push(value);
    }

    /// In bodies a text stands as JSON has it.
    fn text(&mut self, text: &str) {
        let quoted = plain::json(serde_json::Value::from(text).to_string());
        let in_json = pattern(quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted));
        self.sql.push_str(
            " AND (e.payload LIKE ? ESCAPE '\\' OR e.result LIKE ? ESCAPE '\\' OR e.error LIKE ? ESCAPE '\\')",
        );
        self.values.extend([in_json.clone().into(), in_json.into(), pattern(text).into()]);
    }
}

/// The index by which the fewest rows are looked at. Those of one request are found before.
fn index(query: &Query) -> &'static str {
    let filter = &query.filter;
    if filter.correlation_id.is_some() {
        "NOT INDEXED"
    } else if query.caller().is_some() {
        "INDEXED BY run_events_by_caller"
    } else if filter.tool.is_some() {
        "INDEXED BY run_events_by_tool"
    } else {
        "INDEXED BY run_events_by_time"
    }
}

/// Whatever contains this text.
fn pattern(text: &str) -> String {
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

fn stored(compact: &Compact<'_>) -> Value {
    match compact {
        Compact::Nothing => Value::Null,
        Compact::Text(text) => Value::Text((*text).to_owned()),
        Compact::Id(bytes) => Value::Blob(bytes.to_vec()),
        Compact::Digest(bytes) => Value::Blob(bytes.to_vec()),
    }
}
