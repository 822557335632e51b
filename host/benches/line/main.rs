//! What the line costs (and, as `audit`, what searching a large trail does): the same echo from a bare axum server, from a hub that keeps no record, and from the hub, over REST
//! and MCP. Each server is a process of its own; figures are compared within one run, because machines differ.

mod client;
mod echo;
mod figures;
mod kept;
mod rows;
mod server;
mod stages;
mod trail;
mod turns;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use tokio::runtime::Runtime;

use self::{
    figures::{Figures, Line},
    rows::{AT_ONCE, ROWS, Row},
    stages::Stages,
};

/// How long each row is measured, after a warm-up.
const MEASURED: Duration = Duration::from_millis(2500);
const WARM_UP: Duration = Duration::from_millis(500);

/// Figures, no verdict.
#[derive(Debug, Parser)]
struct Options {
    /// Another hub to compare with, in turns: a `bulkhead` that was built with `--release --features bench`
    #[arg(long, value_name = "PROGRAM")]
    old: Option<PathBuf>,
    /// The hub to measure, if not the one that was just built
    #[arg(long, value_name = "PROGRAM")]
    hub: Option<PathBuf>,
    /// Compare with that hub, and nothing else
    #[arg(long, requires = "old")]
    turns: bool,
    /// Keep this run's figures in docs/performance.md
    #[arg(long)]
    keep: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// `audit`: what is asked of a trail of so many rows, and what that costs others
    #[arg(value_parser = ["audit", "echo"])]
    part: Option<String>,
    /// Rows of that trail
    #[arg(long, default_value_t = 1_000_000, value_name = "NUMBER")]
    rows: u32,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.part.as_deref() == Some("echo") {
        return echo::serve();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let hub = &options.hub.unwrap_or_else(|| env!("CARGO_BIN_EXE_bulkhead").into());
    if options.part.is_some() {
        return trail::tell(&runtime, hub, options.rows);
    }
    if !options.turns {
        tell(&runtime, hub, options.keep)?;
    }
    if let Some(old) = options.old {
        println!("Old → new in turns, medians; the ratio's least and most in brackets:\n");
        turns::compare(&runtime, &old, hub)?;
    }
    println!("\nThe client shares the machine's cores with the server.");
    Ok(())
}

/// Measures everything and holds it against what is kept.
fn tell(runtime: &Runtime, hub: &Path, keep: bool) -> anyhow::Result<()> {
    let (lines, stages) = measure(runtime, hub)?;
    let (table, stages) = (figures::table(&lines), stages::table(&stages));
    println!("\n{table}\nWhere a call's time goes, in the mean:\n\n{stages}");
    let kept = kept::read()?;
    println!("Against what docs/performance.md keeps ({}), now ÷ then:\n", kept.of);
    println!("{}", figures::against(&kept.lines, &lines));
    if keep {
        kept::write(&kept::here(), &format!("{table}\n{stages}"))?;
    }
    Ok(())
}

/// Each row at each load.
fn measure(runtime: &Runtime, hub: &Path) -> anyhow::Result<(Vec<Line>, Vec<Stages>)> {
    let (mut lines, mut stages) = (Vec::new(), Vec::new());
    for at_once in AT_ONCE {
        let mut echo = None;
        for row in &ROWS {
            let (figures, said) = figures(runtime, row, hub, at_once)?;
            let echo = *echo.get_or_insert(figures.per_second);
            let figures = Figures { of_echo: figures.per_second / echo, ..figures };
            eprintln!("{at_once} at once, {}: {:.0} calls/s", row.name, figures.per_second);
            lines.push(Line { at_once, name: row.name.to_owned(), figures });
            // Of a closed loop: so long a call took, in the mean.
            let call_us = f64::from(u32::try_from(at_once)?) * 1e6 / figures.per_second;
            stages.extend(Stages::read(format!("{}, {at_once}", row.name), call_us, &said));
        }
    }
    Ok((lines, stages))
}

fn figures(runtime: &Runtime, row: &Row, hub: &Path, at_once: usize) -> anyhow::Result<(Figures, String)> {
    let server = row.start(hub)?;
    let idle_mib = server.idle_mib();
    row.load(runtime, &server, at_once, WARM_UP)?;
    let (loaded, loaded_mib) = server.most_mib(|| row.load(runtime, &server, at_once, MEASURED));
    let (seen, cpu_us) = loaded?;
    let figures = Figures {
        p50_ms: seen.percentile_ms(50),
        p99_ms: seen.percentile_ms(99),
        per_second: seen.per_second(),
        of_echo: f64::NAN,
        cpu_us,
        idle_mib,
        loaded_mib,
    };
    Ok((figures, server.end()?))
}
