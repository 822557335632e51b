//! What judges units. Afterwards `systemd/bin/systemd-analyze` starts it, whether the machine has systemd or not.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::process;
use crate::versions::DEBIAN_SYSTEMD;
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    match on_this_machine() {
        Some(program) => format!("the machine's {}", program.display()),
        None => format!("{DEBIAN_SYSTEMD}, unpacked"),
    }
}

/// Links the machine's program, or unpacks Debian's.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    if let Some(program) = on_this_machine() {
        return Ok(symlink(program, bin.join("systemd-analyze"))?);
    }
    ensure!(debian::present(), "install systemd so that `systemd-analyze` is on the PATH");
    let by_hand = || format!("install it by hand: {}", debian::by_hand(&[DEBIAN_SYSTEMD]));
    debian::unpack(workspace, DEBIAN_SYSTEMD, folder).with_context(by_hand)?;
    let start = bin.join("systemd-analyze");
    fs::write(&start, START)?;
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755))?;
    let version = process::capture(Command::new(&start).arg("--version"), Duration::from_secs(10));
    version.map(|_| ()).context("the unpacked program does not start").with_context(by_hand)
}

/// Runs the unpacked program on the libraries that were unpacked with it.
const START: &str = r#"#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root
for libraries in "$root"/usr/lib/*-linux-* "$root"/lib/*-linux-* "$root"/usr/lib/*-linux-*/systemd "$root"/lib/systemd; do
    LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "$root/usr/bin/systemd-analyze" "$@"
"#;

fn on_this_machine() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join("systemd-analyze")).find(|program| program.is_file())
}
