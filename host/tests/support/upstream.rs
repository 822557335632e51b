//! An upstream that remembers what it was asked. It has a thread of its own, so that it answers while a test waits.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;

use super::spellings;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    headers: HeaderMap,
    pub uri: Uri,
    /// The body, where `/echo` read it.
    pub body: Bytes,
    /// Its size.
    pub body_bytes: usize,
}

impl Seen {
    /// A header's value, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The same where it need not be ASCII.
    pub fn header_bytes(&self, name: &str) -> &[u8] {
        self.headers.get(name).map_or(&[], |value| value.as_bytes())
    }
}

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    release: Arc<watch::Sender<bool>>,
}

/// `/echo` says the request's headers back in its body and `authorization` in `x-echo`; `/wait` answers once it is
/// released; `/redirect/{port}` points to that port of the same machine; `/large` answers with 400 KiB; `/repeat` repeats
/// the bearer token in every form, in headers and body.
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
            .route("/repeat", any(repeat))
            .route("/large", any(async || "x".repeat(400 << 10)))
            .fallback(echo)
            .layer(DefaultBodyLimit::disable())
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

    /// Lets `/wait` wait again.
    pub fn hold(&self) {
        self.shared.release.send_replace(false);
    }
}

fn note(shared: &Shared, uri: &Uri, headers: &HeaderMap, body: Bytes) {
    let seen = Seen { headers: headers.clone(), uri: uri.clone(), body_bytes: body.len(), body };
    shared.seen.lock().expect("a lock").push(seen);
}

async fn echo(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    note(&shared, &uri, &headers, body);
    let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let authorization = text("authorization").unwrap_or_default();
    let all: serde_json::Map<_, _> =
        headers.keys().map(|name| (name.to_string(), json!(text(name.as_str())))).collect();
    ([("x-echo", authorization)], Json(json!({ "headers": all, "uri": uri.to_string() }))).into_response()
}

async fn wait(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> &'static str {
    note(&shared, &uri, &headers, Bytes::new());
    let _ = shared.release.subscribe().wait_for(|released| *released).await;
    "released"
}

async fn redirect(State(shared): State<Shared>, uri: Uri, Path(port): Path<u16>, headers: HeaderMap) -> Response {
    note(&shared, &uri, &headers, Bytes::new());
    (StatusCode::FOUND, [(header::LOCATION, format!("http://127.0.0.1:{port}/echo"))]).into_response()
}

async fn repeat(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    note(&shared, &uri, &headers, Bytes::new());
    let value = headers[header::AUTHORIZATION].to_str().expect("text").trim_start_matches("Bearer ");
    let forms = [spellings::of(value), spellings::base64(value)].concat();
    let mut response = forms.join("\n").into_response();
    for form in forms {
        response.headers_mut().append("x-echo", form.parse().expect("a header value"));
    }
    response
}
