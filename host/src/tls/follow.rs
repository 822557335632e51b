//! The settings in use, and the files that they follow.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::files::{Look, TlsError, TlsFiles};

/// How often the files are looked at. What has not changed from one look to the next is whole: a certificate and its key are
/// two files, and nobody writes both at once.
const LOOK: Duration = Duration::from_secs(1);

/// TLS as it is now.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    /// How the files looked just before they were first read.
    first: Look,
    /// Why what the files hold now is not in use.
    problem: Mutex<Option<String>>,
}

impl Tls {
    /// TLS with these files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let first = files.look();
        let current = ArcSwap::from_pointee(files.load()?);
        Ok(Self { files, current, first, problem: Mutex::default() })
    }

    /// The handshake with a client. How long it may take is the caller's to say.
    ///
    /// # Errors
    /// When it fails: the client speaks no TLS, trusts another authority, or has no certificate where one is asked for.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        TlsAcceptor::from(self.current.load_full()).accept(stream).await
    }

    /// Why the files as they are now are not in use, but what they held before; `None` while all is well.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Follows the files until `end`. Connections keep what they began with.
    pub async fn follow(self: Arc<Self>, end: CancellationToken) {
        let mut due = interval(LOOK);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut in_use, mut last) = (self.first.clone(), self.first.clone());
        loop {
            tokio::select! {
                _ = due.tick() => {}
                () = end.cancelled() => return,
            }
            let this = Arc::clone(&self);
            let Ok(look) = spawn_blocking(move || this.files.look()).await else { return };
            let is_settled = look == last;
            last = look;
            if is_settled && (last != in_use || self.problem().is_some()) {
                in_use = last.clone();
                let this = Arc::clone(&self);
                // An error means that the program ends.
                let _ = spawn_blocking(move || this.reload()).await;
            }
        }
    }

    fn reload(&self) {
        let problem = match self.files.load() {
            Ok(config) => {
                self.current.store(Arc::new(config));
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let mut known = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        match &problem {
            None => tracing::info!("new connections get the certificate that is there now"),
            Some(problem) if known.as_ref() != Some(problem) => {
                tracing::error!("the certificate from before stays in use: {problem}");
            }
            Some(_) => {}
        }
        *known = problem;
    }
}
