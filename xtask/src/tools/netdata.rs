//! A real Netdata Agent. Afterwards `netdata/bin/netdata` starts it, whether the machine has one or not.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::process;
use crate::versions::DEBIAN_NETDATA;
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    match on_this_machine() {
        Some(program) => format!("the machine's {}", program.display()),
        None => format!("{DEBIAN_NETDATA}, unpacked"),
    }
}

/// Links the machine's agent, or unpacks Debian's. Unpacked rather than installed, because a package would start a
/// service on the agent's port, and because this way nobody has to be root.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    if let Some(program) = on_this_machine() {
        return Ok(symlink(program, bin.join("netdata"))?);
    }
    ensure!(debian::present(), "install Netdata (https://learn.netdata.cloud) so that `netdata` is on the PATH");
    let by_hand = || format!("install it by hand: {}", debian::by_hand(&[DEBIAN_NETDATA]));
    debian::unpack(workspace, DEBIAN_NETDATA, folder).with_context(by_hand)?;
    let start = bin.join("netdata");
    fs::write(&start, START)?;
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755))?;
    let version = process::capture(Command::new(&start).arg("-v"), std::time::Duration::from_secs(10));
    version.map(|_| ()).context("the unpacked agent does not start").with_context(by_hand)
}

/// Runs the unpacked agent on the libraries that were unpacked with it.
const START: &str = r#"#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root
for libraries in "$root"/usr/lib/*-linux-* "$root"/lib/*-linux-*; do
    LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "$root/usr/sbin/netdata" "$@"
"#;

fn on_this_machine() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian's place, which is not on everybody's PATH.
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/opt/netdata/usr/sbin".into()]);
    folders.map(|folder: PathBuf| folder.join("netdata")).find(|program| program.is_file())
}
