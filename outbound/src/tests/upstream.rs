//! A tiny upstream on loopback, and a gate that may reach it.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::{
    Acting, Allowlist, Gate, GateOptions, HostName, Limits, Method, OutboundError, OutboundRequest, OutboundResponse,
    Resolve, Resolving,
};

/// A server that hands each connection to a script.
pub(super) struct Upstream {
    pub(super) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub(super) async fn start<F, S>(script: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(TcpStream) -> F + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(stream));
            }
        });
        Self { addr, connections }
    }

    /// Answers every request, also several on one connection, with the same text.
    pub(super) async fn answering(answer: impl Into<String>) -> Self {
        let answer = Arc::new(answer.into());
        Self::start(move |mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                while read_request(&mut stream).await.is_some() {
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Answers with the request that it got, head and body, as the body.
    pub(super) async fn echoing() -> Self {
        Self::start(|mut stream| async move {
            while let Some(request) = read_request(&mut stream).await {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.len());
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
            }
        })
        .await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A gate that may reach this server and nothing else.
    pub(super) fn gate(&self, limits: Limits) -> Gate {
        gate(&[&format!("http://{}", self.addr)], limits)
    }
}

/// One request with its body, or `None` at the end of the connection.
pub(super) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while request.len() < head + length {
        stream.read_buf(&mut request).await.ok()?;
    }
    Some(String::from_utf8_lossy(&request).into_owned())
}

pub(super) fn gate(entries: &[&str], limits: Limits) -> Gate {
    Gate::new(Allowlist::from_entries(entries.iter().copied()).unwrap(), limits).unwrap()
}

pub(super) fn gate_with(entries: &[&str], resolver: FakeResolver) -> Gate {
    let options = GateOptions { resolver: Arc::new(resolver), ..GateOptions::default() };
    Gate::new(Allowlist::from_entries(entries.iter().copied()).unwrap(), options).unwrap()
}

pub(super) fn get(url: impl Into<String>) -> OutboundRequest {
    OutboundRequest { method: Method::Get, url: url.into(), headers: Vec::new(), body: None, timeout: None }
}

/// Permits and sends within two seconds.
pub(super) async fn send(gate: &Gate, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
    gate.send(gate.permit(request, Acting::Anything)?, Instant::now() + Duration::from_secs(2)).await
}

/// Knows the names that it is given, and counts how often it is asked.
#[derive(Clone, Default)]
pub(super) struct FakeResolver {
    names: HashMap<String, Vec<Vec<IpAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl FakeResolver {
    pub(super) fn knowing(name: &str, addrs: &[&str]) -> Self {
        Self::changing(name, &[addrs])
    }

    /// Gives one answer after the other, then the last one for ever.
    pub(super) fn changing(name: &str, answers: &[&[&str]]) -> Self {
        let parsed = |addrs: &&[&str]| addrs.iter().map(|addr| addr.parse().unwrap()).collect();
        let answers = answers.iter().map(parsed).collect();
        Self { names: HashMap::from([(name.to_owned(), answers)]), asked: Arc::default() }
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for FakeResolver {
    fn resolve(&self, name: &HostName) -> Resolving {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.names.get(name.as_str());
        let found = answers.and_then(|answers| answers.get(asked).or(answers.last())).cloned();
        Box::pin(async move { found.ok_or_else(|| std::io::Error::other("unknown name")) })
    }
}
