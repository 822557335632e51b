//! Providers: crate → WebAssembly module → component next to the crates, where the hub looks for it.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use wit_component::ComponentEncoder;

use crate::process::{self, minutes};
use crate::wasm_toolchain::{TARGET, Toolchain};
use crate::workspace::Workspace;

/// Builds the named providers, or all of them.
pub fn build(workspace: &Workspace, names: &[String]) -> Result<()> {
    let all = discover(&workspace.providers())?;
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no provider `{unknown}`; there are: {}", all.join(", "));
    }
    let names = if names.is_empty() { &all } else { names };
    let toolchain = Toolchain::ensure(workspace)?;

    eprintln!("building providers: {} ...", names.join(", "));
    let mut command = toolchain.cargo_build();
    command.current_dir(workspace.providers()).env("CARGO_TARGET_DIR", workspace.providers_target());
    command.env("CARGO_ENCODED_RUSTFLAGS", without_machine_paths(workspace));
    for name in names {
        command.args(["--package", name]);
    }
    ensure!(
        process::show(&mut command, minutes(30))?.success(),
        "a provider does not build; the compiler says why above"
    );

    for name in names {
        componentize(workspace, name).with_context(|| format!("provider `{name}`"))?;
    }
    Ok(())
}

/// Compiler flags that keep this machine's folders out of the components, where panic messages name source files: the
/// same sources make the same component on every machine.
fn without_machine_paths(workspace: &Workspace) -> String {
    let home = env::var("HOME").unwrap_or_default();
    let cargo_home = env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let folders = [
        (workspace.root.display().to_string(), "."),
        (cargo_home, "cargo"),
        ("/usr/lib/rustlib/src/rust".into(), "rust"),
    ];
    // `CARGO_ENCODED_RUSTFLAGS` separates flags by this character, so that folders may have spaces in their names.
    folders.map(|(folder, name)| format!("--remap-path-prefix={folder}={name}")).join("\u{1f}")
}

/// The provider crates by their folders' names, which are also the packages' and the components' names.
fn discover(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        // A crate that providers merely share is no `cdylib`.
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).unwrap_or_default();
        if manifest.contains("cdylib") {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "{} holds no crate with crate-type = [\"cdylib\"]", folder.display());
    Ok(names)
}

fn componentize(workspace: &Workspace, name: &str) -> Result<()> {
    let file = format!("{}.wasm", name.replace('-', "_"));
    let module = workspace.providers_target().join(TARGET).join("release").join(file);
    let module = fs::read(&module)
        .with_context(|| format!("{} is missing; the crate must be called like its folder", module.display()))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .context("the module does not fit wit/provider.wit; does it have the SDK's export line?")?;
    replace_if_changed(&workspace.providers(), &format!("{name}.wasm"), &component)
}

/// In one step, and only if there is a difference: a running hub reloads what changes.
fn replace_if_changed(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    if fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let temporary = folder.join(format!(".{name}.new"));
    fs::write(&temporary, bytes).with_context(|| format!("{} cannot be written", temporary.display()))?;
    fs::rename(&temporary, &path).with_context(|| format!("{} cannot be replaced", path.display()))?;
    eprintln!("  {} ({} KiB)", path.display(), bytes.len().div_ceil(1024));
    Ok(())
}
