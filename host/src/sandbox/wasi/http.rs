//! `wasi:http/outgoing-handler` on the hub's own way out.
//!
//! The crate that speaks `wasi:http` is built without its own HTTP client, so that this is the only place where a request
//! can go. A request is read whole, sent through the gate like any other, and its answer handed back whole.

use std::{
    future::{self, Future},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, header};
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use crate::{
    outbound::{Method, OutboundError, OutboundRequest, OutboundResponse, belongs_to_hub},
    sandbox::way_out::{Stopped, WayOut},
};

/// The largest request body, in bytes, as in the gate.
const BODY_MAX: usize = 10 * 1024 * 1024;
/// What a guest may write to a body before it has to wait, in bytes.
const CHUNK: usize = 64 * 1024;

type Sending<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;
type Answer = (http::Response<WasiBody>, Sending<()>);

/// The door of one call; closed while a provider describes itself.
pub(super) struct Door(Option<WayOut>);

impl Door {
    pub(super) fn new(way_out: Option<WayOut>) -> Self {
        Self(way_out)
    }
}

impl WasiHttpHooks for Door {
    // Both are needed: trailers go through the second alone.
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(forbidden)
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Sending<()>,
    ) -> Sending<Answer> {
        let Some(way_out) = self.0.clone() else { return refused(Error::HttpRequestDenied) };
        // The breach ends the call, whatever the guest is told.
        if way_out.budget.requests(1).is_err() {
            return refused(Error::HttpRequestDenied);
        }
        Box::new(async move {
            let request = read(request, options, &way_out).await?;
            let response = way_out.send(request, Duration::ZERO).await.map_err(|stopped| told(stopped, &way_out))?;
            Ok((handed_over(response)?, Box::new(future::ready(Ok(()))) as Sending<()>))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

/// The length of a body is checked against the body before it gets here, so that a guest may state it.
fn forbidden(name: &HeaderName) -> bool {
    belongs_to_hub(name) && name != header::CONTENT_LENGTH
}

fn refused(error: Error) -> Sending<Answer> {
    Box::new(future::ready(Err(error)))
}

/// The request as the gate takes it.
async fn read(
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
    way_out: &WayOut,
) -> Result<OutboundRequest, Error> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    let headers = headers.map(|(name, value)| {
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| Error::InternalError(Some(format!("the value of header '{name}' is not text: encode it"))))?;
        Ok((name.as_str().to_owned(), value.to_owned()))
    });
    let headers = headers.collect::<Result<_, Error>>()?;
    let body = read_body(body, way_out).await?;
    Ok(OutboundRequest {
        method: method(&parts.method)?,
        url: parts.uri.to_string(),
        headers,
        body: (!body.is_empty()).then_some(body),
        timeout: options.and_then(|options| {
            // The hub reads the whole answer before it hands it over: for a guest, its first byte.
            Some(options.connect_timeout.unwrap_or_default() + options.first_byte_timeout?)
        }),
    })
}

/// The body, counted against the call's budget while it arrives.
async fn read_body(mut body: WasiBody, way_out: &WayOut) -> Result<Vec<u8>, Error> {
    let mut read = Vec::new();
    while let Some(frame) = Pin::new(&mut body).frame().await {
        // Trailers are left out: the gate has no use for them.
        let Ok(data) = frame?.into_data() else { continue };
        if read.len() + data.len() > BODY_MAX {
            return Err(Error::HttpRequestBodySize(Some(BODY_MAX as u64)));
        }
        way_out.budget.request_bytes(data.len() as u64).map_err(|_| Error::HttpRequestDenied)?;
        read.extend_from_slice(&data);
    }
    Ok(read)
}

fn method(method: &http::Method) -> Result<Method, Error> {
    const ALL: [Method; 6] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];
    ALL.into_iter().find(|own| own.as_str() == method.as_str()).ok_or(Error::HttpRequestMethodInvalid)
}

fn handed_over(response: OutboundResponse) -> Result<http::Response<WasiBody>, Error> {
    let mut builder = http::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name, value.as_bytes());
    }
    let body = Full::new(Bytes::from(response.body)).map_err(|never| match never {}).boxed_unsync();
    builder.body(body).map_err(|_| Error::HttpProtocolError)
}

/// What `wasi:http` has a word for; the hub's own words go to the log.
fn told(stopped: Stopped, way_out: &WayOut) -> Error {
    let (error, mut text) = match stopped {
        Stopped::Refused(error) => (told_of(&error), error.to_string()),
        Stopped::Open(open) => (Error::DestinationUnavailable, open.to_string()),
        Stopped::Breached(_) => return Error::HttpRequestDenied,
    };
    let (provider, correlation_id) = (way_out.gates.provider.as_str(), way_out.gates.correlation_id.as_str());
    way_out.gates.secrets.scrub(&mut text);
    tracing::info!(target: "provider", provider, correlation_id, "a request over wasi:http failed: {text}");
    error
}

fn told_of(error: &OutboundError) -> Error {
    match error {
        OutboundError::InvalidRequest(text) | OutboundError::DeniedMethod(text) => {
            Error::InternalError(Some(text.clone()))
        }
        OutboundError::DeniedHost(_) | OutboundError::BudgetExhausted => Error::HttpRequestDenied,
        OutboundError::DeniedAddress(_) => Error::DestinationIpProhibited,
        OutboundError::Dns(_) => Error::DnsError { rcode: None, info_code: None },
        OutboundError::NoConnection(_) | OutboundError::Connection(_) => Error::DestinationUnavailable,
        OutboundError::Unsearchable(_) => Error::HttpResponseContentCoding(None),
        OutboundError::Crowded { .. } => Error::ConnectionLimitReached,
        OutboundError::Tls(_) => Error::TlsProtocolError,
        OutboundError::Timeout => Error::ConnectionReadTimeout,
        OutboundError::TooLarge { limit } => Error::HttpResponseBodySize(Some(*limit)),
    }
}
