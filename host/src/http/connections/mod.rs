//! The connections that callers make: how many there may be, how long they may idle, and which one is evicted for another.
//!
//! At the cap a new connection is not refused: the lowest-priority one is evicted. Connections that wait for a
//! whole request, or whose requests were refused, go before those of authenticated callers; those with a call under way
//! never are. So a flood evicts itself, and a caller that sends its request at once is served in the middle of one.
//! There is no limit per address: behind a proxy all callers have the same.

mod attend;
mod ending;
mod exchange;
mod state;
mod watched;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) use attend::HEADERS_MAX;
pub use ending::Ending;
pub(crate) use exchange::Endless;
pub(super) use exchange::UnderWay;
pub(super) use state::Connection;

use state::{Connections, IDLE_TIME};

use crate::tls::Tls;

/// Connections that may be open at once, unless the command line says otherwise.
pub const CONNECTIONS: u32 = 1024;
/// File descriptors that are kept for everything else: 256 connections to upstreams, the database, components.
const OTHER_FILES: u32 = 384;
/// How long to wait after the system would not give a connection (no file descriptors left, for one).
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How often the log tells that connections are evicted.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// What a connection gets that cannot be taken, because all others have calls under way.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Where callers come in, and how.
#[derive(Debug)]
pub struct Entry {
    /// Where the hub listens.
    pub listener: TcpListener,
    /// TLS, where it ends here.
    pub tls: Option<Arc<Tls>>,
    /// How many connections may be open at once.
    pub most: u32,
    /// The grace period: how long calls under way may take to end when the hub stops.
    pub grace: Duration,
}

/// Serves until it is to make way or to stop, then lets what is under way finish. Connections still open after the grace period are closed.
pub(super) async fn serve(entry: Entry, app: Router, ending: Ending) {
    let Entry { listener, tls, most, grace } = entry;
    let door = Door {
        connections: Connections::new(affordable(most)),
        tls,
        app,
        tasks: TaskTracker::new(),
        ending,
        grace,
        grace_over: CancellationToken::new(),
    };
    let make_way = door.ending.make_way.clone();
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = make_way.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let crowded = door.open(stream);
                if crowded && told.is_none_or(|at| at.elapsed() > TOLD_EVERY) {
                    told = Some(Instant::now());
                    tracing::warn!(
                        "{} connections are open, as many as --max-connections allows: idle ones are evicted for new ones",
                        door.connections.most()
                    );
                }
            }
            Err(error) => after_failure(&error).await,
        }
    }
    drop(listener);
    door.close().await;
}

/// What every connection shares.
struct Door {
    connections: Connections,
    tls: Option<Arc<Tls>>,
    app: Router,
    tasks: TaskTracker,
    ending: Ending,
    grace: Duration,
    /// The grace period is over.
    grace_over: CancellationToken,
}

impl Door {
    /// Takes a connection in. True if another was evicted for it, or if it could not be taken.
    fn open(&self, stream: TcpStream) -> bool {
        // Without this, small answers in several writes wait for the peer's delayed acknowledgement, some 40 ms.
        let _ = stream.set_nodelay(true);
        let Some(admitted) = self.connections.admit() else {
            if self.tls.is_none() {
                let _ = stream.try_write(FULL);
            }
            return true;
        };
        let crowded = admitted.crowded;
        let (app, tls) = (self.app.clone(), self.tls.clone());
        let (ending, grace_over) = (self.ending.clone(), self.grace_over.clone());
        self.tasks.spawn(async move {
            let connection = Arc::clone(&admitted.connection);
            tokio::select! {
                () = attend::attend(stream, tls, app, connection, ending) => {}
                () = admitted.connection.evicted() => {}
                () = grace_over.cancelled() => {}
            }
        });
        crowded
    }

    async fn close(self) {
        self.tasks.close();
        let grace_over = async {
            // Who makes way closes idle connections after their time, as ever.
            let _ = tokio::time::timeout(IDLE_TIME, self.ending.stop.cancelled()).await;
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            () = self.tasks.wait() => return,
            () = grace_over => {
                tracing::warn!(
                    "the grace period of {} s is over: connections that are still open are closed",
                    self.grace.as_secs()
                );
            }
            () = self.ending.at_once.cancelled() => {
                tracing::warn!("the hub ends at once: connections that are still open are closed");
            }
        }
        self.grace_over.cancel();
        self.tasks.wait().await;
    }
}

/// As many connections as there are file descriptors for, after asking the system for as many as it would give.
fn affordable(most: u32) -> u32 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    let files = files.and_then(|files| u32::try_from(files).ok()).unwrap_or(u32::MAX);
    let affordable = files.saturating_sub(OTHER_FILES).max(1);
    if affordable < most {
        tracing::warn!(
            "at most {affordable} connections instead of {most}: the system allows {files} open files, raise it (ulimit -n)"
        );
    }
    most.min(affordable)
}

/// A connection that broke off before it was accepted is nobody's fault; anything else is worth a line and a pause.
async fn after_failure(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "a connection could not be accepted");
        tokio::time::sleep(AFTER_FAILURE).await;
    }
}
