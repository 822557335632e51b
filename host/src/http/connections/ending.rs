//! How the hub is asked to end.

use tokio_util::sync::CancellationToken;

/// How the hub is asked to end: to stop includes making way, and what ends at once has been asked to stop.
#[derive(Debug, Clone)]
pub struct Ending {
    /// No more connections, since another hub accepts them; those that are open are served until their next answer, and
    /// answers that would go on for as long as the client likes end.
    pub make_way: CancellationToken,
    /// No more requests; those under way are finished.
    pub stop: CancellationToken,
    /// Nothing is finished.
    pub at_once: CancellationToken,
}

impl Default for Ending {
    fn default() -> Self {
        let stop = CancellationToken::new();
        Self { make_way: stop.child_token(), stop, at_once: CancellationToken::new() }
    }
}
