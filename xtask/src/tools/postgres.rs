//! A real PostgreSQL. Afterwards `postgres/bin` has `initdb` and `postgres`, whether the machine has a server or not; each test
//! makes a cluster of its own with them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::process;
use crate::versions::DEBIAN_POSTGRES;
use crate::workspace::Workspace;

const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    match below(Path::new("/usr")) {
        Some(folder) => format!("the machine's {}", folder.display()),
        None => format!("{DEBIAN_POSTGRES}, unpacked"),
    }
}

/// Links the machine's programs, or unpacks Debian's.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    if let Some(there) = below(Path::new("/usr")) {
        for program in PROGRAMS {
            symlink(there.join(program), bin.join(program))?;
        }
        return Ok(());
    }
    ensure!(debian::present(), "install PostgreSQL so that /usr/lib/postgresql has it");
    let by_hand = || format!("install it by hand: {}", debian::by_hand(&[DEBIAN_POSTGRES]));
    debian::unpack(workspace, DEBIAN_POSTGRES, folder).with_context(by_hand)?;
    let unpacked = below(&folder.join("root/usr")).context("the package has no server").with_context(by_hand)?;
    for program in PROGRAMS {
        let start = bin.join(program);
        fs::write(&start, START.replace("@PROGRAM@", &unpacked.join(program).display().to_string()))?;
        fs::set_permissions(&start, fs::Permissions::from_mode(0o755))?;
        let version = process::capture(Command::new(&start).arg("--version"), Duration::from_secs(10));
        version.map(|_| ()).context("the unpacked server does not start").with_context(by_hand)?;
    }
    Ok(())
}

/// Runs an unpacked program on the libraries that were unpacked with it.
const START: &str = r#"#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root
for libraries in "$root"/usr/lib/*-linux-* "$root"/lib/*-linux-*; do
    LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "@PROGRAM@" "$@"
"#;

/// Where the newest version is, as Debian lays it out.
fn below(usr: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(usr.join("lib/postgresql")).ok()?.filter_map(|version| Some(version.ok()?.path()));
    let folders = versions.map(|version| version.join("bin"));
    folders.filter(|bin| PROGRAMS.iter().all(|program| bin.join(program).is_file())).max()
}
