//! The load: connections that send the same request again and again, and as little else as possible.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a client saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long each call took, sorted.
    latencies: Vec<Duration>,
    elapsed: Duration,
}

impl Seen {
    pub(crate) fn calls(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        // So many calls fit.
        #[expect(clippy::cast_precision_loss)]
        let calls = self.calls() as f64;
        calls / self.elapsed.as_secs_f64()
    }

    /// What so many percent of the calls took at most, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let last = self.calls().saturating_sub(1);
        self.latencies.get(last * percent / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
    }
}

/// Sends `request` over `concurrent` connections for as long as `time`.
pub(crate) async fn load(address: String, request: Vec<u8>, concurrent: usize, time: Duration) -> anyhow::Result<Seen> {
    let started = Instant::now();
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..concurrent {
        connections.spawn(connection(address.clone(), request.clone(), started + time));
    }
    let mut latencies = Vec::new();
    while let Some(ended) = connections.join_next().await {
        latencies.extend(ended??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    Ok(Seen { latencies, elapsed })
}

async fn connection(address: String, request: Vec<u8>, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut buffer = vec![0; 16 * 1024];
    let mut sent = Instant::now();
    while sent < until {
        stream.write_all(&request).await?;
        answer(&mut stream, &mut buffer).await?;
        let now = Instant::now();
        latencies.push(now - sent);
        sent = now;
    }
    Ok(latencies)
}

/// Reads one answer; anything but a 200 ends the run.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    const LENGTH: &[u8] = b"content-length: ";
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the server closed the connection or its answer is too long");
        filled += read;
        let text = &buffer[..filled];
        let Some(end) = memmem::find(text, b"\r\n\r\n") else { continue };
        let (head, body) = (&text[..end], &text[end + 4..]);
        let shown = || String::from_utf8_lossy(text);
        ensure!(head.starts_with(b"HTTP/1.1 200"), "not a 200: {}", shown());
        let length = memmem::find(head, LENGTH).context("an answer without content-length")? + LENGTH.len();
        let digits = head[length..].iter().take_while(|byte| byte.is_ascii_digit());
        let length = digits.fold(0, |length, digit| 10 * length + usize::from(digit - b'0'));
        if body.len() >= length {
            ensure!(memmem::find(body, b"\"isError\":true").is_none(), "an error: {}", shown());
            return Ok(());
        }
    }
}
