//! Walks the chain and says where it was cut or changed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::{
    chain::AuditKey,
    rows::{COLUMNS, Field},
};
use crate::store::{
    schema,
    sqlite::{self, StoreError},
};

/// Why the trail could not be walked to its end.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something that a trail consists of is not there.
    #[error("there is no audit trail to verify: {} is missing (is this the hub's --data and --database-url?)", .0.display())]
    Missing(PathBuf),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database cannot be read.
    #[error(
        "the audit trail cannot be read: this is no database of a hub's, or it is damaged (is it the --data or --database-url of the hub?)"
    )]
    Read(#[from] rusqlite::Error),
    /// The key cannot be read.
    #[error("the audit key cannot be read: {0}")]
    Key(#[from] std::io::Error),
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Report {
    /// Rows walked.
    pub rows: u64,
    /// Writers (hub processes) walked.
    pub writers: u64,
    /// What is wrong, each in a sentence. Empty: nothing was tampered with.
    pub problems: Vec<String>,
}

/// How many problems are listed before the walk stops listing.
const PROBLEMS_MAX: usize = 100;

impl Report {
    fn problem(&mut self, text: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }
}

/// Walks every writer's chain.
///
/// # Errors
/// When the trail or its key cannot be read.
pub fn verify(data: &Path, database: &Path) -> Result<Report, VerifyError> {
    // Nothing is made here, not even a folder: whoever verifies an empty place is told so.
    if !database.exists() {
        return Err(VerifyError::Missing(database.to_owned()));
    }
    let key = AuditKey::read(data)?.ok_or_else(|| VerifyError::Missing(AuditKey::path(data)))?;
    let connection = sqlite::open_read_only(database)?;
    // One transaction: the walk sees one moment of a database that is being written to.
    connection.execute_batch("BEGIN")?;
    let mut report = Report::default();
    for difference in schema::differences(&connection, sqlite::version(&connection)?.min(schema::VERSION))? {
        report.problem(format!("the schema of the database was changed: {difference}"));
    }
    match walk(&connection, &key, &mut report) {
        // What is not there any more cannot be read.
        Err(error) if !report.problems.is_empty() => {
            report.problem(format!("the rows cannot be read to the end: {error}"));
        }
        walked => walked?,
    }
    Ok(report)
}

fn walk(connection: &Connection, key: &AuditKey, report: &mut Report) -> Result<(), VerifyError> {
    let mut links = genesis_links(connection, key, report)?;
    let columns = COLUMNS.join(", ");
    let mut statement =
        connection.prepare(&format!("SELECT {columns}, seq, hash, times FROM ops.run_events ORDER BY writer, seq"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.rows += 1;
        check_row(row, key, &mut links, report)?;
    }
    Ok(())
}

struct Link {
    seq: i64,
    hash: Vec<u8>,
}

/// The start of each writer's chain, after checking that the row it was tied to is still there.
fn genesis_links(
    connection: &Connection,
    key: &AuditKey,
    report: &mut Report,
) -> Result<HashMap<String, Link>, VerifyError> {
    let mut links = HashMap::new();
    let mut statement = connection.prepare("SELECT writer, parent, parent_hash FROM ops.audit_writers")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.writers += 1;
        let (name, parent, parent_hash): (String, Option<String>, Option<Vec<u8>>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        if let Some(parent) = &parent {
            let found: Option<Vec<u8>> = connection
                .query_row("SELECT hash FROM ops.run_events WHERE id = ?1", [parent], |row| row.get(0))
                .optional()?;
            if found != parent_hash {
                report.problem(format!("row {parent}, the newest when writer {name} started, is missing or changed"));
            }
        }
        let Ok(writer) = name.parse::<Uuid>() else {
            report.problem(format!("writer `{name}` is not a UUID"));
            continue;
        };
        links.insert(name, Link { seq: 0, hash: key.genesis(writer, parent_hash.as_deref()) });
    }
    Ok(links)
}

fn check_row(
    row: &Row<'_>,
    key: &AuditKey,
    links: &mut HashMap<String, Link>,
    report: &mut Report,
) -> Result<(), VerifyError> {
    use rusqlite::types::ValueRef;
    let mut fields = Vec::with_capacity(COLUMNS.len() + 2);
    for index in 0..=COLUMNS.len() {
        fields.push(match row.get_ref(index)? {
            ValueRef::Integer(value) => Field::Integer(value),
            ValueRef::Text(text) => Field::Text(std::str::from_utf8(text).ok()),
            _ => Field::Text(None),
        });
    }
    let id: String = row.get(0)?;
    let writer: String = row.get(COLUMNS.len() - 1)?;
    let seq: i64 = row.get(COLUMNS.len())?;
    let hash: Vec<u8> = row.get(COLUMNS.len() + 1)?;
    let times: i64 = row.get(COLUMNS.len() + 2)?;
    if times != 1 {
        fields.push(Field::Integer(times));
    }
    let Some(link) = links.get_mut(&writer) else {
        report.problem(format!("row {id} names writer {writer}, which never started"));
        return Ok(());
    };
    if seq != link.seq + 1 {
        report.problem(format!("writer {writer}: row {} is missing before row {id}", link.seq + 1));
    } else if !key.made(&hash, &link.hash, fields.into_iter()) {
        report.problem(format!("row {id} was changed"));
    }
    *link = Link { seq, hash };
    Ok(())
}
