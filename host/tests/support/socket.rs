//! A connection of bytes: what a client sends that does not mean well.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::hub::Hub;

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(20);

/// An answer, read off the bytes.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// One connection.
pub struct Socket {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Socket {
    pub async fn open(hub: &Hub) -> Self {
        Self::open_at(host(hub)).await
    }

    /// One to this address.
    pub async fn open_at(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("a connection"), read: vec![] }
    }

    /// One whose machine keeps hardly anything of what arrives.
    pub async fn open_narrow(hub: &Hub) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("set");
        let stream = socket.connect(host(hub).parse().expect("an address")).await.expect("a connection");
        Self { stream, read: vec![] }
    }

    /// Sends what the other side takes; false when it has closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next answer; `None` when the connection ends first.
    pub async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.whole() {
                return Some(answer);
            }
            if self.more(SOON).await == 0 {
                return None;
            }
        }
    }

    /// Every answer until the connection ends, or nothing comes for a while.
    pub async fn answers(&mut self, quiet: Duration) -> Vec<Answer> {
        let mut answers = vec![];
        loop {
            while let Some(answer) = self.whole() {
                answers.push(answer);
            }
            if self.more(quiet).await == 0 {
                return answers;
            }
        }
    }

    /// All bytes until the connection ends, or nothing comes for a while.
    pub async fn bytes(&mut self, quiet: Duration) -> Vec<u8> {
        while self.more(quiet).await > 0 {}
        std::mem::take(&mut self.read)
    }

    /// How long it takes until the other side closes.
    pub async fn closes(&mut self, within: Duration) -> Duration {
        let started = Instant::now();
        while self.more(within).await > 0 {}
        let took = started.elapsed();
        assert!(took < within, "still open after {took:?}");
        took
    }

    /// Reads once; 0 at the end, or when nothing comes in time.
    async fn more(&mut self, within: Duration) -> usize {
        let mut buffer = vec![0; 64 * 1024];
        let read = timeout(within, self.stream.read(&mut buffer)).await;
        let read = read.unwrap_or(Ok(0)).unwrap_or(0);
        self.read.extend_from_slice(&buffer[..read]);
        read
    }

    /// Takes a whole answer off what was read.
    fn whole(&mut self) -> Option<Answer> {
        let end = memchr::memmem::find(&self.read, b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let mut answer = Answer { status: 0, head, body: vec![] };
        answer.status = answer.head.split(' ').nth(1)?.parse().ok()?;
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        if self.read.len() < end + length {
            return None;
        }
        answer.body = self.read[end..end + length].to_vec();
        self.read.drain(..end + length);
        Some(answer)
    }
}

/// The hub's address, as a `Host` header has it.
pub fn host(hub: &Hub) -> &str {
    hub.url.split_once("://").expect("a URL").1
}

/// A request with a body, as bytes.
pub fn post(hub: &Hub, path: &str, token: &str, body: &str) -> String {
    let host = host(hub);
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The memory that the hub's process has in use, in bytes.
pub fn memory(hub: &Hub) -> usize {
    memory_of(hub.pid())
}

/// The memory that a process has in use, in bytes.
pub fn memory_of(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse::<usize>().expect("a number") * 1024
}
