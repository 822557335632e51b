//! The official MCP client for Python, in an environment of its own. Afterwards it is `python/bin/python`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::debian;
use crate::process::{self, minutes};
use crate::versions::PYTHON_MCP;
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    format!("mcp {PYTHON_MCP}")
}

/// Makes the environment and installs the client.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    environment(workspace, folder, "python", &[format!("mcp=={PYTHON_MCP}")])
}

/// Makes an environment that holds these packages; `log` names the files that keep what was said.
pub fn environment(workspace: &Workspace, folder: &Path, log: &str, packages: &[String]) -> Result<()> {
    if !can_make_environments() && debian::may_install() {
        debian::install(workspace, &["python3", "python3-venv"])?;
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(folder);
    process::quiet(&mut make, &workspace.logs().join(format!("{log}-venv.log")), minutes(2))
        .context("Python 3.10 or newer with its venv module is needed; on Debian: apt-get install -y python3-venv")?;

    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]).args(packages);
    process::quiet(&mut pip, &workspace.logs().join(format!("{log}-pip.log")), minutes(10)).with_context(|| {
        format!("pip could not install {}; see that https://pypi.org can be reached", packages.join(" "))
    })
}

fn can_make_environments() -> bool {
    process::capture(Command::new("python3").args(["-c", "import ensurepip, venv"]), Duration::from_secs(30)).is_ok()
}
