//! How the one task that reloads is asked to, and told what admins have done to providers.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{current::Registry, outcome::Reloaded};
use crate::{
    config::ConfigError,
    store::overrides::{Override, Overrides},
};

/// So many may wait to be heard. Whoever comes then waits to wait.
const QUEUE: usize = 16;
/// How often it is looked whether another hub's admin has done something.
const LOOK: Duration = Duration::from_secs(2);

/// What came of a reload: what it changed, or why the config cannot be used.
pub type Report = Result<Reloaded, ConfigError>;

/// Where an answer is waited for.
pub(super) type Reply = oneshot::Sender<Report>;

/// What is asked of the task that reloads.
#[derive(Debug)]
pub(super) enum Ask {
    /// To read everything anew.
    Reload(Reply),
    /// To have these overrides hold and no others. It says when they do, which is before anything has loaded.
    Impose(Vec<Override>, oneshot::Sender<()>),
}

/// Who asks for reloads, and does what admins want done to providers.
#[derive(Debug, Clone)]
pub struct Reloads {
    pub(super) registry: Arc<Registry>,
    pub(super) overrides: Overrides,
    asks: mpsc::Sender<Ask>,
    /// Held by the one who changes overrides, or looks at them, until they hold.
    pub(super) one_at_a_time: Arc<Mutex<()>>,
}

/// What they ask, for the task that reloads.
#[derive(Debug)]
pub struct Asked(mpsc::Receiver<Ask>);

impl Asked {
    /// The next; `None` when nobody is left who could ask.
    pub(super) async fn next(&mut self) -> Option<Ask> {
        self.0.recv().await
    }
}

impl Reloads {
    /// Those of a registry, and what goes to the task that reloads it.
    #[must_use]
    pub fn of(registry: Arc<Registry>, overrides: Overrides) -> (Self, Asked) {
        let (asks, asked) = mpsc::channel(QUEUE);
        (Self { registry, overrides, asks, one_at_a_time: Arc::default() }, Asked(asked))
    }

    /// Reads the config and every component anew, tries again what failed for a reason that may have passed, and gives what
    /// came of it: for providers that take longer to load than `wait`, that they are loading.
    ///
    /// # Errors
    /// When the config itself cannot be used. What was serving goes on serving.
    pub async fn reload(&self, wait: Duration) -> Report {
        let (reply, answer) = oneshot::channel();
        let since = self.registry.snapshot();
        let answered = timeout(wait, async {
            // It ends with the hub.
            self.asks.send(Ask::Reload(reply)).await.ok()?;
            answer.await.ok()
        });
        if let Ok(Some(report)) = answered.await {
            return report;
        }
        let so_far = Reloaded::between(&since, &self.registry.snapshot());
        Ok(Reloaded { loading: self.registry.loads.providers(), ..so_far })
    }

    /// Has these overrides hold. False if the hub ends.
    pub(super) async fn impose(&self, all: Vec<Override>) -> bool {
        let (applied, answer) = oneshot::channel();
        self.asks.send(Ask::Impose(all, applied)).await.is_ok() && answer.await.is_ok()
    }

    /// Looks what admins of other hubs have done that share the database, until `end` is cancelled.
    pub async fn follow(self, end: CancellationToken) {
        let mut is_told = false;
        loop {
            tokio::select! {
                () = sleep(LOOK) => {}
                () = end.cancelled() => return,
            }
            let _one_at_a_time = self.one_at_a_time.lock().await;
            match self.overrides.all().await {
                Ok(all) => {
                    is_told = false;
                    if !self.registry.imposed().are(&all) && !self.impose(all).await {
                        return;
                    }
                }
                // What is known holds on.
                Err(error) if !is_told => {
                    tracing::error!(%error, "nobody can say what admins have done to providers meanwhile");
                    is_told = true;
                }
                Err(_) => {}
            }
        }
    }
}
