//! One request and its answer, until the client has taken all of it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    Router,
    body::{Body, HttpBody},
    http::{HeaderValue, Request, Response, Version, header::CONNECTION},
};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::state::Connection;
use crate::{
    limits::Permit,
    stages::{self, Stage},
};

/// An answer goes out in pieces of this size at most: the next is asked for when the client has taken what came before, so
/// that what waits for it stays small, and whether it takes anything can be seen.
const PIECE: usize = 64 * 1024;

/// A call under way: its permit, which its answer carries until the client has taken it. Its connection is not evicted meanwhile.
#[derive(Clone)]
pub(crate) struct UnderWay {
    _marks: Arc<Marks>,
}

struct Marks {
    _permit: Permit,
    connection: Option<Arc<Connection>>,
}

impl UnderWay {
    /// `None` if the connection has just been evicted: nobody would get the answer.
    pub(crate) fn new(permit: Permit, connection: Option<Arc<Connection>>) -> Option<Self> {
        if connection.as_ref().is_some_and(|connection| !connection.call_begins()) {
            return None;
        }
        Some(Self { _marks: Arc::new(Marks { _permit: permit, connection }) })
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.call_ends();
        }
    }
}

/// In the extensions of an answer: it goes on for as long as the client likes, and breaks off at the hub's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endless;

/// Answers a request that came in on this connection, and says if it is the last one there.
pub(super) async fn exchange(
    mut app: Router,
    connection: Arc<Connection>,
    make_way: CancellationToken,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    stages::ends(Stage::Arrive);
    let version = request.version();
    let mut open = Open::new(&connection, version);
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(connection);
    let mut response = app.call(request).await?;
    if make_way.is_cancelled() && version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let under_way = response.extensions_mut().remove::<UnderWay>();
    if response.extensions_mut().remove::<Endless>().is_some() {
        open.is_endless();
    }
    open.waits_for_client(true);
    stages::ends(Stage::Answer);
    Ok(response.map(|body| Answer { body, rest: Bytes::new(), open, _under_way: under_way }))
}

/// A request that has not got its whole answer.
struct Open {
    connection: Arc<Connection>,
    request: u64,
    endless: bool,
}

impl Open {
    fn new(connection: &Arc<Connection>, version: Version) -> Self {
        let request = connection.begins(version == Version::HTTP_2);
        Self { connection: Arc::clone(connection), request, endless: false }
    }

    fn is_endless(&mut self) {
        self.connection.endless(true);
        self.endless = true;
    }

    fn waits_for_client(&self, waits: bool) {
        self.connection.answers(self.request, waits.then(Instant::now));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.endless {
            self.connection.endless(false);
        }
        self.connection.ends(self.request, Instant::now());
    }
}

/// An answer's body.
pub(super) struct Answer {
    body: Body,
    /// What of the last piece has not been asked for yet.
    rest: Bytes,
    open: Open,
    _under_way: Option<UnderWay>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            self.open.waits_for_client(polled.is_ready());
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let size = self.rest.len().min(PIECE);
        self.open.waits_for_client(true);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
