//! The old hub's side: start the program, and wait until it could serve.

use std::{
    collections::BTreeSet,
    env, io,
    os::fd::OwnedFd,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep_until, timeout},
};

use super::{
    control::{Asked, Control, Reply, Request},
    program::{Program, ProgramError},
};

/// How long the new hub may take until it could serve: providers may have to be compiled.
const READY_WITHIN: Duration = Duration::from_mins(3);
/// How long one that is not wanted has to end by itself.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// Why the hub goes on as it is.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The program is not one that may take over.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It could not be started.
    #[error("it cannot be started: {0}")]
    NotStarted(io::Error),
    /// It ended before it was ready.
    #[error("it ended before it was ready ({0}): the hub's log says why")]
    Ended(ExitStatus),
    /// It took too long.
    #[error("it was not ready within {} s: the hub's log says what it waits for", READY_WITHIN.as_secs())]
    TooLong,
    /// It would serve less.
    #[error("it does not serve {}, which this hub serves: the hub's log says why", .0.join(", "))]
    ServesLess(Vec<String>),
    /// The first process of a container is the container.
    #[error("the hub is the first process of its container, which ends with it: replace the container")]
    FirstProcess,
}

/// A hub that is ready to take this one's place. If it is dropped, it ends.
#[derive(Debug)]
pub struct Successor {
    asked: Asked,
    process: u32,
}

impl Successor {
    /// Starts the program on a copy of the listening socket and waits until it serves at least these providers.
    ///
    /// # Errors
    /// When it does not come to that. Then it has ended.
    pub async fn start(
        program: &Program,
        listening: OwnedFd,
        control: &Control,
        serving: &BTreeSet<String>,
    ) -> Result<Self, UpgradeError> {
        if std::process::id() == 1 {
            return Err(UpgradeError::FirstProcess);
        }
        let mut child = Command::new(&program.path)
            .args(env::args_os().skip(1))
            // Those are this process's, and the socket comes another way.
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_PID")
            .stdin(Stdio::from(listening))
            .spawn()
            .map_err(UpgradeError::NotStarted)?;
        match ready(&mut child, control, serving).await {
            Ok(successor) => Ok(successor),
            Err(error) => {
                end(child).await;
                Err(error)
            }
        }
    }

    /// The number of its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Has it accept connections.
    pub async fn begin(self) {
        self.asked.answer(&Reply::Begin).await;
    }
}

async fn ready(child: &mut Child, control: &Control, serving: &BTreeSet<String>) -> Result<Successor, UpgradeError> {
    let process = child.id();
    let until = Instant::now() + READY_WITHIN;
    loop {
        let asked = tokio::select! {
            asked = control.asked() => asked,
            ended = child.wait() => return Err(ended.map_or_else(UpgradeError::NotStarted, UpgradeError::Ended)),
            () = sleep_until(until) => return Err(UpgradeError::TooLong),
        };
        match (&asked.request, process) {
            (Request::Ready { serving: its }, Some(process)) if asked.process == Some(process) => {
                let missing: Vec<_> = serving.difference(its).cloned().collect();
                if missing.is_empty() {
                    return Ok(Successor { asked, process });
                }
                return Err(UpgradeError::ServesLess(missing));
            }
            _ => asked.refuse("an upgrade is under way: wait for its end".to_owned()).await,
        }
    }
}

/// Ends a process that has not begun to serve.
async fn end(mut child: Child) {
    let process = child.id().and_then(|process| Pid::from_raw(process.try_into().ok()?));
    let _ = process.map(|process| kill_process(process, Signal::TERM));
    if timeout(LEAVES_WITHIN, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
