//! Bugsink, which takes and shows errors as Sentry does, in an environment of its own. Afterwards its programs are in
//! `bugsink/bin`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::debian;
use crate::process::{self, minutes};
use crate::versions::{BUGSINK, GUNICORN};
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    format!("bugsink {BUGSINK}, gunicorn {GUNICORN}")
}

/// Makes the environment and installs the server.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    if !can_make_environments() && debian::may_install() {
        debian::install(workspace, &["python3", "python3-venv"])?;
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(folder);
    process::quiet(&mut make, &workspace.logs().join("bugsink-venv.log"), minutes(2))
        .context("Python 3.10 or newer with its venv module is needed; on Debian: apt-get install -y python3-venv")?;

    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
    pip.args([format!("bugsink=={BUGSINK}"), format!("gunicorn=={GUNICORN}")]);
    process::quiet(&mut pip, &workspace.logs().join("bugsink-pip.log"), minutes(10))
        .context("pip could not install bugsink; see that https://pypi.org can be reached")
}

fn can_make_environments() -> bool {
    process::capture(Command::new("python3").args(["-c", "import ensurepip, venv"]), Duration::from_secs(30)).is_ok()
}
