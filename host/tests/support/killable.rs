//! An upstream that can be killed and come back at the same address.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{Router, extract::Path, http::StatusCode, routing::any};
use tokio::runtime::Runtime;

/// `/{status}` answers with that status.
pub struct Killable {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    /// In threads of its own, so that it answers while a test waits, and nothing of it is left when it is killed.
    running: Option<Runtime>,
}

impl Killable {
    pub fn start() -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        let mut upstream = Self { address, requests: Arc::default(), running: None };
        upstream.revive();
        upstream
    }

    /// Nobody listens any more, and every connection breaks.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown_background();
        }
    }

    pub fn revive(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (address, requests) = (self.address, Arc::clone(&self.requests));
        let (listening, listens) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            // The one before it may still be going.
            let listener = loop {
                match tokio::net::TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                }
            };
            listening.send(listener.local_addr().expect("an address")).expect("somebody waits");
            let answer = async move |Path(status): Path<u16>| {
                requests.fetch_add(1, SeqCst);
                (StatusCode::from_u16(status).expect("a status"), "answered")
            };
            axum::serve(listener, Router::new().route("/{status}", any(answer))).await.expect("it serves");
        });
        self.address = listens.recv().expect("it listens");
        self.running = Some(runtime);
    }

    /// As an entry of `allowed_hosts`.
    pub fn host(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn url(&self, status: u16) -> String {
        format!("http://{}/{status}", self.address)
    }

    /// How many requests it was sent so far.
    pub fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        self.kill();
    }
}
