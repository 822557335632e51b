//! Compiles components in a process of its own, within two minutes of processor time and 2 GiB.
//!
//! A component of some hundred kilobytes can be made to keep a compiler busy for hours, or to have it take all memory. Here
//! that ends a process that has nothing else to do, not the hub. What it compiles it hands over on its standard output; a
//! component that has not been compiled so is not loaded, because the hub's own engines have no compiler.

use std::{
    env,
    io::{self, Read, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, nice, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};

use super::{
    contract::ContractError,
    engine::{ProviderEngine, SandboxError},
    error::first_line,
    precompiled::{CODE_MAX, Code, HEADING},
};
use crate::config::SandboxLimits;

/// How long a component may take to compile, in seconds of processor time over all threads: what a busy machine does beside
/// it does not count. Python's, the largest known, take 15.
const CPU_SECONDS: u64 = 120;
/// After this long the process is ended whatever it has got of the processors: it may wait for something that never comes.
const TIME: Duration = Duration::from_mins(10);
/// How much memory that may take, in bytes. Linux counts all that can be written, other systems but some of it.
const MEMORY: u64 = 2 * 1024 * 1024 * 1024;
/// How much the process says of a component that it refuses, in bytes.
const SAID_MAX: u64 = 4096;
/// The status with which the process ends when it could not even begin, for a reason of its own.
const NOT_BEGUN: u8 = 2;
/// The command that makes the program a compiler.
pub const COMMAND: &str = "compile";

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In the process that runs them, without bounds: for components that are trusted, as those of a measurement.
    Here,
    /// By a program that is started for each, with [`COMMAND`], and does what [`compile_from_stdin`] does.
    Apart {
        /// The program.
        program: PathBuf,
        /// How long it may take by the clock. The processor time that it may take it bounds itself.
        within: Duration,
    },
}

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is none, or breaks the contract.
    #[error("its component is refused: {0}")]
    Contract(#[from] ContractError),
    /// It takes more processor time than there is for it.
    #[error(
        "its component takes more than two minutes of processor time to compile: make it smaller, and look where it comes \
         from"
    )]
    TooLong,
    /// The machine did not give the compiler that much processor time.
    #[error("its component was not compiled within {} s by the clock: the machine is too busy: reduce its load", .0.as_secs())]
    Starved(Duration),
    /// Somebody ended the compiler: the system for lack of memory, or a person.
    #[error("the compiler was killed while it compiled the component: does the machine have memory left?")]
    Killed,
    /// The compiler ended without a word: it was refused memory, or has a flaw.
    #[error(
        "its component takes more than 2 GiB of memory to compile, or breaks the compiler ({0}): make it smaller, and look \
         where it comes from"
    )]
    Broke(String),
    /// The compiler could not be started.
    #[error("the compiler cannot be started: {0}")]
    NotStarted(#[from] io::Error),
    /// What the compiler made is of no use here.
    #[error("its compiled code cannot be loaded ({0}): restart the hub, and report it if that does not help")]
    Unusable(String),
    /// There is no engine for it.
    #[error("its sandbox cannot be made: {0}")]
    Sandbox(#[from] SandboxError),
}

impl CompileError {
    /// Whether the same component may well be compiled at another time.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Contract(_) | Self::TooLong => false,
            Self::Starved(_)
            | Self::Killed
            | Self::Broke(_)
            | Self::NotStarted(_)
            | Self::Unusable(_)
            | Self::Sandbox(_) => true,
        }
    }

    /// What an end without a word means.
    fn of(status: ExitStatus) -> Self {
        let by = |signal: Signal| status.signal() == Some(signal.as_raw());
        if by(Signal::XCPU) {
            Self::TooLong
        } else if by(Signal::KILL) {
            Self::Killed
        } else {
            Self::Broke(status.to_string())
        }
    }
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

    /// Has a component compiled by a process of its own; `None` where components are compiled in this one.
    pub(super) async fn compile(&self, bytes: &[u8]) -> Result<Option<Code>, CompileError> {
        let Self::Apart { program, within } = self else { return Ok(None) };
        let mut process = Command::new(program)
            .arg0(env!("CARGO_PKG_NAME"))
            .arg(COMMAND)
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
            let said = said(output).await?;
            Ok::<_, io::Error>((process.wait().await?, said))
        });
        match compiled.await {
            Ok(Ok((status, Said::Code(code)))) if status.success() => Ok(Some(code)),
            Ok(Ok((status, Said::Reason(reason)))) if !reason.is_empty() && status.code() == Some(NOT_BEGUN.into()) => {
                Err(io::Error::other(reason.trim_end().to_owned()).into())
            }
            Ok(Ok((_, Said::Reason(reason)))) if !reason.is_empty() => {
                Err(ContractError::not_compiled(bytes, reason.trim_end().to_owned()).into())
            }
            Ok(Ok((status, _))) => Err(CompileError::of(status)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(CompileError::Starved(*within)),
        }
    }
}

/// What the process says on its standard output.
enum Said {
    /// Behind [`HEADING`]: what it has compiled.
    Code(Code),
    /// Why it has not.
    Reason(String),
}

async fn said(mut output: impl AsyncRead + Unpin) -> io::Result<Said> {
    let mut said = Vec::new();
    (&mut output).take(HEADING.len() as u64).read_to_end(&mut said).await?;
    if said == HEADING {
        let mut code = Vec::new();
        output.take(CODE_MAX + 1).read_to_end(&mut code).await?;
        return Code::of_compiler(code).map(Said::Code).ok_or_else(|| io::Error::other("its code is too large"));
    }
    output.take(SAID_MAX).read_to_end(&mut said).await?;
    Ok(Said::Reason(String::from_utf8_lossy(&said).into_owned()))
}

