//! What a guest says, as lines of the hub's log.

use super::{bindings::events::Level, budget::Breach, guest::LOG_LINE_MAX, way_out::WayOut};
use crate::invocation;

/// As much of a line as is looked at for secrets, in bytes: what is shown and the longest form of a secret after it.
const LOOKED_AT: usize = 64 * 1024;

impl WayOut {
    /// Writes one line under the provider's name.
    ///
    /// # Errors
    /// When the call has used up its lines.
    pub(super) fn log(&self, level: Level, mut message: String) -> Result<(), Breach> {
        self.budget.log_line()?;
        message.truncate(message.floor_char_boundary(LOOKED_AT));
        // Before it is cut, or part of a secret could stay at the end.
        self.gates.secrets.scrub(&mut message);
        // Control characters could forge lines or drive a terminal.
        let mut message: String =
            message.chars().take(LOG_LINE_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        invocation::complete(&mut message);
        let message = invocation::with_paths(&message);
        let (provider, correlation_id) = (self.gates.provider.as_str(), self.gates.correlation_id.as_str());
        match level {
            Level::Debug => tracing::debug!(target: "provider", provider, correlation_id, "{message}"),
            Level::Info => tracing::info!(target: "provider", provider, correlation_id, "{message}"),
            Level::Warn => tracing::warn!(target: "provider", provider, correlation_id, "{message}"),
            Level::Error => tracing::error!(target: "provider", provider, correlation_id, "{message}"),
        }
        Ok(())
    }
}
