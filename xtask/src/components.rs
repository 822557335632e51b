//! Providers: crate → WebAssembly module → component next to the crates, where the hub looks for it.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use wit_component::ComponentEncoder;

use crate::process::{self, minutes};
use crate::wasm_toolchain::{TARGET, Toolchain};
use crate::workspace::Workspace;

/// Bytes that a provider can allocate before its memory has to grow, which costs a call several microseconds. With its
/// stack (1 MiB) and its constants it still starts with less than 2 MiB.
const INITIAL_HEAP: usize = 768 * 1024;

/// Which providers to build.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Every one, also those that only the tests use.
    All,
    /// Those that a hub may serve.
    Shipped,
    /// Those of these names.
    Named(&'a [String]),
}

/// Builds providers.
pub fn build(workspace: &Workspace, which: Which) -> Result<()> {
    let all = discover(&workspace.providers())?;
    let names = chosen(&all, which)?;
    let toolchain = Toolchain::ensure(workspace)?;

    eprintln!("building providers: {} ...", names.join(", "));
    let mut command = toolchain.cargo_build();
    command.current_dir(workspace.providers()).env("CARGO_TARGET_DIR", workspace.providers_target());
    command.env("CARGO_ENCODED_RUSTFLAGS", compiler_flags(workspace));
    for name in &names {
        command.args(["--package", name]);
    }
    ensure!(
        process::show(&mut command, minutes(30))?.success(),
        "a provider does not build; the compiler says why above"
    );

    for name in &names {
        componentize(workspace, name).with_context(|| format!("provider `{name}`"))?;
    }
    Ok(())
}

fn compiler_flags(workspace: &Workspace) -> String {
    // `CARGO_ENCODED_RUSTFLAGS` separates flags by this character, so that folders may have spaces in their names.
    [without_machine_paths(workspace), vec![format!("-Clink-arg=--initial-heap={INITIAL_HEAP}")]]
        .concat()
        .join("\u{1f}")
}

/// Compiler flags that keep this machine's folders out of the components, where panic messages name source files: the
/// same sources make the same component on every machine.
fn without_machine_paths(workspace: &Workspace) -> Vec<String> {
    let home = env::var("HOME").unwrap_or_default();
    let cargo_home = env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let folders = [
        (workspace.root.display().to_string(), "."),
        (cargo_home, "cargo"),
        ("/usr/lib/rustlib/src/rust".into(), "rust"),
    ];
    folders.map(|(folder, name)| format!("--remap-path-prefix={folder}={name}")).into()
}

/// A provider's crate: its folder's name is also the package's and the component's.
struct Crate {
    name: String,
    for_tests: bool,
}

fn chosen(all: &[Crate], which: Which) -> Result<Vec<String>> {
    let names: Vec<_> = match which {
        Which::All => all.iter().map(|found| found.name.clone()).collect(),
        Which::Shipped => all.iter().filter(|found| !found.for_tests).map(|found| found.name.clone()).collect(),
        Which::Named(names) => names.to_vec(),
    };
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|found| found.name == **name)) {
        let known: Vec<_> = all.iter().map(|found| found.name.as_str()).collect();
        bail!("there is no provider `{unknown}`; there are: {}", known.join(", "));
    }
    Ok(names)
}

fn discover(folder: &Path) -> Result<Vec<Crate>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        // A crate that providers merely share is no `cdylib`.
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).unwrap_or_default();
        if manifest.contains("cdylib") {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push(Crate { name, for_tests: manifest.contains("for-tests = true") });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    ensure!(!found.is_empty(), "{} holds no crate with crate-type = [\"cdylib\"]", folder.display());
    Ok(found)
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
