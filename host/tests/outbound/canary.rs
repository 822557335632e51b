//! A server on loopback that counts whatever arrives: a refused request must not.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;

/// What it says to everybody.
pub const SONG: &str = "the canary sang";

/// A running canary. `/redirect/302/NAME` answers with that status and the location that [`Canary::point`] gave the name.
pub struct Canary {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    locations: Mutex<HashMap<String, String>>,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
}

impl Canary {
    /// Listens on 127.0.0.1 and, on the same port, wherever else of the loopback network the machine lets it: a request
    /// that gets past the gate to a neighbour of an allowed address shall be seen as well.
    pub fn start() -> Self {
        let first = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = first.local_addr().expect("an address").port();
        let more = ["127.0.0.2", "[::1]"].map(|addr| TcpListener::bind(format!("{addr}:{port}")));
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let routes = Router::new().fallback(answer).with_state(Arc::clone(&served));
            let all = std::iter::once(first).chain(more.into_iter().flatten()).map(|listener| {
                let (routes, shared) = (routes.clone(), Arc::clone(&served));
                async move {
                    listener.set_nonblocking(true).expect("a listener");
                    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                    let listener = listener.tap_io(move |_| {
                        shared.connections.fetch_add(1, Ordering::SeqCst);
                    });
                    axum::serve(listener, routes).await.expect("it serves");
                }
            });
            runtime.block_on(futures::future::join_all(all));
        });
        Self { port, shared }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Where `/redirect/…/NAME` leads.
    pub fn point(&self, name: &str, location: &str) {
        self.shared.locations.lock().expect("a lock").insert(name.to_owned(), location.to_owned());
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("a lock").clone()
    }

    /// Every connection so far, also one over which no request came.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

/// Closes each connection: the next request has to resolve its name again.
async fn answer(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    shared.seen.lock().expect("a lock").push(Seen { path: uri.path().to_owned() });
    let close = [(header::CONNECTION, "close")];
    let redirect = uri.path().strip_prefix("/redirect/").and_then(|rest| rest.split_once('/'));
    let Some((status, name)) = redirect else { return (close, SONG).into_response() };
    let status: StatusCode = status.parse().expect("a status");
    let location = shared.locations.lock().expect("a lock").get(name).cloned().unwrap_or_default();
    (status, close, [(header::LOCATION, location)]).into_response()
}
