//! Two hubs in turns, so that whatever else the machine does meets both alike.

use std::{path::Path, time::Duration};

use tokio::runtime::Runtime;

use crate::{
    rows::{AT_ONCE, ROWS, Row},
    server::Server,
};

/// How long a turn is, and how many each hub has.
const TURN: Duration = Duration::from_millis(900);
const TURNS: usize = 6;

/// What one hub showed in one turn.
struct Turn {
    p50_ms: f64,
    per_second: f64,
    cpu_us: f64,
    mib: f64,
}

/// Every row in turns, as a table of ratios with their spread; each line is printed when it is there.
pub(crate) fn compare(runtime: &Runtime, old: &Path, new: &Path) -> anyhow::Result<()> {
    println!("| at once | server | p50 ms | old ÷ new | calls/s | new ÷ old | CPU µs a call | old ÷ new | MiB |");
    println!("|--:|---|--:|--:|--:|--:|--:|--:|--:|");
    for at_once in AT_ONCE {
        for row in ROWS.iter().filter(|row| row.is_hub()) {
            let turns = Turns::take(runtime, row, at_once, [old, new])?;
            let (faster, more) = (|old, new| old / new, |old, new| new / old);
            let p50 = turns.column(|turn| turn.p50_ms, faster, 3);
            let calls = turns.column(|turn| turn.per_second, more, 0);
            let cpu = turns.column(|turn| turn.cpu_us, faster, 1);
            let [old_mib, new_mib] = turns.medians(|turn| turn.mib);
            println!("| {at_once} | {} | {p50} | {calls} | {cpu} | {old_mib:.0} → {new_mib:.0} |", row.name);
        }
    }
    Ok(())
}

/// What the old and the new hub showed, turn by turn.
struct Turns(Vec<[Turn; 2]>);

impl Turns {
    fn take(runtime: &Runtime, row: &Row, at_once: usize, hubs: [&Path; 2]) -> anyhow::Result<Self> {
        let [old, new] = [row.start(hubs[0])?, row.start(hubs[1])?];
        let turn = |server: &Server| {
            let (seen, cpu_us) = row.load(runtime, server, at_once, TURN)?;
            let (p50_ms, per_second) = (seen.percentile_ms(50), seen.per_second());
            anyhow::Ok(Turn { p50_ms, per_second, cpu_us, mib: server.resident_mib() })
        };
        let both = || Ok([turn(&old)?, turn(&new)?]);
        // To warm up.
        both()?;
        Ok(Self((0..TURNS).map(|_| both()).collect::<anyhow::Result<_>>()?))
    }

    /// The medians, old → new, and the ratio's, with its least and most.
    fn column(&self, figure: fn(&Turn) -> f64, ratio: fn(f64, f64) -> f64, digits: usize) -> String {
        let [old, new] = self.medians(figure);
        let ratios = sorted(self.0.iter().map(|[old, new]| ratio(figure(old), figure(new))));
        let (middle, least, most) = (ratios[TURNS / 2], ratios[0], ratios[TURNS - 1]);
        format!("{old:.digits$} → {new:.digits$} | {middle:.2} ({least:.2}–{most:.2})")
    }

    fn medians(&self, figure: fn(&Turn) -> f64) -> [f64; 2] {
        [0, 1].map(|of| sorted(self.0.iter().map(|both| figure(&both[of])))[TURNS / 2])
    }
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}
