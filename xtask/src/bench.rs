//! `cargo xtask bench`: figures, no verdict.

use anyhow::{Result, ensure};

use crate::components;
use crate::process::{self, minutes};
use crate::workspace::{self, Workspace};

/// Builds the hub optimised and runs the comparison; the figures are ratios within one run, because machines differ.
pub fn bench(workspace: &Workspace, args: &[String]) -> Result<()> {
    components::build(workspace, components::Which::Named(&["hello-rs".to_owned()]))?;
    eprintln!("building the hub optimised (the first time takes several minutes) ...");
    let mut command = workspace::cargo();
    command.current_dir(&workspace.root);
    command.args(["bench", "--package", "bulkhead", "--features", "bench", "--bench", "line", "--"]).args(args);
    ensure!(process::show(&mut command, minutes(60))?.success(), "the comparison did not run to its end; see above");
    Ok(())
}
