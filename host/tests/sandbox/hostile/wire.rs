//! The least HTTP client: one connection that is kept, one request at a time, on a thread of the test's own, so that
//! figures are the hub's and not the client's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection to a hub.
pub struct Wire {
    authority: String,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The problem's code, empty if it is none.
    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Wire {
    /// A connection to the hub at this URL, made with the first request.
    pub fn to(url: &str) -> Self {
        Self { authority: url.trim_start_matches("http://").to_owned(), stream: None }
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.exchange("GET", path, None, b"")
    }

    pub fn post(&mut self, path: &str, token: Option<&str>, body: &[u8]) -> Answer {
        self.exchange("POST", path, token, body)
    }

    /// Sends a request and goes away without waiting for the answer.
    pub fn post_and_leave(&mut self, path: &str, token: &str, body: &[u8], after: Duration) {
        self.send("POST", path, Some(token), body);
        std::thread::sleep(after);
        self.stream = None;
    }

    fn exchange(&mut self, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Answer {
        self.send(method, path, token, body);
        let stream = self.stream.as_mut().expect("connected");
        let (mut status, mut length, mut keep) = (0, 0, true);
        let mut line = String::new();
        loop {
            line.clear();
            stream.read_line(&mut line).expect("a line");
            let header = line.trim_end().to_ascii_lowercase();
            match header.split_once(':') {
                _ if status == 0 => status = header.split(' ').nth(1).expect("a status").parse().expect("a number"),
                None => break,
                Some(("content-length", value)) => length = value.trim().parse().expect("a number"),
                Some(("connection", value)) => keep = value.trim() != "close",
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("a body");
        if !keep {
            self.stream = None;
        }
        Answer { status, body }
    }

    fn send(&mut self, method: &str, path: &str, token: Option<&str>, body: &[u8]) {
        let Self { authority, stream } = self;
        let stream = stream.get_or_insert_with(|| {
            let stream = TcpStream::connect(authority.as_str()).expect("a connection");
            stream.set_nodelay(true).expect("an option");
            stream.set_read_timeout(Some(Duration::from_secs(30))).expect("an option");
            BufReader::new(stream)
        });
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\n{token}content-length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all(&[head.as_bytes(), body].concat()).expect("it is sent");
    }
}
