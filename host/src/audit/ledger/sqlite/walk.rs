//! Reading chains in their order: the tables side by side, by position.

use std::{collections::HashMap, iter, ops::RangeInclusive};

use rusqlite::{
    Connection, OptionalExtension as _, Row, Rows, Statement,
    fallible_streaming_iterator::FallibleStreamingIterator as _,
};
use uuid::Uuid;

use super::{
    super::stored::{Found, Stretch},
    position,
    read::{self, Unreadable},
    rollups,
};
use crate::audit::{
    entry::{Entry, Sealed},
    seal::Head,
};

/// The most that is told of a damaged file.
const UNSOUND_MAX: u32 = 10;

type Writers = HashMap<i64, Uuid>;

/// Walks over everything there is and tells `visit` of it. One transaction around it makes that one moment.
/// `archives` hold rows that were moved out of it; what is in both is told of once.
pub(in crate::audit) fn walk(
    connection: &Connection,
    archives: &[Connection],
    visit: &mut dyn FnMut(Found),
) -> rusqlite::Result<()> {
    soundness(connection, visit)?;
    let writers = writers(connection, visit)?;
    ties(connection, &writers, visit)?;
    entries(connection, archives, i64::MIN..=i64::MAX, &writers, &mut |found| {
        visit(found);
        true
    })?;
    rollups::walk(connection, &writers, visit)
}

/// The batch that an entry is in, with what of it can be read.
pub(super) fn stretch(
    connection: &Connection,
    number: i64,
    writer: Uuid,
    seq: i64,
) -> rusqlite::Result<Option<Stretch>> {
    let (mut entries, mut end) = (Vec::new(), None);
    let previous = batch(connection, number, writer, seq, &mut |found| match found {
        Found::Entry { entry: Ok(entry), .. } => {
            entries.push(entry);
            true
        }
        Found::Batch { seq, head, signature, .. } => {
            end = Some((Head { seq, hash: head.try_into().unwrap_or_default() }, signature));
            false
        }
        _ => true,
    })?;
    Ok(end.map(|(head, signature)| Stretch { previous, entries, head, signature }))
}

/// Tells of the entries from the first of the batch that an entry is in, until `visit` has enough; gives the head before them.
pub(super) fn batch(
    connection: &Connection,
    number: i64,
    writer: Uuid,
    seq: i64,
    visit: &mut dyn FnMut(Found) -> bool,
) -> rusqlite::Result<Head> {
    let (first, end) = position::all(number).into_inner();
    let at = position::of(number, seq);
    let before = "SELECT position, head FROM ops.audit_batches WHERE position >= ?1 AND position < ?2 \
        ORDER BY position DESC LIMIT 1";
    let previous = connection.query_row(before, [first, at], read::head).optional()?.unwrap_or(Head::NONE);
    let range = position::of(number, previous.seq + 1)..=end;
    entries(connection, &[], range, &HashMap::from([(number, writer)]), visit)?;
    Ok(previous)
}

/// An index that lacks a row hides it from every search, and a walk over tables does not notice.
fn soundness(connection: &Connection, visit: &mut dyn FnMut(Found)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA ops.integrity_check({UNSOUND_MAX})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let found: String = row.get(0)?;
        if found != "ok" {
            visit(Found::Stray(format!("the database file is damaged, or was edited past SQLite: {found}")));
        }
    }
    Ok(())
}

fn writers(connection: &Connection, visit: &mut dyn FnMut(Found)) -> rusqlite::Result<Writers> {
    let mut statement = connection.prepare("SELECT number, writer FROM ops.audit_writers ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut writers = Writers::new();
    while let Some(row) = rows.next()? {
        let (number, id): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        match Uuid::from_slice(&id) {
            Ok(writer) => {
                writers.insert(number, writer);
                visit(Found::Writer(writer));
            }
            Err(_) => visit(Found::Stray(format!("writer {number} has no UUID"))),
        }
    }
    Ok(writers)
}

fn ties(connection: &Connection, writers: &Writers, visit: &mut dyn FnMut(Found)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT position, statement FROM ops.audit_ties")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let [(number, seq), (by, by_seq)] = [position::parts(row.get(0)?), position::parts(row.get(1)?)];
        visit(match (writers.get(&number), writers.get(&by)) {
            (Some(&writer), Some(&by)) => Found::Tie { writer, seq, by, by_seq },
            _ => Found::Stray(format!("a tie is between hub runs {number} and {by}, one of which is not there")),
        });
    }
    Ok(())
}

/// One kind of entry, in the order of positions, with the next row at hand.
struct Cursor<'s> {
    rows: Rows<'s>,
    /// Position of the next row; `None` behind the last.
    next: Option<i64>,
}

