//! What ties together everything that belongs to one request.

use std::{fmt, sync::Arc};

use uuid::Uuid;

/// Ties log lines, events and answers together: 1 to 128 of `[A-Za-z0-9._:-]`.
/// Clones are the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// The caller's id if it is a proper one, otherwise a fresh one.
    #[must_use]
    pub fn accept(given: Option<&str>) -> Self {
        let proper = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
        };
        let mut fresh = Uuid::encode_buffer();
        Self(given.filter(proper).unwrap_or_else(|| Uuid::now_v7().hyphenated().encode_lower(&mut fresh)).into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_improper_correlation_id_is_replaced() {
        assert_eq!(CorrelationId::accept(Some("req-1.a:b_c")).as_str(), "req-1.a:b_c");
        for improper in [None, Some(""), Some("a b"), Some("a\nb"), Some("ä"), Some(&*"x".repeat(129))] {
            let fresh = CorrelationId::accept(improper);
            assert!(fresh.as_str().parse::<Uuid>().is_ok(), "{improper:?}");
        }
    }
}
