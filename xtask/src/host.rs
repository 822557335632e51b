//! Building the hub itself.

use anyhow::{Result, ensure};

use crate::process::{self, minutes};
use crate::workspace::{self, Workspace};

/// Builds the hub's program in the development profile.
pub fn build(workspace: &Workspace) -> Result<()> {
    eprintln!("building the hub ...");
    let mut command = workspace::cargo();
    // All members together, as the tests build them: one member alone would have its dependencies compiled anew with fewer
    // features.
    command.current_dir(&workspace.root).args(["build", "--workspace", "--exclude", "xtask"]);
    ensure!(process::show(&mut command, minutes(60))?.success(), "the hub does not build; the compiler says why above");
    Ok(())
}
