//! `bulkhead audit list`, `show`, `export` and `tail`: the trail of a data folder, for people and for programs.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use super::{
    filters::{ExportOptions, ListOptions, ShowOptions, TailOptions},
    options::Options,
};
use crate::{
    audit::{Export, Follow, PageRequest, TOTAL_MAX, TrailFile},
    store::location::Location,
    text::plain,
};

/// How often `tail` looks.
const TAIL: Duration = Duration::from_millis(500);
/// The longest text in a column of a table, in characters.
const COLUMN_MAX: usize = 48;

fn open(options: &Options) -> anyhow::Result<TrailFile> {
    let database = options.database()?;
    if let Location::File(file) = &database
        && !file.exists()
    {
        bail!(
            "there is no audit trail at {} (is this the hub's --data and --database-url?)",
            plain::text(&file.to_string_lossy(), usize::MAX)
        );
    }
    Ok(TrailFile::open(&database)?)
}

pub(super) fn list(options: &Options, list: &ListOptions) -> anyhow::Result<ExitCode> {
    let request =
        PageRequest { query: list.filter.query()?, after: list.cursor, limit: list.limit, wants_total: list.total };
    let page = open(options)?.page(&request)?;
    let mut out = io::stdout().lock();
    if list.json {
        page.events.iter().try_for_each(|event| json(&mut out, event.clone()))?;
    } else {
        table(&mut out, &page.events)?;
    }
    match page.total {
        Some(total) if total > TOTAL_MAX => eprintln!("more than {TOTAL_MAX} in all"),
        Some(total) => eprintln!("{total} in all"),
        None => {}
    }
    if let Some(next) = page.next {
        eprintln!("there are more: --cursor {next}");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show(options: &Options, show: &ShowOptions) -> anyhow::Result<ExitCode> {
    let shown = open(options)?.show(show.id)?.with_context(|| format!("there is no row {}", show.id))?;
    let mut out = io::stdout().lock();
    if show.json {
        json(&mut out, shown.document)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (title, what) in [("event", &shown.document["event"]), ("intent", &shown.document["intent"])] {
        let Value::Object(members) = what else { continue };
        writeln!(out, "{title}")?;
        for (name, value) in members {
            writeln!(out, "  {name:<16} {}", told(value, usize::MAX))?;
        }
    }
    if let Some(neighbours) = shown.document["neighbours"].as_array().filter(|neighbours| !neighbours.is_empty()) {
        writeln!(out, "of the same request")?;
        let neighbours: Vec<_> = neighbours.iter().filter_map(Value::as_object).cloned().collect();
        table(&mut out, &neighbours)?;
    }
    let proof = if shown.document["proof"].is_null() { "none: run `bulkhead audit verify`" } else { "with --json" };
    writeln!(out, "proof              {proof}")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn export(options: &Options, asked: &ExportOptions) -> anyhow::Result<ExitCode> {
    let (trail, mut export) = (open(options)?, Export::new(asked.filter.query()?, asked.format));
    let mut out = io::stdout().lock();
    while let Some(chunk) = trail.chunk(&mut export)? {
        out.write_all(chunk.as_bytes())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Goes on until it is ended.
pub(super) fn tail(options: &Options, tail: &TailOptions) -> anyhow::Result<ExitCode> {
    let trail = open(options)?;
    let mut follow = trail.follow(tail.filter.query()?)?;
    loop {
        let events = news(&trail, &mut follow)?;
        let mut out = io::stdout().lock();
        for event in events {
            if tail.json {
                json(&mut out, event)?;
            } else {
                row(&mut out, &cells(&event), &WIDTHS)?;
            }
        }
        out.flush()?;
        drop(out);
        thread::sleep(TAIL);
    }
}

fn news(trail: &TrailFile, follow: &mut Follow) -> anyhow::Result<Vec<Map<String, Value>>> {
    let news = trail.news(follow)?;
    if news.dropped > 0 {
        eprintln!("{} entries were passed over: `bulkhead audit list` shows them", news.dropped);
    }
    Ok(news.events)
}

fn json(out: &mut impl io::Write, document: impl Into<Value>) -> io::Result<()> {
    let document: Value = document.into();
    writeln!(out, "{}", plain::json(document.to_string()))
}

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

/// A value on one line, in which all can be seen.
fn told(value: &Value, max: usize) -> String {
    match value {
        Value::String(text) => plain::text(text, max),
        other => plain::text(&plain::json(other.to_string()), max),
    }
}
