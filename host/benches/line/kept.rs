//! The figures that `docs/performance.md` keeps, between two marks.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::Context as _;

use crate::figures::{self, Line};

const BEGIN: &str = "<!-- kept: `cargo xtask bench --keep` writes this anew -->";
const END: &str = "<!-- end of what is kept -->";

/// What an earlier run measured.
pub(crate) struct Kept {
    /// When and where.
    pub(crate) of: String,
    pub(crate) lines: Vec<Line>,
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md")
}

/// The text before what is kept, what is kept, and the text behind it.
fn parts(text: &str) -> anyhow::Result<(&str, &str, &str)> {
    let found = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (kept, after) = rest.split_once(END)?;
        Some((before, kept, after))
    });
    found.context("docs/performance.md lacks the marks between which figures are kept")
}

pub(crate) fn read() -> anyhow::Result<Kept> {
    let text = fs::read_to_string(document())?;
    let (_, kept, _) = parts(&text)?;
    let of = kept.lines().find(|line| !line.is_empty()).unwrap_or_default().to_owned();
    Ok(Kept { of, lines: figures::read(kept) })
}

/// Keeps these figures and no others.
pub(crate) fn write(of: &str, tables: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(document())?;
    let (before, _, after) = parts(&text)?;
    fs::write(document(), format!("{before}{BEGIN}\n\n{of}\n\n{}\n{END}{after}", tables.trim_end()))?;
    Ok(())
}

/// Today, and this machine.
pub(crate) fn here() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    format!("{}, {cores} × {model}", chrono::Utc::now().format("%Y-%m-%d"))
}
