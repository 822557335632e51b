//! One request and its answer, with a size cap.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};

use super::cap::{Exchange, Share, Socket};
use super::client::{self, Client};
use super::error::OutboundError;
use super::failure;
use super::headers;
use super::limits::Limits;
use super::message::{Method, OutboundResponse};
use super::meter::ByteMeter;
use super::permitted::Permitted;
use super::target::Target;

/// Most that is reserved for a body on the word of its `content-length`.
const MAX_RESERVED: u64 = 64 * 1024;

/// Sends `request` and reads the whole answer, at most as much of it as the cap allows. Takes as long as it takes.
pub(super) async fn run(
    client: &Client,
    limits: &Limits,
    share: &Share,
    request: Permitted,
) -> Result<OutboundResponse, OutboundError> {
    let (method, target, limit) = (request.method, request.target.clone(), request.max_response_bytes);
    let (meter, searched) = (request.meter.clone(), request.searched);
    let exchange = share.begin(&target);
    let answer = client.request(outgoing(request)?).await.map_err(|error| failure::no_answer(&error, &target))?;
    let (head, body) = answer.into_parts();
    // Over HTTP/1.1 the client has counted them already.
    if head.headers.len() > limits.max_headers {
        return Err(failure::large_head(&target));
    }
    if searched && let Some(why) = headers::unsearchable(head.status, &head.headers) {
        return Err(failure::unsearchable(&target, why));
    }
    let header_bytes = headers::bytes(&head.headers);
    if header_bytes > limits.max_header_bytes as u64 {
        return Err(OutboundError::TooLarge { limit: limits.max_header_bytes as u64 });
    }
    take(meter.as_deref(), header_bytes)?;
    let room = limit.checked_sub(header_bytes).ok_or(OutboundError::TooLarge { limit })?;
    // The answer to HEAD announces the body that GET would bring (RFC 9110, 9.3.2).
    let announced = if method == Method::Head { 0 } else { body.size_hint().exact().unwrap_or(0) };
    if announced > room {
        return Err(OutboundError::TooLarge { limit });
    }
    let body =
        read(body, announced, room, meter.as_deref(), &target).await?.ok_or(OutboundError::TooLarge { limit })?;
    if let Some(socket) = head.extensions.get::<Arc<Socket>>() {
        exchange.is_over(socket);
    }
    Ok(OutboundResponse { status: head.status.as_u16(), headers: readable(&head.headers), body })
}

/// An answer that is read as it comes, by whoever knows how much that may be.
#[derive(Debug)]
pub struct OpenAnswer<'a> {
    status: u16,
    body: Incoming,
    target: Target,
    _exchange: Exchange<'a>,
}

impl OpenAnswer<'_> {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What comes next; `None` at the end.
    ///
    /// # Errors
    /// When it breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, OutboundError> {
        while let Some(frame) = self.body.frame().await {
            // Trailers are read over.
            if let Ok(data) = frame.map_err(|error| failure::broken_off(&error, &self.target))?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// Sends `request` and gives the answer when its head is there.
pub(super) async fn open<'a>(
    client: &Client,
    share: &'a Share,
    request: Permitted,
) -> Result<OpenAnswer<'a>, OutboundError> {
    let target = request.target.clone();
    let exchange = share.begin(&target);
    let answer = client.request(outgoing(request)?).await.map_err(|error| failure::no_answer(&error, &target))?;
    let (head, body) = answer.into_parts();
    Ok(OpenAnswer { status: head.status.as_u16(), body, target, _exchange: exchange })
}

fn outgoing(request: Permitted) -> Result<Request<Full<Bytes>>, OutboundError> {
    let Permitted { method, url, mut headers, body, .. } = request;
    let uri: Uri = url.as_str().parse().map_err(|_| {
        OutboundError::InvalidRequest("the URL has characters that HTTP cannot send: percent-encode them".to_owned())
    })?;
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(client::USER_AGENT));
    if body.as_ref().is_some_and(|body| !body.is_empty()) {
        // A server that leaves it unread takes it for the next request: over HTTP/1.1 there is none, neither of the server's
        // making nor of another call's. HTTP/2 keeps requests apart, and the client leaves this out there.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let mut outgoing = Request::new(Full::new(body.unwrap_or_default()));
    *outgoing.method_mut() = method.into();
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// The whole body, or nothing if it is longer than `room`: then the rest is never read, because dropping the body closes
/// the connection.
async fn read(
    mut body: Incoming,
    announced: u64,
    room: u64,
    meter: Option<&ByteMeter>,
    target: &Target,
) -> Result<Option<Vec<u8>>, OutboundError> {
    let mut read = Vec::with_capacity(usize::try_from(announced.min(MAX_RESERVED)).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        // Trailers are read over.
        let Ok(data) = frame.map_err(|error| failure::broken_off(&error, target))?.into_data() else { continue };
        if (read.len() + data.len()) as u64 > room {
            return Ok(None);
        }
        take(meter, data.len() as u64)?;
        read.extend_from_slice(&data);
    }
    Ok(Some(read))
}

/// Counts bytes of the answer against what the call may receive.
fn take(meter: Option<&ByteMeter>, bytes: u64) -> Result<(), OutboundError> {
    if meter.is_none_or(|meter| meter.take(bytes)) { Ok(()) } else { Err(OutboundError::BudgetExhausted) }
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
