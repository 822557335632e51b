//! What ties together everything that belongs to one request.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use uuid::Uuid;

/// Ties log lines, events and answers together: 1 to 128 of `[A-Za-z0-9._:-]`.
/// Clones are the same id.
#[derive(Debug, Clone)]
pub struct CorrelationId(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: Box<str>,
    /// The id itself, if the hub made it.
    made: Option<Uuid>,
    /// Whether an operation is called by it already.
    is_taken: AtomicBool,
}

impl CorrelationId {
    /// The caller's id if it is a proper one, otherwise a fresh one.
    #[must_use]
    pub fn accept(given: Option<&str>) -> Self {
        let proper = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
        };
        let (text, made): (Box<str>, _) = if let Some(given) = given.filter(proper) {
            (given.into(), None)
        } else {
            let made = Uuid::now_v7();
            (made.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned().into(), Some(made))
        };
        Self(Arc::new(Inner { text, made, is_taken: AtomicBool::new(false) }))
    }

    /// An id for an operation of this request. The first has the request's own if the hub made that: almost every request is
    /// one operation, which then needs one id and is found by it.
    #[must_use]
    pub fn operation(&self) -> Uuid {
        let own = self.0.made.filter(|_| !self.0.is_taken.swap(true, Ordering::Relaxed));
        own.unwrap_or_else(Uuid::now_v7)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

    #[test]
    fn one_operation_has_the_id_that_the_hub_made_and_none_that_of_a_caller() {
        let made = CorrelationId::accept(None);
        let again = made.clone();
        assert_eq!(made.operation().to_string(), made.as_str());
        assert_ne!(again.operation().to_string(), made.as_str());
        let given = Uuid::now_v7().to_string();
        assert_ne!(CorrelationId::accept(Some(&given)).operation().to_string(), given);
    }
}
