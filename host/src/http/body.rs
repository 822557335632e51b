//! Bodies of requests, read within limits.

use std::time::Duration;

use axum::http::{HeaderMap, header::CONTENT_ENCODING};
use bytes::BytesMut;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::{call::InputFault, limits::Permit};

/// The largest request body, in bytes (A4).
pub const BODY_MAX: usize = 10 * 1024 * 1024;
/// How much more of a body that is too large is read and thrown away, in bytes.
const DISCARD_MAX: usize = 64 * 1024 * 1024;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(2);
/// How long a request body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(20);

/// Reads a request's body within the limits on size and time, and counts it against the caller's concurrency limit.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: axum::body::Body,
    permit: &Permit,
) -> Result<bytes::Bytes, InputFault> {
    if is_encoded(headers) {
        discard(body).await;
        return Err(InputFault::Encoded);
    }
    match tokio::time::timeout(BODY_TIME, read_within(body, permit)).await {
        Ok(read) => read,
        Err(_) => Err(InputFault::TooSlow(BODY_TIME.as_secs())),
    }
}

/// Whether the body is not what it says it is before something has been undone (RFC 9110 §8.4).
fn is_encoded(headers: &HeaderMap) -> bool {
    let is_identity =
        |coding: &[u8]| coding.trim_ascii().is_empty() || coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|codings| !codings.as_bytes().split(|byte| *byte == b',').all(is_identity))
}

async fn read_within(mut body: axum::body::Body, permit: &Permit) -> Result<bytes::Bytes, InputFault> {
    let mut limited = Limited::new(&mut body, BODY_MAX);
    let mut read = BytesMut::new();
    while let Some(frame) = limited.frame().await {
        match frame {
            // Trailers say nothing to us.
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    permit.hold(data.len())?;
                    read.extend_from_slice(&data);
                }
            }
            Err(error) if error.is::<LengthLimitError>() => {
                discard(body).await;
                return Err(InputFault::TooLarge(BODY_MAX));
            }
            Err(_) => return Err(InputFault::Malformed("the body ended early".to_owned())),
        }
    }
    Ok(read.freeze())
}

/// Reads on for a moment: a client that is still sending when the connection closes sees a reset and no answer.
pub(crate) async fn discard(body: axum::body::Body) {
    let mut rest = Limited::new(body, DISCARD_MAX);
    let _ = tokio::time::timeout(DISCARD_TIME, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
}
