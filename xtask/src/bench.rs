//! `cargo xtask bench`: figures, no verdict.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::components;
use crate::process::{self, minutes};
use crate::workspace::{self, Workspace};

/// Builds the hub optimised and runs the comparison; the figures are ratios within one run, because machines differ.
pub fn bench(workspace: &Workspace, args: &[String]) -> Result<()> {
    let args = from_here(args)?;
    components::build(workspace, components::Which::Named(&["hello-rs".to_owned()]))?;
    eprintln!("building the hub optimised (the first time takes several minutes) ...");
    let mut command = workspace::cargo();
    command.current_dir(&workspace.root);
    command.args(["bench", "--package", "bulkhead", "--features", "bench", "--bench", "line", "--"]).args(args);
    ensure!(process::show(&mut command, minutes(60))?.success(), "the comparison did not run to its end; see above");
    Ok(())
}

/// The arguments, with programs by their whole paths: cargo starts the measurement in another folder.
fn from_here(args: &[String]) -> Result<Vec<String>> {
    let mut whole: Vec<String> = args.iter().filter(|arg| *arg != "--").cloned().collect();
    for at in 1..whole.len() {
        if ["--old", "--hub"].contains(&whole[at - 1].as_str()) {
            let program = Path::new(&whole[at]).canonicalize();
            let program = program.with_context(|| format!("there is no program {}", whole[at]))?;
            whole[at] = program.to_str().context("its path is not UTF-8")?.to_owned();
        }
    }
    Ok(whole)
}
