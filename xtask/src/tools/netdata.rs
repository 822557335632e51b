//! A real Netdata Agent. Afterwards `netdata/bin/netdata` starts it, whether the machine has one or not.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::process::{self, minutes};
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
    unpack(workspace, folder).with_context(by_hand)?;
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

fn unpack(workspace: &Workspace, folder: &Path) -> Result<()> {
    let packages = match needed() {
        Ok(packages) => packages,
        // On a new machine apt knows no packages yet.
        Err(_) if debian::may_install() => {
            debian::update(workspace)?;
            needed()?
        }
        Err(error) => return Err(error),
    };
    let downloads = folder.join("packages");
    fs::create_dir(&downloads)?;
    let mut download = debian::apt_get();
    download.current_dir(&downloads).arg("download").args(packages);
    process::quiet(&mut download, &workspace.logs().join("apt-download.log"), minutes(5))?;
    for package in fs::read_dir(&downloads)? {
        let mut extract = Command::new("dpkg-deb");
        extract.arg("-x").arg(package?.path()).arg(folder.join("root"));
        process::quiet(&mut extract, &workspace.logs().join("dpkg-deb.log"), minutes(2))?;
    }
    Ok(())
}

/// The agent's package and those of its dependencies that this machine lacks: what apt would install, without doing so.
fn needed() -> Result<Vec<String>> {
    let mut simulate = debian::apt_get();
    simulate.args(["--simulate", "--no-install-recommends", "install", DEBIAN_NETDATA]);
    let plan = process::capture(&mut simulate, minutes(1))?;
    let packages = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next().map(str::to_owned));
    Ok(packages.collect())
}
