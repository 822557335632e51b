//! Child processes that cannot hang: no terminal input, and a time limit on each.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const POLL: Duration = Duration::from_millis(20);

/// How many lines of a failed command's log are shown.
const TAIL: usize = 30;

/// A whole number of minutes.
pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// Runs a command whose output the user sees; tells how it ended.
pub fn show(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    let name = name_of(command);
    let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("`{name}` could not start"))?;
    wait(child, &name, limit)
}

/// Runs a command whose output matters only if it fails: the log keeps it all, and an error shows its end.
pub fn quiet(command: &mut Command, log: &Path, limit: Duration) -> Result<()> {
    let name = name_of(command);
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} could not be created", folder.display()))?;
    }
    let output = File::create(log).with_context(|| format!("{} could not be written", log.display()))?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let child = command.spawn().with_context(|| format!("`{name}` could not start"))?;
    let outcome = wait(child, &name, limit);
    match outcome {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`{name}` ended with {status}:\n{}", tail(log)),
        Err(error) => Err(error).with_context(|| format!("what it said: [{}]", tail(log))),
    }
}

/// Runs a command for its standard output; an unsuccessful end is an error.
pub fn capture(command: &mut Command, limit: Duration) -> Result<String> {
    let name = name_of(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("`{name}` could not start"))?;
    // A grandchild may keep the pipes open after the child is gone, so they are read aside and waited for with a limit.
    let output = read_aside(child.stdout.take());
    let errors = read_aside(child.stderr.take());
    let status = wait(child, &name, limit)?;
    let grace = Duration::from_secs(5);
    let output = output.recv_timeout(grace).unwrap_or_default();
    if !status.success() {
        bail!("`{name}` ended with {status}: {}", errors.recv_timeout(grace).unwrap_or_default().trim());
    }
    Ok(output)
}

fn read_aside(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What arrived before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        // Nobody listens any more once the limit is over.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

fn wait(mut child: Child, name: &str, limit: Duration) -> Result<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("`{name}` is lost"))? {
            return Ok(status);
        }
        if started.elapsed() >= limit {
            child.kill().with_context(|| format!("`{name}` could not be stopped"))?;
            child.wait().with_context(|| format!("`{name}` is lost"))?;
            bail!("`{name}` did not finish within {} s and was stopped", limit.as_secs());
        }
        thread::sleep(POLL);
    }
}

fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = [program].into_iter().chain(command.get_args()).take(4).map(|w| w.to_string_lossy()).collect();
    words.join(" ")
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
