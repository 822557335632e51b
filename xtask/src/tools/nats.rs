//! A real NATS server. Afterwards `nats/bin/nats-server` starts it, whether the machine has one or not.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::process;
use crate::versions::DEBIAN_NATS;
use crate::workspace::Workspace;

const PROGRAM: &str = "nats-server";

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    match on_this_machine() {
        Some(program) => format!("the machine's {}", program.display()),
        None => format!("{DEBIAN_NATS}, unpacked"),
    }
}

/// Links the machine's server, or unpacks Debian's, which is one program that needs nothing else.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    if let Some(program) = on_this_machine() {
        return Ok(symlink(program, bin.join(PROGRAM))?);
    }
    ensure!(debian::present(), "install NATS (https://nats.io) so that `{PROGRAM}` is on the PATH");
    let by_hand = || format!("install it by hand: {}", debian::by_hand(&[DEBIAN_NATS]));
    debian::unpack(workspace, DEBIAN_NATS, folder).with_context(by_hand)?;
    let unpacked = folder.join("root/usr/sbin").join(PROGRAM);
    symlink(&unpacked, bin.join(PROGRAM))?;
    let version = process::capture(Command::new(&unpacked).arg("--version"), Duration::from_secs(10));
    version.map(|_| ()).context("the unpacked server does not start").with_context(by_hand)
}

fn on_this_machine() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian's place, which is not on everybody's PATH.
    let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder: PathBuf| folder.join(PROGRAM)).find(|program| program.is_file())
}
