//! Which headers a provider may set, and the parsing of those that it sets.

use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::error::OutboundError;
use super::limits::Limits;
use super::steering;

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

/// Whether a header asks for a piece of an answer, or for the difference to another one: `range` and `if-range` (RFC 9110,
/// 14.2 and 13.1.5), those that some servers take beside them (`request-range`, `x-ms-range`), and `a-im` (RFC 3229).
fn asks_for_a_piece(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "a-im" || name == "range" || (name.ends_with("-range") && name != CONTENT_RANGE.as_str())
}

/// Has a request ask for a whole answer, in no content coding and in the server's own character set.
///
/// # Errors
/// [`OutboundError::InvalidRequest`] if it asks for a piece.
pub(super) fn ask_for_the_whole(headers: &mut HeaderMap) -> Result<(), OutboundError> {
    if let Some(name) = headers.keys().find(|name| asks_for_a_piece(name)) {
        let message = format!(
            "the header '{name}' asks for a piece of an answer, which could hold a piece of a secret that this host has got: \
             leave it out and ask for less in the URL"
        );
        return Err(OutboundError::InvalidRequest(message));
    }
    // Replaced and not refused: libraries set them without being asked, and may get this for an answer anyway.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(ACCEPT_CHARSET);
    for value in headers.iter_mut().filter_map(|(name, value)| (name == ACCEPT).then_some(value)) {
        if steering::holds(value.as_bytes(), b"charset") {
            *value = without_charset(value);
        }
    }
    Ok(())
}

/// What an `accept` asks for, in whatever character set.
fn without_charset(accept: &HeaderValue) -> HeaderValue {
    let kept = |range: &[u8]| {
        let names_one = |piece: &&[u8]| !steering::holds(piece, b"charset");
        range.split(|byte| *byte == b';').filter(names_one).collect::<Vec<_>>().join(&b';')
    };
    let ranges = accept.as_bytes().split(|byte| *byte == b',').map(kept).collect::<Vec<_>>().join(&b',');
    // What has been a header's value is one without some of its parts too.
    let mut value = HeaderValue::from_bytes(&ranges).unwrap_or(HeaderValue::from_static("*/*"));
    value.set_sensitive(accept.is_sensitive());
    value
}

/// Character sets in which a secret, which is ASCII, is the same bytes, or UTF-16; by their beginnings, with nothing but
/// letters and digits.
const READABLE: [&str; 26] = [
    "ascii",
    "usascii",
    "ansix34",
    "utf8",
    "utf16",
    "ucs2",
    "iso8859",
    "latin",
    "windows125",
    "windows874",
    "windows31j",
    "cp125",
    "cp437",
    "cp85",
    "cp86",
    "cp874",
    "koi8",
    "macintosh",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "shiftjis",
    "sjis",
    "euc",
    "tis620",
];

/// Whether a `content-type` names a character set in which nobody would recognise a secret, or one that cannot be read.
fn is_in_strange_letters(content_type: &HeaderValue) -> bool {
    let text = String::from_utf8_lossy(content_type.as_bytes()).to_ascii_lowercase();
    text.split("charset").skip(1).any(|rest| {
        let Some(value) = rest.trim_start().strip_prefix('=') else { return true };
        let end = |letter: char| matches!(letter, ';' | ',');
        let name: String =
            value.split(end).next().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
        !name.is_empty() && !READABLE.iter().any(|readable| name.starts_with(readable))
    })
}

/// Why an answer cannot be searched for a secret, if it cannot: it is encoded, in strange letters, or a piece.
pub(super) fn unsearchable(status: StatusCode, headers: &HeaderMap) -> Option<&'static str> {
    let lists =
        |name: HeaderName| headers.get_all(name).into_iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let is_other = |coding: &[u8], plain: &[u8]| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(plain)
    };
    let begins = |name: HeaderName, with: &[u8]| {
        let mut values = headers.get_all(name).into_iter().map(|value| value.as_bytes().trim_ascii());
        values.any(|value| value.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with)))
    };
    if lists(CONTENT_ENCODING).any(|coding| is_other(coding, b"identity"))
        || lists(TRANSFER_ENCODING).any(|coding| is_other(coding, b"chunked"))
        || headers.contains_key("im")
    {
        return Some("it is compressed or otherwise encoded, although the request asked for it as it is");
    }
    if headers.get_all(CONTENT_TYPE).into_iter().any(is_in_strange_letters) {
        return Some("it is in a character set in which a secret would not be recognised: UTF-8 would do");
    }
    // Elsewhere `content-range` counts rows and not bytes; with 416 it says how long the whole is.
    let piece = status != StatusCode::RANGE_NOT_SATISFIABLE && begins(CONTENT_RANGE, b"bytes");
    // Who sends rows says so.
    let untold =
        status == StatusCode::PARTIAL_CONTENT && headers.get_all(CONTENT_RANGE).into_iter().all(HeaderValue::is_empty);
    (piece || untold || begins(CONTENT_TYPE, b"multipart/byteranges"))
        .then_some("it is a piece of an answer, although the request asked for the whole")
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
        if steering::in_header(name.as_str()) {
            let message = format!(
                "the header '{name}' asks for another method, URL or host than the gate has checked: leave it out, and send the \
                 request that is meant"
            );
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
