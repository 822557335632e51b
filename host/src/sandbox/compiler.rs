//! Compiles components in a process of its own, within a minute and 2 GiB.
//!
//! A component of some hundred kilobytes can be made to keep a compiler busy for hours, or to have it take all memory. Here
//! that ends a process that has nothing else to do, not the hub. What it compiles it puts into wasmtime's cache, where the
//! hub finds it; a component that has not been compiled so is not loaded.

use std::{
    env,
    io::{self, Read},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};

use super::{
    component::first_line,
    contract::ContractError,
    engine::{ProviderEngine, SandboxError},
};
use crate::config::SandboxLimits;

/// How long a component may take to compile. Python's, the largest known, take 15 s on two cores.
const TIME: Duration = Duration::from_secs(60);
/// How much memory that may take, in bytes. Linux counts all that can be written, other systems but some of it.
const MEMORY: u64 = 2 * 1024 * 1024 * 1024;
/// For a process that nobody waits for any more, in seconds of all its threads.
const CPU_SECONDS: u64 = 600;
/// How long the cache has to tidy up.
const TIDYING: Duration = Duration::from_millis(100);
/// How much the process says of a component that it refuses, in bytes.
const SAID_MAX: u64 = 4096;
/// The command that makes the program a compiler.
pub const COMMAND: &str = "compile";

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In the process that runs them, without bounds: for components that are trusted, as those of a measurement.
    Here,
    /// By a program that is started for each, with [`COMMAND`] and the cache's folder, and does what
    /// [`compile_from_stdin`] does.
    Apart {
        /// The program.
        program: PathBuf,
        /// How long it may take.
        within: Duration,
    },
}

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is none, or breaks the contract.
    #[error("its component is refused: {0}")]
    Contract(#[from] ContractError),
    /// The compiler was not done in time.
    #[error("its component takes longer than a minute to compile: make it smaller, and look where it comes from")]
    TooLong,
    /// The compiler ended without a word: it was refused memory, or has a flaw.
    #[error(
        "its component takes more than 2 GiB of memory to compile, or breaks the compiler ({0}): make it smaller, and look \
         where it comes from"
    )]
    Broke(String),
    /// The compiler could not be started.
    #[error("the compiler cannot be started: {0}")]
    NotStarted(#[from] io::Error),
    /// There is no engine for it.
    #[error("its sandbox cannot be made: {0}")]
    Sandbox(#[from] SandboxError),
}

impl Compiler {
    /// This very program, even if its file is replaced while it runs.
    ///
    /// # Errors
    /// When the system does not tell which that is.
    pub fn this_program() -> io::Result<Self> {
        let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { env::current_exe()? };
        Ok(Self::Apart { program, within: TIME })
    }

    /// Has a component compiled into the cache.
    pub(super) async fn compile(&self, cache: &Path, bytes: &[u8]) -> Result<(), CompileError> {
        let Self::Apart { program, within } = self else { return Ok(()) };
        let mut process = Command::new(program)
            .arg0(env!("CARGO_PKG_NAME"))
            .arg(COMMAND)
            .arg(cache)
            // It needs none of the hub's settings, and none of what else may be there.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let lost = || io::Error::other("it has no standard input or output");
        let (mut input, output) = (process.stdin.take().ok_or_else(lost)?, process.stdout.take().ok_or_else(lost)?);
        let compiled = timeout(*within, async {
            // One that ends early does not read to the end, and says why itself.
            let _ = input.write_all(bytes).await;
            drop(input);
            let mut said = String::new();
            output.take(SAID_MAX).read_to_string(&mut said).await?;
            Ok::<_, io::Error>((process.wait().await?, said))
        });
        match compiled.await {
            Ok(Ok((status, _))) if status.success() => Ok(()),
            Ok(Ok((_, reason))) if !reason.is_empty() => {
                Err(ContractError::not_compiled(bytes, reason.trim_end().to_owned()).into())
            }
            Ok(Ok((status, _))) => Err(CompileError::Broke(status.to_string())),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(CompileError::TooLong),
        }
    }
}

/// Compiles the component that comes from standard input into the cache, with bounds on this process from now on. This is
/// all that the program does when it is a compiler.
///
/// # Errors
/// Why it is not a component, in a line.
pub fn compile_from_stdin(cache: &Path) -> Result<(), String> {
    let bounds = [(Resource::Data, MEMORY), (Resource::Cpu, CPU_SECONDS), (Resource::Core, 0)];
    for (resource, most) in bounds {
        let bound = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, bound).map_err(|error| format!("the compiler cannot bound itself: {error}"))?;
    }
    // Of no use without the hub; where the system cannot do that, the bounds end it.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    // Calls go first. Where that cannot be had, they share.
    let _ = nice(10);
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let engine = ProviderEngine::idle(cache).map_err(|error| error.to_string())?;
    let component = engine.compile(&bytes).map_err(|error| first_line(&error))?;
    // Whatever the hub will do with it is bounded here too. What it finds wrong then, it finds itself.
    let _ = engine.link(&component, SandboxLimits::default());
    if engine.cache.cache_misses() > 0 {
        // The cache throws out what is old after it has taken something in, on a thread that ends with this process.
        thread::sleep(TIDYING);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use uuid::Uuid;

    use super::*;

    /// Has a script of `sh` compile something, in a folder where it can leave notes.
    async fn compiled_by(script: &str) -> (Result<(), CompileError>, PathBuf) {
        let folder = env::temp_dir().join(format!("bulkhead-compiler-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let program = folder.join("compiler");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let compiler = Compiler::Apart { program, within: Duration::from_secs(5) };
        (compiler.compile(&folder, &vec![b'x'; 1 << 20]).await, folder)
    }

    #[tokio::test]
    async fn it_ends_in_each_way_by_its_name() {
        let fine = compiled_by(r#"[ "$1" = compile ] && [ "$(wc -c)" = 1048576 ]"#).await.0;
        assert!(fine.is_ok(), "{fine:?}");
        let refused = compiled_by("echo no component; exit 1").await.0.unwrap_err().to_string();
        assert!(refused.contains("not a WebAssembly component: no component"), "{refused}");
        let broke = compiled_by("kill -ABRT $$").await.0.unwrap_err().to_string();
        assert!(broke.contains("2 GiB") && broke.contains("signal: 6"), "{broke}");
        let flooded = compiled_by("cat > /dev/null; yes no").await.0;
        assert!(matches!(flooded, Err(CompileError::Contract(_))), "{flooded:?}");
        let missing = Compiler::Apart { program: "/nowhere".into(), within: TIME };
        assert!(matches!(missing.compile(Path::new("/"), b"").await, Err(CompileError::NotStarted(_))));
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_stopped() {
        let (compiled, folder) = compiled_by(r#"echo $$ > "$2/pid"; exec sleep 600"#).await;
        assert!(matches!(compiled, Err(CompileError::TooLong)), "{compiled:?}");
        let pid = fs::read_to_string(folder.join("pid")).unwrap();
        let process = PathBuf::from(format!("/proc/{}/exe", pid.trim()));
        let gone = timeout(TIME, async {
            while process.read_link().is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        gone.await.expect("it is stopped");
    }
}
