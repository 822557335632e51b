//! What was measured, as a table that people and the next measurement can read.

use std::fmt::Write as _;

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) at_once: usize,
    pub(crate) name: String,
    pub(crate) figures: Figures,
}

/// What was measured of one row at one load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) per_second: f64,
    /// Calls a second against the echo's at the same load.
    pub(crate) of_echo: f64,
    /// Processor time of the server for each call.
    pub(crate) cpu_us: f64,
    pub(crate) idle_mib: f64,
    pub(crate) loaded_mib: f64,
}

const HEAD: &str = "\
| at once | server | p50 ms | p99 ms | calls/s | × echo | CPU µs a call | idle MiB | loaded MiB |
|--:|---|--:|--:|--:|--:|--:|--:|--:|
";

/// The table in Markdown.
pub(crate) fn table(lines: &[Line]) -> String {
    lines.iter().fold(HEAD.to_owned(), |mut table, Line { at_once, name, figures: f }| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| {at_once} | {name} | {:.3} | {:.3} | {:.0} | {:.3} | {:.1} | {:.1} | {:.1} |",
            f.p50_ms, f.p99_ms, f.per_second, f.of_echo, f.cpu_us, f.idle_mib, f.loaded_mib
        );
        table
    })
}

/// Reads a table that [`table`] has written, in a text that may hold anything else.
pub(crate) fn read(text: &str) -> Vec<Line> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let cells: Vec<_> = text.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [at_once, name, numbers @ ..] = &cells[..] else { return None };
    let numbers: Vec<f64> = numbers.iter().map(|cell| cell.parse().ok()).collect::<Option<_>>()?;
    let [p50_ms, p99_ms, per_second, of_echo, cpu_us, idle_mib, loaded_mib] = numbers[..] else { return None };
    let figures = Figures { p50_ms, p99_ms, per_second, of_echo, cpu_us, idle_mib, loaded_mib };
    Some(Line { at_once: at_once.parse().ok()?, name: (*name).to_owned(), figures })
}

/// Each line's figures as multiples of those that were kept.
pub(crate) fn against(kept: &[Line], now: &[Line]) -> String {
    let mut table = "\
| at once | server | p50 × | calls/s × | of the echo × | CPU a call × | loaded MiB × |
|--:|---|--:|--:|--:|--:|--:|
"
    .to_owned();
    for Line { at_once, name, figures: f } in now {
        let Some(k) = kept.iter().find(|kept| kept.at_once == *at_once && kept.name == *name) else { continue };
        let k = k.figures;
        let _ = writeln!(
            table,
            "| {at_once} | {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            f.p50_ms / k.p50_ms,
            f.per_second / k.per_second,
            f.of_echo / k.of_echo,
            f.cpu_us / k.cpu_us,
            f.loaded_mib / k.loaded_mib,
        );
    }
    table
}
