//! A Rust toolchain that builds for WebAssembly: the user's own with one more target, or else Debian's.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::process::{self, minutes};
use crate::versions::DEBIAN_WASM_PACKAGES;
use crate::workspace::{self, Workspace};

/// What provider modules are built for. No WASI: a provider's only ways out are the hub's gates.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Variables that cargo and rustup hand to this program and that would send Debian's cargo to rustup's compiler.
const OF_THE_OUTER_CARGO: [&str; 6] =
    ["CARGO", "LD_LIBRARY_PATH", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR"];

/// How modules get built on this machine.
#[derive(Debug)]
pub enum Toolchain {
    /// The toolchain that runs this program has the target.
    Own,
    /// Debian's compiler, which has no such target but the sources to build its standard library from.
    Debian {
        /// LLVM's linker for WebAssembly.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Finds one, or installs one. Costs some milliseconds where one is there.
    pub fn ensure(workspace: &Workspace) -> Result<Self> {
        match Self::find() {
            Some(toolchain) => Ok(toolchain),
            None => install(workspace),
        }
    }

    fn find() -> Option<Self> {
        if own_has_target() { Some(Self::Own) } else { find_debian() }
    }

    /// `cargo build --release` for [`TARGET`]; the caller adds what to build and where.
    pub fn cargo_build(&self) -> Command {
        let mut command = match self {
            Self::Own => workspace::cargo(),
            Self::Debian { .. } => Command::new("/usr/bin/cargo"),
        };
        command.args(["build", "--release", "--target", TARGET]);
        if let Self::Debian { linker } = self {
            for name in OF_THE_OUTER_CARGO {
                command.env_remove(name);
            }
            let path = env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("/usr/bin:{path}"));
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            // Building the standard library is still an unstable option of cargo.
            command.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

/// Looks for the target's standard library. Asking rustup would be slower, and not every toolchain is rustup's.
fn own_has_target() -> bool {
    let Ok(sysroot) = process::capture(Command::new("rustc").args(["--print", "sysroot"]), Duration::from_secs(20))
    else {
        return false;
    };
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib");
    file_names(&libraries).any(|name| name.starts_with("libstd-"))
}

fn find_debian() -> Option<Toolchain> {
    let sources = Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml");
    if !sources.exists() || !Path::new("/usr/bin/cargo").exists() || !debian_rustc_is_recent() {
        return None;
    }
    let linker = file_names(Path::new("/usr/bin")).filter(|name| name.starts_with("wasm-ld")).max()?;
    Some(Toolchain::Debian { linker: Path::new("/usr/bin").join(linker) })
}

/// Debian also has a package `rustc`, years older.
fn debian_rustc_is_recent() -> bool {
    let version = process::capture(
        Command::new("/usr/bin/rustc").arg("--version").env_remove("LD_LIBRARY_PATH"),
        Duration::from_secs(20),
    );
    let minor = |version: &str| version.split('.').nth(1)?.parse::<u32>().ok();
    version.is_ok_and(|version| minor(&version) >= minor(env!("CARGO_PKG_RUST_VERSION")))
}

fn file_names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn install(workspace: &Workspace) -> Result<Toolchain> {
    let mut failures = Vec::new();
    match add_target(workspace) {
        Ok(()) if own_has_target() => return Ok(Toolchain::Own),
        Ok(()) => failures.push("rustup: it added the target, but `rustc` on the PATH is not rustup's".into()),
        Err(error) => failures.push(format!("rustup: {error:#}")),
    }
    if debian::may_install() {
        match debian::install(workspace, &DEBIAN_WASM_PACKAGES).map(|()| find_debian()) {
            Ok(Some(toolchain)) => return Ok(toolchain),
            Ok(None) => failures.push("Debian: what the packages brought is too old or incomplete".into()),
            Err(error) => failures.push(format!("Debian: {error:#}")),
        }
    }
    bail!(
        "no compiler for {TARGET} is installed, and none could be installed.\n{}\n\
         Install one by hand, then run this command again. Either\n  rustup target add {TARGET}\n\
         or on Debian, as root\n  {}",
        failures.join("\n"),
        debian::by_hand(&DEBIAN_WASM_PACKAGES),
    )
}

/// `rustup target add`, which waits for ever where Rust's download host is out of reach.
fn add_target(workspace: &Workspace) -> Result<()> {
    eprintln!("adding {TARGET} to the Rust toolchain ...");
    // Worth more patience where there is no other way.
    let limit = if debian::may_install() { Duration::from_secs(60) } else { minutes(5) };
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1").env("RUSTUP_DOWNLOAD_TIMEOUT", "20");
    process::quiet(&mut command, &workspace.logs().join("rustup.log"), limit).context("the target could not be added")
}
