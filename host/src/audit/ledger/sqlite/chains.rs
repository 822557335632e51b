//! Whole chains for whoever copies them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::{
    super::stored::{Found, Stretch},
    insert::number,
    position, read, walk,
};
use crate::audit::seal::Head;

/// Whose chains there are, in the order in which they began.
pub(in crate::audit) fn writers(connection: &Connection) -> rusqlite::Result<Vec<Uuid>> {
    let mut statement = connection.prepare("SELECT writer FROM ops.audit_writers ORDER BY number")?;
    statement.query_map([], |row| row.get(0).map(Uuid::from_bytes))?.collect()
}

/// The signed head of a chain at an entry, if a batch ends there.
pub(in crate::audit) fn head_at(connection: &Connection, writer: Uuid, seq: i64) -> rusqlite::Result<Option<Head>> {
    let Some(number) = number(connection, writer)? else { return Ok(None) };
    let query = "SELECT position, head FROM ops.audit_batches WHERE position = ?1";
    connection.query_row(query, [position::of(number, seq)], read::head).optional()
}

/// Tells of each batch of a chain behind a head, with its entries, those that are in archives too, until `visit` has enough. An error tells what of one cannot be
/// read.
pub(in crate::audit) fn behind(
    connection: &Connection,
    archives: &[Connection],
    writer: Uuid,
    head: Head,
    visit: &mut dyn FnMut(Result<Stretch, String>) -> bool,
) -> rusqlite::Result<()> {
    let Some(number) = number(connection, writer)? else { return Ok(()) };
    let range = position::of(number, head.seq + 1)..=*position::all(number).end();
    let (mut previous, mut entries) = (head, Vec::new());
    walk::entries(connection, archives, range, &HashMap::from([(number, writer)]), &mut |found| match found {
        Found::Entry { entry: Ok(entry), .. } => {
            entries.push(entry);
            true
        }
        Found::Batch { seq, head, signature, .. } => {
            let head = Head { seq, hash: head.try_into().unwrap_or_default() };
            let stretch = Stretch { previous, entries: std::mem::take(&mut entries), head, signature };
            previous = head;
            visit(Ok(stretch))
        }
        Found::Entry { seq, entry: Err(why), .. } => visit(Err(format!("entry {seq} of hub run {writer}: {why}"))),
        _ => true,
    })
}

/// Which entries statements name: the entry, and the statement.
pub(in crate::audit) fn ties(connection: &Connection) -> rusqlite::Result<Vec<[(Uuid, i64); 2]>> {
    let mut ties = Vec::new();
    let query = "SELECT a.writer, t.position, b.writer, t.statement FROM ops.audit_ties t \
        JOIN ops.audit_writers a ON a.number = t.position >> 40 JOIN ops.audit_writers b ON b.number = t.statement >> 40";
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let at = |writer, place| Ok((Uuid::from_bytes(row.get(writer)?), position::parts(row.get(place)?).1));
        let tie: rusqlite::Result<_> = at(0, 1).and_then(|named| Ok([named, at(2, 3)?]));
        ties.push(tie?);
    }
    Ok(ties)
}
