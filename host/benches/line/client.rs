//! The load: connections that send the same request again and again, and as little else as possible.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a run measured.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) per_second: f64,
}

/// Sends `request` over `concurrent` connections for as long as `time`.
pub(crate) async fn load(
    address: String,
    request: Vec<u8>,
    concurrent: usize,
    time: Duration,
) -> anyhow::Result<Figures> {
    let started = Instant::now();
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..concurrent {
        connections.spawn(connection(address.clone(), request.clone(), started + time));
    }
    let mut latencies = Vec::new();
    while let Some(ended) = connections.join_next().await {
        latencies.extend(ended??);
    }
    let elapsed = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    let calls = f64::from(u32::try_from(latencies.len())?);
    Ok(Figures { p50_ms: at(50), p99_ms: at(99), per_second: calls / elapsed })
}

async fn connection(address: String, request: Vec<u8>, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut buffer = vec![0; 16 * 1024];
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(&request).await?;
        answer(&mut stream, &mut buffer).await?;
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

/// Reads one answer; anything but a 200 ends the run.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the server closed the connection or its answer is too long");
        filled += read;
        let text = String::from_utf8_lossy(&buffer[..filled]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        ensure!(head.starts_with("HTTP/1.1 200"), "not a 200: {text}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("an answer without content-length")?.parse()?;
        if body.len() >= length {
            ensure!(!body.contains("\"isError\":true"), "an error: {body}");
            return Ok(());
        }
    }
}
