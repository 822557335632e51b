//! An upstream that remembers what it was asked. It has a thread of its own, so that it answers while a test waits.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    headers: HeaderMap,
}

impl Seen {
    /// A header's value, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    release: Arc<watch::Sender<bool>>,
}

/// `/echo` says the request's headers back in its body and `authorization` in `x-echo`; `/wait` answers once it is
/// released; `/redirect/{port}` points to that port of the same machine.
pub struct Upstream {
    pub address: SocketAddr,
    shared: Shared,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let shared = Shared { seen: Arc::default(), release: Arc::new(watch::Sender::new(false)) };
        let routes = Router::new()
            .route("/echo", any(echo))
            .route("/wait", any(wait))
            .route("/redirect/{port}", any(redirect))
            .fallback(echo)
            .with_state(shared.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, routes).await.expect("it serves");
            });
        });
        Self { address, shared }
    }

    /// As an entry of `allowed_hosts`.
    pub fn host(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("a lock").clone()
    }

    /// Lets every `/wait` answer, now and later.
    pub fn release(&self) {
        self.shared.release.send_replace(true);
    }
}

fn note(shared: &Shared, headers: &HeaderMap) {
    shared.seen.lock().expect("a lock").push(Seen { headers: headers.clone() });
}

async fn echo(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    note(&shared, &headers);
    let text = |name: &str| headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    let authorization = text("authorization").unwrap_or_default();
    let all: serde_json::Map<_, _> =
        headers.keys().map(|name| (name.to_string(), json!(text(name.as_str())))).collect();
    ([("x-echo", authorization)], Json(json!({ "headers": all, "uri": uri.to_string() }))).into_response()
}

async fn wait(State(shared): State<Shared>, headers: HeaderMap) -> &'static str {
    note(&shared, &headers);
    let _ = shared.release.subscribe().wait_for(|released| *released).await;
    "released"
}

async fn redirect(State(shared): State<Shared>, Path(port): Path<u16>, headers: HeaderMap) -> Response {
    note(&shared, &headers);
    (StatusCode::FOUND, [(header::LOCATION, format!("http://127.0.0.1:{port}/echo"))]).into_response()
}
