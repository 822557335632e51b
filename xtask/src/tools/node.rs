//! MCP Inspector and Prism, with a Node that they run on. Afterwards all are in `node/node_modules/.bin`.

use std::env::consts::{ARCH, OS};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::process::{self, minutes};
use crate::versions::{INSPECTOR, NODE, NODE_AT_LEAST, PRISM};
use crate::workspace::Workspace;

/// Changes when something else is to be installed.
pub fn stamp() -> String {
    match machine_node() {
        Some((major, minor)) => format!("inspector {INSPECTOR}, prism {PRISM}, the machine's node {major}.{minor}"),
        None => format!("inspector {INSPECTOR}, prism {PRISM}, node {NODE}"),
    }
}

/// Installs the inspector, and a Node unless the machine's will do.
pub fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let mut wanted =
        vec![format!("@modelcontextprotocol/inspector@{INSPECTOR}"), format!("@stoplight/prism-cli@{PRISM}")];
    wanted.extend(machine_node().is_none().then(node_package));
    packages(workspace, folder, "npm", &wanted)
}

/// Installs packages of npm's; `log` names the file that keeps what was said.
pub fn packages(workspace: &Workspace, folder: &Path, log: &str, packages: &[String]) -> Result<()> {
    if !has_npm() && debian::may_install() {
        debian::install(workspace, &["nodejs", "npm"])?;
    }
    ensure!(has_npm(), "npm is not installed; install Node {} or newer from https://nodejs.org", NODE_AT_LEAST.0);
    let mut command = Command::new("npm");
    command
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", "--prefix"])
        .arg(folder)
        .args(packages);
    // npm would otherwise look for a project in the folders above.
    command.current_dir(folder);
    process::quiet(&mut command, &workspace.logs().join(format!("{log}.log")), minutes(10)).with_context(|| {
        format!("npm could not install {}; see that https://registry.npmjs.org can be reached", packages.join(" "))
    })
}

fn has_npm() -> bool {
    process::capture(Command::new("npm").arg("--version"), Duration::from_secs(30)).is_ok()
}

/// The version of the Node on the PATH, if it is recent enough.
fn machine_node() -> Option<(u32, u32)> {
    let version = process::capture(Command::new("node").arg("--version"), Duration::from_secs(20)).ok()?;
    let mut numbers = version.trim().strip_prefix('v')?.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?)).filter(|version| *version >= NODE_AT_LEAST)
}

/// A package that is nothing but Node's program, one per kind of machine.
fn node_package() -> String {
    let system = if OS == "macos" { "darwin" } else { OS };
    let processor = match ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("node-{system}-{processor}@{NODE}")
}
