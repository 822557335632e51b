//! Which headers a provider may set, and the parsing of those that it sets.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::OutboundError;
use super::limits::Limits;

/// Headers that frame the message or steer the connection (RFC 9110, 7.6.1 and 10.1; RFC 9112, 6; RFC 9113, 8.2.2).
/// In a provider's hands they lead to another virtual host or smuggle a second request.
const HUB_HEADERS: [&str; 13] = [
    "alt-used",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Whether only the hub may set the header: one that frames the message, or any `proxy-…`.
#[must_use]
pub fn belongs_to_hub(name: &HeaderName) -> bool {
    HUB_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

/// Parses and checks a provider's headers. Messages name the header, never its value.
pub(super) fn parse(headers: &[(String, String)], limits: &Limits) -> Result<HeaderMap, OutboundError> {
    if headers.len() > limits.max_headers {
        let message = format!("{} headers are too many: send at most {}", headers.len(), limits.max_headers);
        return Err(OutboundError::InvalidRequest(message));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits.max_header_bytes {
        let message = format!("{bytes} bytes of headers are too many: send at most {}", limits.max_header_bytes);
        return Err(OutboundError::InvalidRequest(message));
    }
    let mut map = HeaderMap::with_capacity(headers.len());
    for (index, (name, value)) in headers.iter().enumerate() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            OutboundError::InvalidRequest(format!(
                "the name of header {} is not valid: use letters, digits and '-'",
                index + 1
            ))
        })?;
        if belongs_to_hub(&name) {
            let message =
                format!("the header '{name}' belongs to the hub, which sets it where it is needed: leave it out");
            return Err(OutboundError::InvalidRequest(message));
        }
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            OutboundError::InvalidRequest(format!(
                "the value of header '{name}' contains a line break or another control character: encode it"
            ))
        })?;
        map.append(name, value);
    }
    Ok(map)
}

/// Bytes of names and values together.
pub(super) fn bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len()) as u64).sum()
}
