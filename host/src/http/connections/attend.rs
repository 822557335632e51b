//! One connection, from its first byte to its last: HTTP/1.1 or 2, within limits on heads, streams and time.

use std::{pin::pin, sync::Arc, time::Duration};

use super::{
    ending::Ending,
    exchange::exchange,
    state::{Connection, Verdict},
    watched::Watched,
};
use crate::tls::Tls;
use axum::Router;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

/// The largest head of a request, in bytes, and what is buffered of a body at a time.
const HEAD_MAX: usize = 32 * 1024;
/// The most headers of a request. HTTP/2 has no such bound of its own: there the request is refused when it is whole.
pub(crate) const HEADERS_MAX: usize = 100;
/// Requests that one HTTP/2 connection may have open at once.
const STREAMS_MAX: u32 = 64;
/// Bytes of request bodies that HTTP/2 clients may send ahead of their being read, per connection and per request.
const WINDOW: u32 = 256 * 1024;
/// Bytes of an answer that HTTP/2 keeps ready for a client.
const SEND_BUFFER: usize = 64 * 1024;
/// Requests that a client has taken back before the hub saw them: more end the connection (CVE-2023-44487).
const TAKEN_BACK_MAX: usize = 20;
/// Streams that a client made the hub reset: more end the connection (CVE-2025-8671).
const RESET_MAX: usize = 256;
/// A silent HTTP/2 client is asked whether it is still there this often, and has as long to say so.
const PING: Duration = Duration::from_secs(20);
/// How often a connection's state is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection that nobody waits for may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Serves a connection to its end, the handshake first where there is TLS. It is one of those that are open already, and has
/// as long for handshake and first head together as another has for the head. When the hub is to stop, what is open is answered,
/// and no more; when it makes way, the connection has one more answer.
pub(super) async fn attend(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    app: Router,
    connection: Arc<Connection>,
    ending: Ending,
) {
    let Some(tls) = tls else { return converse(stream, app, connection, ending).await };
    let shaken = tokio::select! {
        shaken = timeout_at(connection.first_head_due(), tls.accept(stream)) => shaken,
        () = ending.stop.cancelled() => return,
    };
    match shaken {
        Ok(Ok(stream)) => converse(stream, app, connection, ending).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Reads requests and answers them.
async fn converse<S>(stream: S, app: Router, connection: Arc<Connection>, ending: Ending)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let builder = builder();
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&connection)));
    let service =
        service_fn(|request| exchange(app.clone(), Arc::clone(&connection), ending.make_way.clone(), request));
    let mut served = pin!(builder.serve_connection(io, service));
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Since when it has been asked to end.
    let mut leaving: Option<Instant> = None;
    loop {
        tokio::select! {
            result = &mut served => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = ending.stop.cancelled(), if leaving.is_none() => {
                served.as_mut().graceful_shutdown();
                leaving = Some(Instant::now());
            }
            now = look.tick() => match (connection.verdict(now), leaving) {
                (Some(verdict @ (Verdict::SlowHead | Verdict::Stalled)), _) => {
                    tracing::debug!(?verdict, "a connection is closed");
                    return;
                }
                // HTTP/2 says that it ends without cutting anything off. HTTP/1.1 says it with an answer: `exchange`.
                (_, None) if ending.make_way.is_cancelled() && connection.is_multiplexed() => {
                    served.as_mut().graceful_shutdown();
                    leaving = Some(now);
                }
                (Some(Verdict::Idle), None) => {
                    served.as_mut().graceful_shutdown();
                    leaving = Some(now);
                }
                (_, Some(since)) if !connection.is_awaited() && now.duration_since(since) >= GOODBYE => return,
                _ => {}
            },
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Times of heads and between requests are ours (`Connection::verdict`): hyper's one timer for both would close
    // connections that proxies still count on.
    builder.http1().max_headers(HEADERS_MAX).max_buf_size(HEAD_MAX).header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX.try_into().unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(TAKEN_BACK_MAX)
        .max_local_error_reset_streams(RESET_MAX)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}
