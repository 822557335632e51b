//! Prometheus's own judge of metrics and alert rules. Afterwards `promtool/bin/promtool` is there.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::process;
use crate::versions::DEBIAN_PROMETHEUS;
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    match on_this_machine() {
        Some(program) => format!("the machine's {}", program.display()),
        None => format!("{DEBIAN_PROMETHEUS}, its promtool"),
    }
}

/// Links the machine's, or takes it out of Debian's package: the server, which is twice as large, is not needed.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    if let Some(program) = on_this_machine() {
        return Ok(symlink(program, bin.join("promtool"))?);
    }
    ensure!(debian::present(), "install Prometheus (https://prometheus.io) so that `promtool` is on the PATH");
    let by_hand = || format!("install it by hand: {}", debian::by_hand(&[DEBIAN_PROMETHEUS]));
    let program = debian::take_out(workspace, DEBIAN_PROMETHEUS, "usr/bin/promtool", folder).with_context(by_hand)?;
    fs::rename(program, bin.join("promtool"))?;
    let version = process::capture(Command::new(bin.join("promtool")).arg("--version"), Duration::from_secs(10));
    version.map(|_| ()).context("the unpacked promtool does not start").with_context(by_hand)
}

fn on_this_machine() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join("promtool")).find(|program| program.is_file())
}
