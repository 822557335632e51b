//! Where things are: the sources, and the folder that cargo builds into.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The repository and its build folders.
pub struct Workspace {
    /// The repository.
    pub root: PathBuf,
    /// Cargo's target folder for the root workspace, whatever configured it.
    pub target: PathBuf,
}

impl Workspace {
    /// Works it out from how cargo started this program, so that every way to configure the target folder is honoured.
    pub fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").context("start this program as `cargo xtask`")?;
        let root = Path::new(&manifest).parent().context("xtask lies in no workspace")?;
        // As the path of a running program has them: without symbolic links.
        let root = root.canonicalize().context("the repository cannot be read")?;
        let program = env::current_exe().context("this program's own path is unknown")?;
        let profile = program.parent().context("this program lies in no folder")?.to_owned();
        let target = profile.parent().context("this program lies in no target folder")?.to_owned();
        Ok(Self { root, target })
    }

    /// The folder of the provider crates, a workspace of its own, and of the components built from them.
    pub fn providers(&self) -> PathBuf {
        self.root.join("providers")
    }

    /// Cargo's target folder for the providers: the same that a plain `cargo test` in `providers/` uses.
    pub fn providers_target(&self) -> PathBuf {
        if self.target == self.root.join("target") { self.providers().join("target") } else { self.target.clone() }
    }

    /// The hub's program, as built for development.
    pub fn hub(&self) -> PathBuf {
        self.target.join("debug/bulkhead")
    }

    /// The folder of what the tests need and cargo cannot bring.
    pub fn test_tools(&self) -> PathBuf {
        self.target.join("test-tools")
    }

    /// The folder for the output of quiet commands, one file each.
    pub fn logs(&self) -> PathBuf {
        self.target.join("xtask-logs")
    }
}

/// The cargo that started this program.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
