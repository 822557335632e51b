//! Which requests are under way over HTTP, so that a client of the legacy era can cancel one.
//!
//! There are no sessions, so a request is known by its caller, its endpoint, its client's name and its id. Two clients of one caller may
//! have the same of all three at once: then neither is ended, because nobody can say which is meant.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::HeaderValue;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::names::WireForm;

/// Who sent a request, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) user: Uuid,
    /// Which endpoint it speaks to.
    pub(super) form: WireForm,
    /// `User-Agent`.
    pub(super) agent: Option<HeaderValue>,
}

/// An id is what it is in JSON: the number 2 is not the string "2".
type Key = (Client, RequestId);

/// Cancelled when the client takes its request back.
#[derive(Debug, Clone)]
pub(super) struct TakenBack(pub(super) CancellationToken);

type Table = Arc<Mutex<HashMap<Key, Vec<Arc<CancellationToken>>>>>;

/// Requests under way; no more than concurrency limits allow (`limits/concurrency.rs`), so the table is bounded.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Table);

/// A request that is in the table until this is dropped. A notification is in none.
#[derive(Debug)]
pub(super) struct Entered {
    entry: Option<(Key, Table)>,
    token: Arc<CancellationToken>,
}

impl UnderWay {
    /// Enters a request; takes one back, if that is what the message is for.
    pub(super) fn enter(&self, client: Client, message: &ClientJsonRpcMessage) -> Entered {
        match message {
            ClientJsonRpcMessage::Request(request) => self.enter_request(client, request.id.clone()),
            ClientJsonRpcMessage::Notification(notification) => {
                let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = cancelled.params.request_id.clone()
                    && let Some([only]) = table.get(&(client, id)).map(Vec::as_slice)
                {
                    only.cancel();
                }
                Entered { entry: None, token: Arc::default() }
            }
            _ => Entered { entry: None, token: Arc::default() },
        }
    }

    /// Enters a request.
    pub(super) fn enter_request(&self, client: Client, id: RequestId) -> Entered {
        let (key, token) = ((client, id), Arc::new(CancellationToken::new()));
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.entry(key.clone()).or_default().push(Arc::clone(&token));
        Entered { entry: Some((key, Arc::clone(&self.0))), token }
    }
}

impl Entered {
    /// What tells that the request is taken back.
    pub(super) fn taken_back(&self) -> TakenBack {
        TakenBack(CancellationToken::clone(&self.token))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some((key, table)) = self.entry.take() else { return };
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tokens) = table.get_mut(&key) {
            tokens.retain(|token| !Arc::ptr_eq(token, &self.token));
            if tokens.is_empty() {
                table.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(document: &str) -> ClientJsonRpcMessage {
        serde_json::from_str(document).expect("a message")
    }

    fn request(id: &str) -> ClientJsonRpcMessage {
        message(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#))
    }

    fn cancel(id: &str) -> ClientJsonRpcMessage {
        let document =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
        message(&document)
    }

    #[test]
    fn a_request_is_taken_back_by_its_own_client_alone() {
        let (all, one, other) = (UnderWay::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let (dotted, flat) = (WireForm::Dotted, WireForm::Flat);
        let client =
            |user, form, name: &'static str| Client { user, form, agent: Some(HeaderValue::from_static(name)) };
        let entered = all.enter(client(one, dotted, "a"), &request("7"));
        for (user, form, name, id) in [
            (other, dotted, "a", "7"),
            (one, flat, "a", "7"),
            (one, dotted, "b", "7"),
            (one, dotted, "a", "8"),
            (one, dotted, "a", "\"7\""),
        ] {
            all.enter(client(user, form, name), &cancel(id));
            assert!(!entered.token.is_cancelled(), "{form:?} {name} {id}");
        }
        all.enter(client(one, dotted, "a"), &cancel("7"));
        assert!(entered.token.is_cancelled());
        drop(entered);
        assert!(all.0.lock().expect("a lock").is_empty());
    }

    #[test]
    fn of_two_alike_neither_is_taken_back_and_the_one_that_is_left_is() {
        let all = UnderWay::default();
        let client = || Client { user: Uuid::nil(), form: WireForm::Flat, agent: None };
        let first = all.enter(client(), &request("7"));
        let second = all.enter(client(), &request("7"));
        all.enter(client(), &cancel("7"));
        assert!(!first.token.is_cancelled() && !second.token.is_cancelled());
        drop(first);
        all.enter(client(), &cancel("7"));
        assert!(second.token.is_cancelled());
    }
}
