//! What the tests need and cargo cannot bring, in one folder that the tests get as `BULKHEAD_TEST_TOOLS`.

mod bugsink;
mod generators;
mod kubernetes;
mod nats;
mod netdata;
mod nginx;
mod node;
mod postgres;
mod promtool;
mod python;
mod systemd;

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::minutes;
use crate::workspace::Workspace;

/// One tool: installs itself into the given folder, which is empty at that time.
type Install = fn(&Workspace, &Path) -> Result<()>;

/// A tool's folder, what decides whether it must be installed anew, and how to install it.
struct Tool {
    name: &'static str,
    stamp: String,
    install: Install,
}

fn all() -> [Tool; 11] {
    [
        Tool { name: "node", stamp: node::stamp(), install: node::install },
        Tool { name: "python", stamp: python::stamp(), install: python::install },
        Tool { name: "generators", stamp: generators::stamp(), install: generators::install },
        Tool { name: "bugsink", stamp: bugsink::stamp(), install: bugsink::install },
        Tool { name: "nats", stamp: nats::stamp(), install: nats::install },
        Tool { name: "netdata", stamp: netdata::stamp(), install: netdata::install },
        Tool { name: "postgres", stamp: postgres::stamp(), install: postgres::install },
        Tool { name: "promtool", stamp: promtool::stamp(), install: promtool::install },
        Tool { name: "nginx", stamp: nginx::stamp(), install: nginx::install },
        Tool { name: "systemd", stamp: systemd::stamp(), install: systemd::install },
        Tool { name: "kubernetes", stamp: kubernetes::stamp(), install: kubernetes::install },
    ]
}

/// How the installation went.
#[must_use]
pub struct Outcome {
    failures: Vec<String>,
}

impl Outcome {
    /// For who needs them all.
    pub fn into_result(self) -> Result<()> {
        ensure!(self.failures.is_empty(), "{}", self.failures.join("\n"));
        Ok(())
    }

    /// For who goes on: the tests that need a missing tool fail and say so again.
    pub fn warn(&self) {
        for failure in &self.failures {
            eprintln!("warning: {failure}");
        }
    }
}

/// Installs what is missing; a second time it costs next to nothing. A tool that cannot be had leaves the reason in
/// `<tool>.missing` for the tests that need it.
pub fn ensure_all(workspace: &Workspace) -> Result<Outcome> {
    let folder = workspace.test_tools();
    fs::create_dir_all(&folder).with_context(|| format!("{} could not be created", folder.display()))?;
    let _lock = lock(&folder.join("lock"))?;

    // All at once: each waits for a registry of its own.
    let outcomes: Vec<_> = thread::scope(|scope| {
        let running = all().map(|tool| scope.spawn(move || ensure_or_note(workspace, &tool)));
        running.map(|one| one.join().unwrap_or_else(|_| bail!("an installation panicked"))).into_iter().collect()
    });
    let mut failures = Vec::new();
    for outcome in outcomes {
        failures.extend(outcome?);
    }
    Ok(Outcome { failures })
}

/// Gives the reason why the tool is missing, if it is.
fn ensure_or_note(workspace: &Workspace, tool: &Tool) -> Result<Option<String>> {
    let folder = workspace.test_tools();
    let note = folder.join(format!("{}.missing", tool.name));
    match ensure_one(workspace, &folder.join(tool.name), tool) {
        Ok(()) if note.exists() => fs::remove_file(&note)?,
        Ok(()) => {}
        Err(error) => {
            let reason = format!("test tool `{}` is missing: {error:#}", tool.name);
            fs::write(&note, &reason)?;
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

fn ensure_one(workspace: &Workspace, folder: &Path, tool: &Tool) -> Result<()> {
    let stamp = folder.join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == tool.stamp) {
        return Ok(());
    }
    eprintln!("installing test tool {} ({}) ...", tool.name, tool.stamp);
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} could not be emptied", folder.display()))?;
    }
    fs::create_dir_all(folder)?;
    (tool.install)(workspace, folder)?;
    // Last, so that an interrupted installation starts over.
    fs::write(stamp, &tool.stamp)?;
    Ok(())
}

/// Two runs at once must not install into the same folder.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("{} could not be created", path.display()))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < minutes(15) => {
                thread::sleep(Duration::from_millis(200))
            }
            Err(TryLockError::WouldBlock) => {
                bail!("another run has been installing test tools for 15 minutes; stop it")
            }
            Err(TryLockError::Error(error)) => return Err(error).context("the test tools could not be locked"),
        }
    }
}
