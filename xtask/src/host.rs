//! Building the hub itself.

use anyhow::{Result, ensure};

use crate::process::{self, minutes};
use crate::workspace::{self, Workspace};

/// Builds the hub's program in the development profile.
pub fn build(workspace: &Workspace) -> Result<()> {
    eprintln!("building the hub ...");
    let mut command = workspace::cargo();
    command.current_dir(&workspace.root).args(["build", "--package", "bulkhead"]);
    ensure!(process::show(&mut command, minutes(60))?.success(), "the hub does not build; the compiler says why above");
    Ok(())
}
