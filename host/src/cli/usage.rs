//! `bulkhead audit usage`: what was used, by whom and of what.

use std::{io, process::ExitCode};

use serde_json::{Map, Value};

use super::{
    filters::UsageOptions,
    options::Options,
    reading::open,
    remote::RemoteHub,
    remote_reading,
    table::{json, told},
};
use crate::audit::{Dimension, Summary};

/// The longest text in a column of the table, in characters.
const COLUMN_MAX: usize = 48;
/// What is summed, as the table has it.
const SUMS: [&str; 6] = ["calls", "errors", "duration_ms", "upstream_requests", "upstream_bytes", "cost"];

pub(super) fn run(options: &Options, asked: &UsageOptions) -> anyhow::Result<ExitCode> {
    let Summary { sums, is_whole } = match RemoteHub::of(&asked.hub)? {
        Some(hub) => remote_reading::usage(&hub, asked)?,
        None => open(options)?.usage(&asked.query()?)?,
    };
    let mut out = io::stdout().lock();
    if asked.json {
        sums.into_iter().try_for_each(|sum| json(&mut out, sum))?;
    } else {
        table(&mut out, &asked.by, &sums)?;
    }
    if !is_whole {
        eprintln!("there are more: narrow it by --from and --to, or tell less apart");
    }
    Ok(ExitCode::SUCCESS)
}

fn table(out: &mut impl io::Write, by: &[Dimension], sums: &[Map<String, Value>]) -> io::Result<()> {
    let columns: Vec<_> = by.iter().map(|dimension| dimension.as_str()).chain(SUMS).collect();
    let head = columns.iter().map(|column| (*column).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(sums.iter().map(|sum| cells(&columns, sum))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    for row in &rows {
        let padded: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    out.flush()
}

fn cells(columns: &[&str], sum: &Map<String, Value>) -> Vec<String> {
    let cell = |column: &&str| match sum.get(*column) {
        Some(Value::Object(costs)) => {
            let costs = costs.iter().map(|(unit, amount)| format!("{} {unit}", told(amount, COLUMN_MAX)));
            costs.collect::<Vec<_>>().join(", ")
        }
        Some(value) => told(value, COLUMN_MAX),
        None => "-".to_owned(),
    };
    columns.iter().map(cell).collect()
}
