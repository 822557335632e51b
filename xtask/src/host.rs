//! Building the hub itself.

use anyhow::{Result, ensure};

use crate::process::{self, minutes};
use crate::workspace::{self, Workspace};

/// Builds the hub's program in the development profile.
pub fn build(workspace: &Workspace) -> Result<()> {
    eprintln!("building the hub ...");
    let mut command = workspace::cargo();
    // Not the other members, of which a hub has nothing: the macros of the SDK alone are a tenth of the work.
    command.current_dir(&workspace.root).args(["build", "--package", "bulkhead"]);
    ensure!(process::show(&mut command, minutes(60))?.success(), "the hub does not build; the compiler says why above");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// What is small, or cannot be had with the same features.
    const TWICE: [&str; 8] = [
        "cranelift-bitset",
        "pulley-interpreter",
        "wasm-encoder",
        "wasmtime-internal-core",
        // What `age` words its errors with, and reads keys by.
        "digest",
        "i18n-embed",
        "tinystr",
        "unic-langid",
    ];

    #[test]
    fn the_hub_and_its_macros_share_what_they_are_compiled_of() {
        let mut command = workspace::cargo();
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        command.args(["tree", "--package", "bulkhead", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"]);
        let tree = process::capture(command.args(["--format", "{p}|{f}"]), minutes(2)).expect("the dependencies");
        let mut features: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for line in tree.lines() {
            let (package, of) = line.split_once('|').expect("a package and its features");
            features.entry(package).or_default().insert(of);
        }
        assert!(features.keys().any(|package| package.starts_with("wasmparser v")), "{tree}");
        features.retain(|package, sets| sets.len() > 1 && !TWICE.iter().any(|name| package.starts_with(name)));
        assert!(
            features.is_empty(),
            "compiled twice, with other features for macros than for the hub; see [build-dependencies] in \
             host/Cargo.toml: {features:#?}"
        );
    }
}
