//! Whether a request has reached a handler of the hub's, which records what it refuses itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, RequestId},
    service::RequestContext,
};

/// A request's own mark, set by the handler that answers it. What comes back without it was refused on the way.
#[derive(Debug, Clone)]
pub(super) struct Told {
    id: Option<RequestId>,
    answered: Arc<AtomicBool>,
}

impl Told {
    /// The mark of a message.
    pub(super) fn of(message: &ClientJsonRpcMessage) -> Self {
        Self::new(match message {
            ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        })
    }

    /// The mark of a request, or of a notification, which has no id.
    pub(super) fn new(id: Option<RequestId>) -> Self {
        Self { id, answered: Arc::default() }
    }

    /// Says that a handler of the hub's answers the request.
    pub(super) fn by_handler(context: &RequestContext<RoleServer>) {
        let over_http = || context.extensions.get::<::http::request::Parts>()?.extensions.get::<Self>();
        if let Some(told) = context.extensions.get::<Self>().or_else(over_http) {
            told.answered.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }
}