/// Why the process has nothing to hand over.
#[derive(Debug, thiserror::Error)]
pub enum CompilerFault {
    /// The component cannot be compiled.
    #[error("{0}")]
    Component(String),
    /// The process cannot do its work, whatever the component is.
    #[error("{0}")]
    Own(String),
}

impl CompilerFault {
    /// The status to end with.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Component(_) => 1,
            Self::Own(_) => NOT_BEGUN,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
    fn own(error: impl ToString) -> Self {
        Self::Own(error.to_string())
    }

    #[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
    fn component(error: wasmtime::Error) -> Self {
        Self::Component(first_line(&error))
    }
}

/// Compiles the component that comes from standard input and writes the code to standard output, with bounds on this process
/// from now on. This is all that the program does when it is a compiler.
///
/// # Errors
/// Why it is not a component, in a line, or why this process is of no use.
pub fn compile_from_stdin() -> Result<(), CompilerFault> {
    // The signal at the lower of the two bounds on time tells which bound it was.
    let bounds =
        [(Resource::Data, MEMORY, MEMORY), (Resource::Cpu, CPU_SECONDS, CPU_SECONDS + 5), (Resource::Core, 0, 0)];
    for (resource, current, maximum) in bounds {
        // Where this process is bounded more tightly already, that stands.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let bound = Rlimit { current: Some(current.min(most)), maximum: Some(maximum.min(most)) };
        setrlimit(resource, bound).map_err(|error| CompilerFault::Own(format!("it cannot bound itself: {error}")))?;
    }
    // Of no use without the hub; where the system cannot do that, the bounds end it.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    // Calls go first. Where that cannot be had, they share.
    let _ = nice(10);
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(CompilerFault::own)?;
    let engine = ProviderEngine::idle().map_err(CompilerFault::own)?;
    let component = engine.compile(&bytes).map_err(CompilerFault::component)?;
    drop(bytes);
    // Whatever the hub will do with it is bounded here too. What it finds wrong then, it finds itself.
    let _ = engine.link(&component, SandboxLimits::default());
    let code = component.serialize().map_err(CompilerFault::component)?;
    let mut output = io::stdout().lock();
    let written = output.write_all(HEADING).and_then(|()| output.write_all(&code)).and_then(|()| output.flush());
    written.map_err(CompilerFault::own)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use uuid::Uuid;

    use super::*;

    /// Has a script of `sh` compile something, in a folder where it can leave notes.
    async fn compiled_by(script: &str) -> (Result<Option<Code>, CompileError>, PathBuf) {
        compiled_within(TIME, script).await
    }

    async fn compiled_within(within: Duration, script: &str) -> (Result<Option<Code>, CompileError>, PathBuf) {
        let folder = env::temp_dir().join(format!("bulkhead-compiler-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let program = folder.join("compiler");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let compiler = Compiler::Apart { program, within };
        (compiler.compile(&vec![b'x'; 1 << 20]).await, folder)
    }

    #[tokio::test]
    async fn it_ends_in_each_way_by_its_name() {
        let heading = format!("echo '{}'", String::from_utf8_lossy(HEADING).trim_end());
        let script = format!(r#"[ "$1" = compile ] && [ "$(wc -c)" = 1048576 ] && {heading} && echo x"#);
        let fine = compiled_by(&script).await.0;
        assert!(matches!(fine, Ok(Some(_))), "{fine:?}");
        let broke = compiled_by(&format!("{heading}; echo half; exit 1")).await.0;
        assert!(matches!(broke, Err(CompileError::Broke(_))), "what a compiler that fails has written is no code");
        let silent = compiled_by("cat > /dev/null").await.0;
        assert!(matches!(silent, Err(CompileError::Broke(_))), "{silent:?}");
        let refused = compiled_by("echo no component; exit 1").await.0.unwrap_err().to_string();
        assert!(refused.contains("not a WebAssembly component: no component"), "{refused}");
        let unfit = compiled_by("echo no threads left; exit 2").await.0;
        assert!(matches!(&unfit, Err(CompileError::NotStarted(error)) if error.to_string() == "no threads left"));
        assert!(unfit.unwrap_err().is_passing(), "that says nothing about the component");
        let broke = compiled_by("kill -ABRT $$").await.0.unwrap_err().to_string();
        assert!(broke.contains("2 GiB") && broke.contains("signal: 6"), "{broke}");
        let flooded = compiled_by("cat > /dev/null; yes no").await.0;
        assert!(matches!(flooded, Err(CompileError::Contract(_))), "{flooded:?}");
        let computed = compiled_by("ulimit -S -t 1; while :; do :; done").await.0;
        assert!(matches!(computed, Err(CompileError::TooLong)), "{computed:?}");
        let killed = compiled_by("kill -KILL $$").await.0;
        assert!(matches!(killed, Err(CompileError::Killed)), "{killed:?}");
        let missing = Compiler::Apart { program: "/nowhere".into(), within: TIME };
        assert!(matches!(missing.compile(b"").await, Err(CompileError::NotStarted(_))));
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_stopped() {
        let (compiled, folder) =
            compiled_within(Duration::from_secs(3), r#"echo $$ > "${0%/*}/pid"; exec sleep 600"#).await;
        assert!(matches!(&compiled, Err(error @ CompileError::Starved(_)) if error.is_passing()), "{compiled:?}");
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
