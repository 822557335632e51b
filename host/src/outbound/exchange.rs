//! One request and its answer, with a size cap.

use http::HeaderMap;

use super::error::OutboundError;
use super::failure::explain;
use super::headers;
use super::limits::Limits;
use super::message::{Method, OutboundResponse};
use super::permitted::Permitted;
use super::resolver::for_target;

/// Most that is reserved for a body on the word of its `content-length`.
const MAX_RESERVED: u64 = 64 * 1024;

/// Sends `request` and reads the whole answer, at most as much of it as the cap allows. Takes as long as it takes.
pub(super) async fn run(
    client: &reqwest::Client,
    limits: &Limits,
    request: Permitted,
) -> Result<OutboundResponse, OutboundError> {
    let Permitted { method, target, url, headers, body, timeout: _, max_response_bytes: limit } = request;
    let mut outgoing = reqwest::Request::new(method.into(), url);
    *outgoing.headers_mut() = headers;
    *outgoing.body_mut() = body.map(Into::into);

    let answer = for_target(target.clone(), client.execute(outgoing)).await;
    let mut answer = answer.map_err(|error| explain(error, &target))?;
    let header_bytes = headers::bytes(answer.headers());
    if header_bytes > limits.max_header_bytes as u64 {
        return Err(OutboundError::TooLarge { limit: limits.max_header_bytes as u64 });
    }
    let too_large = OutboundError::TooLarge { limit };
    let room = limit.checked_sub(header_bytes).ok_or_else(|| too_large.clone())?;
    // The answer to HEAD announces the body that GET would bring (RFC 9110, 9.3.2).
    let announced = if method == Method::Head { 0 } else { answer.content_length().unwrap_or(0) };
    if announced > room {
        return Err(too_large);
    }
    let status = answer.status().as_u16();
    let headers = readable(answer.headers());
    let mut body = Vec::with_capacity(usize::try_from(announced.min(MAX_RESERVED)).unwrap_or(0));
    while let Some(chunk) = answer.chunk().await.map_err(|error| explain(error, &target))? {
        if (body.len() + chunk.len()) as u64 > room {
            // Dropping the answer closes the connection: the rest is never read.
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(OutboundResponse { status, headers, body })
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
