//! `cargo xtask test`: every test there is, after setting up what it needs.

use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::process::{self, minutes};
use crate::workspace::{self, Workspace};
use crate::{components, tools};

/// The root workspace's tests come last and end with the runner's own summary; what failed before is said before them.
pub fn test(workspace: &Workspace, runner_args: &[String]) -> Result<ExitCode> {
    // What tests need is downloaded while the processors compile.
    let (tools, failed) = thread::scope(|scope| {
        let tools = scope.spawn(|| tools::ensure_all(workspace));
        let failed = all_but_the_hub(workspace);
        (tools.join(), failed)
    });
    let failed = failed?;
    tools.map_err(|_| anyhow!("the installation of test tools broke off; see above"))??.warn();
    if !failed.is_empty() {
        eprintln!("error: the tests of {} FAILED (see above); the others still run", failed.join(" and of "));
    }

    eprintln!("testing the hub ...");
    let mut command = root(workspace, None);
    command.args(runner_args).env("BULKHEAD_TEST_TOOLS", workspace.test_tools());
    let status = process::show(&mut command, minutes(60)).context("the hub's tests")?;
    Ok(if status.success() && failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the providers, runs every test that needs no tool, and compiles the others; gives the parts that failed.
fn all_but_the_hub(workspace: &Workspace) -> Result<Vec<&'static str>> {
    components::build(workspace, components::Which::All)?;
    let mut failed = Vec::new();
    let parts = [
        ("xtask", own(workspace)),
        ("the providers", providers(workspace)),
        ("the hub (compiling them)", compiling(workspace)),
        ("the examples in the docs", docs(workspace)),
    ];
    for (part, mut command) in parts {
        eprintln!("testing {part} ...");
        let from = Instant::now();
        if !process::show(&mut command, minutes(30))?.success() {
            failed.push(part);
        }
        eprintln!("... {part}: {} s", from.elapsed().as_secs());
    }
    Ok(failed)
}

/// In the profile that `cargo xtask` has compiled already, and so not with the rest of the workspace.
fn own(workspace: &Workspace) -> Command {
    let mut command = workspace::cargo();
    command.current_dir(&workspace.root).args(["test", "--quiet", "--profile", "xtask", "--package", "xtask"]);
    command
}

/// Provider logic is tested natively, against the SDK's fake gate.
fn providers(workspace: &Workspace) -> Command {
    let mut command = workspace::cargo();
    command.current_dir(workspace.providers()).env("CARGO_TARGET_DIR", workspace.providers_target());
    command.args(["test", "--workspace"]);
    command
}

/// As the runner does, which then finds them compiled.
fn compiling(workspace: &Workspace) -> Command {
    let mut command = workspace::cargo();
    command.current_dir(&workspace.root).args(["test", "--workspace", "--exclude", "xtask", "--no-run"]);
    command
}

/// nextest does not run them.
fn docs(workspace: &Workspace) -> Command {
    let mut command = workspace::cargo();
    command.current_dir(&workspace.root).args(["test", "--workspace", "--exclude", "xtask", "--doc"]);
    command
}

/// The hub's own tests, with a profile of `.config/nextest.toml` if one is named.
pub fn root(workspace: &Workspace, profile: Option<&str>) -> Command {
    let mut command = workspace::cargo();
    command.current_dir(&workspace.root);
    if has_nextest() {
        command.args(["nextest", "run"]);
        command.args(profile.map(|profile| format!("--profile={profile}")));
    } else {
        command.arg("test");
    }
    command.args(["--workspace", "--exclude", "xtask"]);
    command
}

fn has_nextest() -> bool {
    let mut command = workspace::cargo();
    command.args(["nextest", "--version"]);
    process::capture(&mut command, Duration::from_secs(20)).is_ok()
}
