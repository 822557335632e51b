//! What the hub is compared with: a server that does nothing but HTTP and JSON.

use std::io::Read as _;

use axum::{Json, Router, routing::post, serve::ListenerExt as _};
use serde_json::Value;
use tokio::net::TcpListener;

/// Serves until standard input ends. Says first where.
pub(crate) fn serve() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let app = Router::new().route("/echo", post(|Json(value): Json<Value>| async { Json(value) }));
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        axum::serve(listener, app).with_graceful_shutdown(async { drop(end.await) }).await?;
        Ok(())
    })
}
