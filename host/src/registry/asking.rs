//! How the one task that reloads is asked to.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{current::Registry, outcome::Reloaded};
use crate::config::ConfigError;

/// So many may wait to be heard. Whoever comes then waits to wait.
const QUEUE: usize = 16;

/// What came of a reload: what it changed, or why the config cannot be used.
pub type Report = Result<Reloaded, ConfigError>;

/// Where an answer is waited for.
pub(super) type Reply = oneshot::Sender<Report>;

/// Who asks for reloads.
#[derive(Debug, Clone)]
pub struct Reloads {
    registry: Arc<Registry>,
    asks: mpsc::Sender<Reply>,
}

/// What they ask, for the task that reloads.
#[derive(Debug)]
pub struct Asked(mpsc::Receiver<Reply>);

impl Asked {
    /// The next; `None` when nobody is left who could ask.
    pub(super) async fn next(&mut self) -> Option<Reply> {
        self.0.recv().await
    }
}

impl Reloads {
    /// Those of a registry, and what goes to the task that reloads it.
    #[must_use]
    pub fn of(registry: Arc<Registry>) -> (Self, Asked) {
        let (asks, asked) = mpsc::channel(QUEUE);
        (Self { registry, asks }, Asked(asked))
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
            self.asks.send(reply).await.ok()?;
            answer.await.ok()
        });
        if let Ok(Some(report)) = answered.await {
            return report;
        }
        let so_far = Reloaded::between(&since, &self.registry.snapshot());
        Ok(Reloaded { loading: self.registry.loads.providers(), ..so_far })
    }
}
