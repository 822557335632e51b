//! An identity provider on loopback: its keys, and tokens as it writes them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    hello::HELLO,
    hub::{Hub, VIEWER},
    jwt::{claims, with},
};

pub const ISSUER: &str = "https://ref.supabase.example/auth/v1";
pub const AUDIENCE: &str = "https://hub.example";

/// An identity provider's key set on loopback.
pub struct Jwks {
    pub url: String,
    document: Arc<Mutex<Option<Value>>>,
    fetches: Arc<AtomicUsize>,
}

impl Jwks {
    /// Serves these keys.
    pub fn start(keys: &[Value]) -> Self {
        Self::start_slow(keys, Duration::ZERO)
    }

    /// The same, where each answer takes its time.
    pub fn start_slow(keys: &[Value], time: Duration) -> Self {
        let (document, fetches) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
        let (served, counted) = (Arc::clone(&document), Arc::clone(&fetches));
        let answer = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let document = served.lock().expect("a lock").clone();
            async move {
                tokio::time::sleep(time).await;
                document.map_or(Err(StatusCode::INTERNAL_SERVER_ERROR), |document| Ok(axum::Json(document)))
            }
        };
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        tokio::spawn(async { axum::serve(listener, Router::new().route("/jwks.json", get(answer))).await });
        let jwks = Self { url, document, fetches };
        jwks.publish(keys);
        jwks
    }

    /// Replaces the keys; none at all is an answer of 500.
    pub fn publish(&self, keys: &[Value]) {
        *self.document.lock().expect("a lock") = (!keys.is_empty()).then(|| json!({ "keys": keys }));
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// A hub that accepts the tokens of this issuer.
    pub fn hub(&self, audience: &str) -> Hub {
        Hub::start_with(HELLO, &["--jwks-url", &self.url, "--issuer", ISSUER, "--audience", audience])
    }
}

/// Claims as Supabase writes them.
pub fn supabase(audience: &str) -> Value {
    let mut claims = with(with(claims(VIEWER), "iss", json!(ISSUER)), "aud", json!(audience));
    claims["role"] = json!("authenticated");
    claims["session_id"] = json!(Uuid::new_v4());
    claims["app_metadata"]["team"] = json!("platform");
    claims
}

pub fn header(alg: &str, kid: &str) -> Value {
    json!({ "alg": alg, "typ": "JWT", "kid": kid })
}
