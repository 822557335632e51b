//! Whether the hub should get calls: for whoever spreads them over several hubs, or waits for one that starts.

use super::Hub;
use crate::registry::Awaited;

/// Why the hub should get no calls for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// It ends: what is under way goes on, nothing else should come.
    #[error("the hub is ending: send calls to another one, or wait until it is back")]
    Ending,
    /// Nothing can be recorded, so nothing would begin.
    #[error("nothing can be recorded, so nothing begins: GET /health with a token says why")]
    NothingRecorded,
    /// It has not read its config yet.
    #[error("the config is not loaded yet: wait")]
    NoConfig,
    /// Providers that are served are not ready yet.
    #[error("still loading: {0}: wait")]
    Loading(String),
}

impl Hub {
    /// Why the hub should get no calls for now; empty if it should. What is wrong with single providers or a newer config is no
    /// reason: all the rest serves.
    #[must_use]
    pub fn not_ready(&self) -> Vec<NotReady> {
        let ending = self.parts.end.is_cancelled().then_some(NotReady::Ending);
        let recording = self.parts.audit.refusal().map(|_| NotReady::NothingRecorded);
        let loading = self.parts.registry.awaited().map(|awaited| match awaited {
            Awaited::Config => NotReady::NoConfig,
            Awaited::Providers(names) => {
                NotReady::Loading(names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
        });
        ending.into_iter().chain(recording).chain(loading).collect()
    }
}