impl<'s> Cursor<'s> {
    fn new(rows: Rows<'s>) -> rusqlite::Result<Self> {
        let mut cursor = Self { rows, next: None };
        cursor.step()?;
        Ok(cursor)
    }

    fn step(&mut self) -> rusqlite::Result<()> {
        self.next = self.rows.next()?.map(|row| row.get(0)).transpose()?;
        Ok(())
    }

    /// The row at `position`, if that is the next, read by `read`.
    fn take<T>(&mut self, position: i64, read: impl FnOnce(&Row<'_>) -> T) -> rusqlite::Result<Option<T>> {
        if self.next != Some(position) {
            return Ok(None);
        }
        // A step has left the statement at this row.
        let taken = self.rows.get().map(read);
        self.step()?;
        Ok(taken)
    }
}

/// Several sources of one kind of entry. What is in several is of the first.
struct Merged<'s>(Vec<Cursor<'s>>);

impl<'s> Merged<'s> {
    fn new(statements: &'s mut [Statement<'_>], bounds: [i64; 2]) -> rusqlite::Result<Self> {
        statements.iter_mut().map(|statement| Cursor::new(statement.query(bounds)?)).collect::<Result<_, _>>().map(Self)
    }

    fn next(&self) -> Option<i64> {
        self.0.iter().filter_map(|cursor| cursor.next).min()
    }

    fn take<T>(&mut self, position: i64, mut read: impl FnMut(&Row<'_>) -> T) -> rusqlite::Result<Option<T>> {
        let mut taken = None;
        for cursor in &mut self.0 {
            let other = cursor.take(position, &mut read)?;
            taken = taken.or(other);
        }
        Ok(taken)
    }
}

/// Tells of the entries at these positions, and of each batch behind its last, until `visit` has enough.
pub(super) fn entries(
    connection: &Connection,
    archives: &[Connection],
    range: RangeInclusive<i64>,
    writers: &Writers,
    visit: &mut dyn FnMut(Found) -> bool,
) -> rusqlite::Result<()> {
    let bounds = [*range.start(), *range.end()];
    let moved = |columns: &str, table: &str| -> rusqlite::Result<Vec<Statement<'_>>> {
        iter::once(connection).chain(archives).map(|connection| by_position(connection, columns, table)).collect()
    };
    let mut events = moved(read::EVENT, "run_events")?;
    let mut intents = moved(read::INTENT, "run_intents")?;
    let mut statements = by_position(connection, read::STATEMENT, "audit_statements")?;
    let mut batches = by_position(connection, "position, head, signature", "audit_batches")?;
    let mut events = Merged::new(&mut events, bounds)?;
    let mut intents = Merged::new(&mut intents, bounds)?;
    let mut statements = Cursor::new(statements.query(bounds)?)?;
    let mut batches = Cursor::new(batches.query(bounds)?)?;
    while let Some(at) = [events.next(), intents.next(), statements.next, batches.next].into_iter().flatten().min() {
        let (number, seq) = position::parts(at);
        let writer = writers.get(&number).copied();
        let of = writer.unwrap_or_default();
        let mut found: Vec<Result<Sealed<Entry>, Unreadable>> = Vec::with_capacity(1);
        found.extend(events.take(at, |row| read::event(row, of))?);
        found.extend(intents.take(at, |row| read::intent(row, of).map(announced))?);
        found.extend(statements.take(at, |row| read::statement(row, of))?);
        for entry in found {
            let go_on = visit(match writer {
                Some(writer) => Found::Entry { writer, seq, entry },
                None => Found::Stray(format!("entry {seq} is of hub run {number}, which never started")),
            });
            if !go_on {
                return Ok(());
            }
        }
        let batch = batches.take(at, |row| Ok::<_, rusqlite::Error>((row.get(1)?, row.get(2)?)))?.transpose()?;
        if let Some((head, signature)) = batch {
            let go_on = visit(match writer {
                Some(writer) => Found::Batch { writer, seq, head, signature },
                None => Found::Stray(format!("a signature is of hub run {number}, which never started")),
            });
            if !go_on {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn by_position<'c>(connection: &'c Connection, columns: &str, table: &str) -> rusqlite::Result<Statement<'c>> {
    let sql = format!("SELECT {columns} FROM ops.{table} WHERE position BETWEEN ?1 AND ?2 ORDER BY position");
    connection.prepare(&sql)
}

fn announced(Sealed { place, entry }: Sealed<crate::audit::event::Intent>) -> Sealed<Entry> {
    Sealed { place, entry: Entry::Intent(Box::new(entry)) }
}
