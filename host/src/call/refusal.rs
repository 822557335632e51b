//! What is refused: before there is a call, and on the line.

use std::sync::Arc;

use chrono::Utc;

use super::{CallError, Hub, hub::READ_ROLE};
use crate::{
    audit::{AuditError, Event, ForOutbox, Sharing, Usage},
    identity::{Caller, IdentityError},
    names::{CorrelationId, OperationKind, Surface},
};

impl Hub {
    /// Authenticates what a caller shows as its bearer token. A refusal is on record when this returns.
    ///
    /// # Errors
    /// When there is no token or it is not valid.
    pub async fn authenticate(
        self: &Arc<Self>,
        shown: Result<&str, IdentityError>,
        surface: Surface,
        correlation_id: &CorrelationId,
    ) -> Result<Arc<Caller>, CallError> {
        let verified = match shown {
            Ok(token) => self.parts.identity.verify(token).await,
            Err(error) => Err(error),
        };
        match verified {
            Ok(caller) => Ok(caller),
            Err(error) => {
                Err(self.refuse(error.into(), OperationKind::Authenticate, None, surface, correlation_id).await)
            }
        }
    }

    /// Records a refusal that comes before there is a call: no identity, or a message that nothing can be read from.
    /// Gives back the error to answer with. A caller without a role is told that and nothing else, and one that is refused
    /// too often is told that.
    pub async fn refuse(
        self: &Arc<Self>,
        error: CallError,
        operation: OperationKind,
        caller: Option<&Caller>,
        surface: Surface,
        correlation_id: &CorrelationId,
    ) -> CallError {
        if self.parts.audit.turn_away().is_some() {
            return AuditError::Refusing.into();
        }
        let error = match caller {
            Some(caller) if caller.role.is_none() => CallError::Forbidden { needed: READ_ROLE.into(), has: None },
            _ => error,
        };
        let error = self.count_refusal(caller, error);
        let event = Event {
            id: correlation_id.operation(),
            created_at: Utc::now(),
            provider: None,
            tool: None,
            caller_id: caller.map(|caller| caller.user),
            caller_role: caller.and_then(|caller| caller.role),
            team: caller.and_then(|caller| caller.team.clone()),
            payload: None,
            result: None,
            outcome: error.outcome(),
            error_code: Some(error.code()),
            error: Some(error.to_string()),
            duration_ms: 0,
            hostname: None,
            operation,
            surface,
            correlation_id: correlation_id.to_string(),
            revision: None,
            replays: None,
            times: 1,
            used: Usage::default(),
            severity: None,
            sharing: Sharing::Second,
            quotas: Vec::new(),
            outbox: ForOutbox::default(),
        };
        let hub = Arc::clone(self);
        // In a task of its own, like a call: a client that has gone is on record too.
        match self.calls.spawn(async move { hub.record(event).await }).await {
            Ok(Ok(_)) => error,
            Ok(Err(error)) => error.into(),
            Err(broken) => {
                tracing::error!(error = %broken, "a refusal's task broke");
                CallError::Internal
            }
        }
    }

    /// Counts what a caller is refused; gives the error to answer with, which is another when it is one too many.
    pub(super) fn count_refusal(&self, caller: Option<&Caller>, error: CallError) -> CallError {
        let Some(caller) = caller else { return error };
        match error {
            // What is no fault of the caller's.
            CallError::NotRecorded(_)
            | CallError::Internal
            | CallError::Run(_)
            | CallError::Trail(_)
            | CallError::ConfigRefused(_)
            | CallError::OverrideNotKept(_)
            | CallError::TooOften(_) => error,
            _ => self.often.refused(caller.user).map_or_else(CallError::from, |()| error),
        }
    }
}
