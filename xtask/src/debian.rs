//! Debian's package manager, used where neither cargo, npm nor pip has what is needed.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{self, minutes};
use crate::workspace::Workspace;

/// Test tools and compilers install themselves at once, but apt does one thing at a time and refuses the second.
static APT: Mutex<()> = Mutex::new(());

/// Whether this is Debian or a relative.
pub fn present() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// Whether packages can be installed without asking anybody.
pub fn may_install() -> bool {
    let id = process::capture(Command::new("id").arg("-u"), Duration::from_secs(5));
    present() && id.is_ok_and(|id| id.trim() == "0")
}

/// The command that a person runs instead.
pub fn by_hand(packages: &[&str]) -> String {
    format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "))
}

/// Installs packages; needs [`may_install`]. Never removes one that is there.
pub fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    eprintln!("installing {} (Debian) ...", packages.join(" "));
    update(workspace)?;
    let _alone = APT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = apt_get();
    command.args(["install", "-y", "-q", "--no-install-recommends", "--no-remove"]).args(packages);
    process::quiet(&mut command, &workspace.logs().join("apt-install.log"), minutes(10))
        .with_context(|| format!("run it by hand: {}", by_hand(packages)))
}

/// Fetches the lists of packages; needs [`may_install`].
pub fn update(workspace: &Workspace) -> Result<()> {
    let _alone = APT.lock().unwrap_or_else(PoisonError::into_inner);
    process::quiet(apt_get().args(["update", "-q"]), &workspace.logs().join("apt-update.log"), minutes(3))
}

/// `apt-get` that asks nothing and gives up on a silent mirror.
pub fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20", "-o", "Acquire::Retries=1"]);
    // Another apt may be at work on a freshly booted machine.
    command.args(["-o", "DPkg::Lock::Timeout=120"]);
    command
}
