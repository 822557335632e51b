//! A real nginx. Afterwards `nginx/bin/nginx` starts it, whether the machine has one or not.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::process;
use crate::versions::DEBIAN_NGINX;
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    match on_this_machine() {
        Some(program) => format!("the machine's {}", program.display()),
        None => format!("{DEBIAN_NGINX}, unpacked"),
    }
}

/// Links the machine's server, or unpacks Debian's.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    if let Some(program) = on_this_machine() {
        return Ok(symlink(program, bin.join("nginx"))?);
    }
    ensure!(debian::present(), "install nginx (https://nginx.org) so that `nginx` is on the PATH");
    let by_hand = || format!("install it by hand: {}", debian::by_hand(&[DEBIAN_NGINX]));
    debian::unpack(workspace, DEBIAN_NGINX, folder).with_context(by_hand)?;
    let start = bin.join("nginx");
    fs::write(&start, START)?;
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755))?;
    let version = process::capture(Command::new(&start).arg("-v"), Duration::from_secs(10));
    version.map(|_| ()).context("the unpacked server does not start").with_context(by_hand)
}

/// Runs the unpacked server on the libraries that were unpacked with it.
const START: &str = r#"#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root
for libraries in "$root"/usr/lib/*-linux-* "$root"/lib/*-linux-*; do
    LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "$root/usr/sbin/nginx" "$@"
"#;

fn on_this_machine() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian's place, which is not on everybody's PATH.
    let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder: PathBuf| folder.join("nginx")).find(|program| program.is_file())
}
