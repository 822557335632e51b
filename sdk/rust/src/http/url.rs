//! The little that building a URL needs.

use std::fmt::Write;

/// Percent-encodes everything but RFC 3986's unreserved characters: safe as a path segment, a query key or value.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Decodes `%XX`. `None` if an escape is malformed or the result is not UTF-8.
#[must_use]
pub fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
            out.push(digit()? << 4 | digit()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// The host and port of a URL, for messages: `app.netdata.cloud`, `127.0.0.1:19999`.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_round_trips() {
        let text = "a b/ü&=?~.%";
        assert_eq!(percent_encode(text), "a%20b%2F%C3%BC%26%3D%3F~.%25");
        assert_eq!(percent_decode(&percent_encode(text)).as_deref(), Some(text));
        assert_eq!(percent_decode("%4"), None);
        assert_eq!(percent_decode("%FF"), None);
    }

    #[test]
    fn authority_is_host_and_port() {
        assert_eq!(authority("http://127.0.0.1:19999/api?x"), "127.0.0.1:19999");
        assert_eq!(authority("https://a.example"), "a.example");
    }
}
