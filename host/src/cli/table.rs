//! Events on standard output: a table for people, a line of JSON each for programs.

use std::io::{self, Write as _};

use serde_json::{Map, Value};

use crate::text::plain;

/// Events that are all there.
pub(super) fn events(events: &[Map<String, Value>], as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json { events.iter().try_for_each(|event| json(&mut out, event.clone())) } else { table(&mut out, events) }
}

/// Events of which more may come.
pub(super) fn lines(events: &[Map<String, Value>], as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for event in events {
        if as_json {
            json(&mut out, event.clone())?;
        } else {
            row(&mut out, &cells(event), &WIDTHS)?;
        }
    }
    out.flush()
}

/// One call with all that belongs to it.
pub(super) fn call(document: &Value, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        return json(&mut out, document.clone());
    }
    for (title, what) in [("event", &document["event"]), ("intent", &document["intent"])] {
        let Value::Object(members) = what else { continue };
        writeln!(out, "{title}")?;
        for (name, value) in members {
            writeln!(out, "  {name:<16} {}", told(value, usize::MAX))?;
        }
    }
    if let Some(neighbours) = document["neighbours"].as_array().filter(|neighbours| !neighbours.is_empty()) {
        writeln!(out, "of the same request")?;
        let neighbours: Vec<_> = neighbours.iter().filter_map(Value::as_object).cloned().collect();
        table(&mut out, &neighbours)?;
    }
    let proof = if document["proof"].is_null() { "none: run `bulkhead audit verify`" } else { "with --json" };
    writeln!(out, "proof              {proof}")
}

pub(super) fn json(out: &mut impl io::Write, document: impl Into<Value>) -> io::Result<()> {
    let document: Value = document.into();
    writeln!(out, "{}", plain::json(document.to_string()))
}

/// The longest text in a column, in characters.
const COLUMN_MAX: usize = 48;
const COLUMNS: [&str; 7] = ["recorded", "id", "role", "asked", "outcome", "code", "ms"];
/// How wide columns are where nobody knows what is to come.
const WIDTHS: [usize; 7] = [24, 36, 12, 32, 11, 20, 6];

fn table(out: &mut impl io::Write, events: &[Map<String, Value>]) -> io::Result<()> {
    let rows: Vec<_> = std::iter::once(COLUMNS.map(str::to_owned)).chain(events.iter().map(cells)).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    rows.iter().try_for_each(|cells| row(out, cells, &widths))
}

fn row(out: &mut impl io::Write, cells: &[String; 7], widths: &[usize; 7]) -> io::Result<()> {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())
}

fn cells(event: &Map<String, Value>) -> [String; 7] {
    let of = |name: &str| event.get(name).map(|value| told(value, COLUMN_MAX)).unwrap_or_default();
    let asked = match (of("provider"), of("tool")) {
        (provider, _) if provider.is_empty() => of("operation"),
        (provider, tool) if tool.is_empty() => format!("{provider} {}", of("operation")),
        (provider, tool) => format!("{provider}.{tool}"),
    };
    let outcome = if event.contains_key("unreadable") { "unreadable".to_owned() } else { of("outcome") };
    [of("recorded_at"), of("id"), of("caller_role"), asked, outcome, of("error_code"), of("duration_ms")]
}

/// Rows whose columns are as wide as their longest cell.
pub(super) fn columns(rows: &[Vec<String>]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    for row in rows {
        let padded = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column).unwrap_or_default();
            format!("{cell:<width$}")
        });
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A value on one line, in which all can be seen.
pub(super) fn told(value: &Value, max: usize) -> String {
    match value {
        Value::String(text) => plain::text(text, max),
        other => plain::text(&plain::json(other.to_string()), max),
    }
}
