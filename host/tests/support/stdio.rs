//! `bulkhead mcp` as a child, spoken to line by line.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Stdio as Pipe},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::hub::Hub;

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(20);

/// A session in the legacy era, after its handshake. Its process goes when it is dropped.
pub struct Stdio {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    id: u64,
}

impl Stdio {
    /// Starts the program with the hub's data and config.
    pub fn start(hub: &Hub, token: &str) -> Self {
        let mut program = hub.program();
        let program = program.arg("mcp").env("BULKHEAD_TOKEN", token);
        let spawned = program.stdin(Pipe::piped()).stdout(Pipe::piped()).stderr(Pipe::null()).spawn();
        let mut child = spawned.expect("it starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut session = Self { child, stdin, lines, id: 0 };
        let client = json!({ "name": "test", "version": "1" });
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        session.ask("initialize", &hello);
        session.tell("notifications/initialized", &json!({}));
        session
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.send(method, params);
        let answer = self.next();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Sends a request; gives its id.
    pub fn send(&mut self, method: &str, params: &Value) -> u64 {
        self.id += 1;
        self.write(&json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params }).to_string());
        self.id
    }

    /// Sends a notification.
    pub fn tell(&mut self, method: &str, params: &Value) {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    /// Sends a line.
    pub fn write(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("not closed"), "{line}").expect("it reads");
    }

    /// Sends a line of bytes.
    pub fn write_bytes(&mut self, line: &[u8]) {
        self.write_part(line);
        self.write_part(b"\n");
    }

    /// Sends bytes.
    pub fn write_part(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().expect("not closed").write_all(bytes).expect("it reads");
    }

    /// The memory that the program has in use, in bytes.
    pub fn memory(&self) -> usize {
        super::socket::memory_of(self.child.id())
    }

    /// The next line, which must be JSON.
    pub fn next(&mut self) -> Value {
        let line = self.lines.recv_timeout(SOON).expect("an answer");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Closes the program's input and waits until it has ended; gives its exit code.
    pub fn close(mut self) -> Option<i32> {
        drop(self.stdin.take());
        self.child.wait().expect("a child").code()
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
