//! The MCP clients of others, as commands. `tests/support/clients/README.md` tells what they print and how they end.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::tools::test_tool;

/// Longer than the limits inside the clients.
const LIMIT: Duration = Duration::from_secs(60);

/// Which generation of the protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// With the `initialize` handshake, up to 2025-11-25.
    Legacy,
    /// Without, from 2026-07-28.
    Modern,
}

impl Era {
    fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// Where the hub is, for a client.
#[derive(Clone, Copy, Debug)]
pub enum Hub<'a> {
    /// Streamable HTTP.
    Http {
        /// The endpoint, such as `http://127.0.0.1:8080/mcp`.
        url: &'a str,
        /// The bearer token.
        token: &'a str,
    },
    /// A child of the client.
    Stdio {
        /// The hub's program and its arguments.
        command: &'a [&'a str],
        /// The inspector gives a child no other variables of the environment, apart from PATH, HOME and a few more.
        env: &'a [(&'a str, &'a str)],
    },
}

/// MCP Inspector's command line: `request` is `--method` and what belongs to it. Its home must be a temporary folder.
pub fn inspector(hub: Hub, era: Era, request: &[&str], home: &Path) -> Command {
    let mut command = Command::new(test_tool("node", "node_modules/.bin/mcp-inspector"));
    // The program is a script for whichever `node` comes first: the one installed beside it, if there is one.
    let bin = test_tool("node", "node_modules/.bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path))).expect("a PATH");
    command.env("PATH", path).env("HOME", home);
    command.args(["--cli", "--format", "json", "--stored-auth-only", "--protocol-era", era.name()]);
    match hub {
        Hub::Http { url, token } => {
            command.args(["--transport", "http", "--server-url", url, "--header"]);
            command.arg(format!("Authorization: Bearer {token}")).args(request);
        }
        Hub::Stdio { command: program, env } => {
            command.args(["--transport", "stdio", "--quiet"]);
            for (name, value) in env {
                command.arg("-e").arg(format!("{name}={value}"));
            }
            // What follows the dashes is the program's own, whatever it looks like.
            command.args(request).arg("--").args(program);
        }
    }
    command
}

/// `python_client.py`, which makes every request and checks the answers itself; `flat` is whether names have no dots.
pub fn python(hub: Hub, era: Era, flat: bool) -> Command {
    let mut command = Command::new(test_tool("python", "bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clients/python_client.py"));
    command.args(["--era", era.name()]).args(flat.then_some("--flat"));
    match hub {
        Hub::Http { url, token } => command.args([url, token]),
        Hub::Stdio { command: program, env } => command.arg("--stdio").args(program).envs(env.iter().copied()),
    };
    command
}

/// Runs a client to its end.
///
/// # Panics
///
/// If it takes too long: the client is stopped and the test fails.
pub fn finish(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let stdout = read_aside(child.stdout.take().expect("a pipe"));
    let stderr = read_aside(child.stderr.take().expect("a pipe"));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill().expect("a child");
            let said = stderr.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            panic!("{:?} is not done after {LIMIT:?}: {}", program(command), String::from_utf8_lossy(&said));
        }
        thread::sleep(Duration::from_millis(10));
    };
    // Grandchildren that live on hold the pipes open; then what came so far is lost, and the test says so.
    let grace = Duration::from_secs(5);
    let read =
        |pipe: mpsc::Receiver<Vec<u8>>| pipe.recv_timeout(grace).expect("a process left behind holds the output");
    Output { status, stdout: read(stdout), stderr: read(stderr) }
}

fn program(command: &Command) -> &OsStr {
    Path::new(command.get_program()).file_name().unwrap_or_default()
}

fn read_aside(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}
