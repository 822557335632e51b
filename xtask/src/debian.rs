//! Debian's package manager, used where neither cargo, npm nor pip has what is needed.

use std::fs;
use std::path::{Path, PathBuf};
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

/// Unpacks a package, and those that it needs and this machine lacks, below `root` in a folder. Unpacked rather than installed,
/// because a package would start a service, and because this way nobody has to be root.
pub fn unpack(workspace: &Workspace, package: &str, folder: &Path) -> Result<()> {
    let packages = match needed(package) {
        Ok(packages) => packages,
        // On a new machine apt knows no packages yet.
        Err(_) if may_install() => {
            update(workspace)?;
            needed(package)?
        }
        Err(error) => return Err(error),
    };
    let downloads = folder.join("packages");
    fs::create_dir(&downloads)?;
    let mut download = apt_get();
    download.current_dir(&downloads).arg("download").args(packages);
    process::quiet(&mut download, &workspace.logs().join("apt-download.log"), minutes(5))?;
    for package in fs::read_dir(&downloads)? {
        let mut extract = Command::new("dpkg-deb");
        extract.arg("-x").arg(package?.path()).arg(folder.join("root"));
        process::quiet(&mut extract, &workspace.logs().join("dpkg-deb.log"), minutes(2))?;
    }
    Ok(())
}

/// Takes one file out of a package, without what the package needs, and gives its place in the folder.
pub fn take_out(workspace: &Workspace, package: &str, file: &str, folder: &Path) -> Result<PathBuf> {
    // On a new machine apt knows no packages yet.
    if needed(package).is_err() && may_install() {
        update(workspace)?;
    }
    let downloads = folder.join("packages");
    fs::create_dir(&downloads)?;
    let mut download = apt_get();
    download.current_dir(&downloads).args(["download", package]);
    process::quiet(&mut download, &workspace.logs().join("apt-download.log"), minutes(5))?;
    let downloaded = fs::read_dir(&downloads)?.next().context("nothing was downloaded")??.path();
    let whole = folder.join("root");
    let mut extract = Command::new("dpkg-deb");
    extract.arg("-x").arg(downloaded).arg(&whole);
    process::quiet(&mut extract, &workspace.logs().join("dpkg-deb.log"), minutes(2))?;
    let taken = folder.join("taken");
    fs::rename(whole.join(file), &taken).with_context(|| format!("the package has no {file}"))?;
    fs::remove_dir_all(downloads)?;
    fs::remove_dir_all(whole)?;
    Ok(taken)
}

/// The package and those of its dependencies that this machine lacks: what apt would install, without doing so.
fn needed(package: &str) -> Result<Vec<String>> {
    let mut simulate = apt_get();
    simulate.args(["--simulate", "--no-install-recommends", "install", package]);
    let plan = process::capture(&mut simulate, minutes(1))?;
    let packages = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next().map(str::to_owned));
    Ok(packages.collect())
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
