//! How long what was read from a vault is used.

use std::time::Duration;

/// Short, so that a rotated secret is in use well within 60 s (G4).
pub(super) const FRESH_FOR: Duration = Duration::from_secs(5);
