//! Resource URIs, parsed once where they enter, in the one form in which they are compared (RFC 3986 §6.2.2).
//!
//! Another spelling of the same URI is refused rather than rewritten: what is listed, granted, asked for and answered is
//! the same text everywhere.

use std::fmt;

use serde::Deserialize;

/// The longest URI, in bytes.
const URI_MAX: usize = 2048;
/// The longest URI or template that a component describes or a config grants, in bytes.
const PATTERN_MAX: usize = 1024;
/// Ports that mean the same as none (RFC 3986 §6.2.3).
const DEFAULT_PORTS: [(&str, &str); 5] =
    [("http", "80"), ("https", "443"), ("ws", "80"), ("wss", "443"), ("ftp", "21")];

/// Why a text is not a resource's URI or template. Each is a clause that follows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// More bytes than this.
    #[error("is not a URI of at most {0} bytes: shorten it")]
    TooLong(usize),
    /// No `scheme:`.
    #[error("is not a URI: write `scheme://authority/path`")]
    NoScheme,
    /// A character that no URI has.
    #[error("is not a URI: percent-encode {}", .0.escape_default())]
    Character(char),
    /// Braces that are no variables.
    #[error("is not a template: a variable is `{{name}}`, of letters, digits and `_`")]
    Template,
    /// Who answers would be up to whoever asks.
    #[error("has a variable in its scheme or authority: put it into the path, as in `scheme://items/{{id}}`")]
    Variable,
    /// Scheme and authority mean the same in either case.
    #[error("has upper-case letters in its scheme or authority: write them in lower case")]
    Case,
    /// What stands between `//` and the path.
    #[error("has an authority other than a name, with or without a port that is not the scheme's own: write a name")]
    Authority,
    /// For these schemes no path means `/`.
    #[error("has no path: write a `/` after the authority")]
    NoPath,
    /// `%7e`, `%2f`: RFC 3986 §6.2.2.1 and §6.2.2.2.
    #[error(
        "has a `%` that is not in normal form: two upper-case hexadecimal digits, and none for letters, digits and -._~"
    )]
    Percent,
    /// RFC 3986 §6.2.2.3.
    #[error("has the segment `.` or `..`: leave it out")]
    DotSegment,
    /// A fragment is for whoever reads the resource.
    #[error("has a fragment: end it before the `#`")]
    Fragment,
}

/// A resource's URI in normal form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceUri(String);

impl ResourceUri {
    /// Takes a URI that is in normal form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        check(text, URI_MAX, false)?;
        Ok(Self(text.to_owned()))
    }

    /// The URI as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme and authority as one text: whoever has a resource there may have others.
    #[must_use]
    pub fn space(&self) -> String {
        space(&self.0)
    }

    /// Whether it can be asked for without naming its provider. `git+https://…` cannot: there `git` is a provider.
    #[must_use]
    pub fn may_be_bare(&self) -> bool {
        may_be_bare(&self.0)
    }

    /// Whether its path goes on where the other's ends.
    #[must_use]
    pub fn is_under(&self, parent: &Self) -> bool {
        let rest = self.0.strip_prefix(parent.as_str()).filter(|rest| !rest.is_empty());
        let below = rest.is_some_and(|rest| parent.0.ends_with('/') || rest.starts_with('/'));
        below && !parent.0.contains('?') && self.space() == parent.space()
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resource's URI, or a template of URIs (RFC 6570 level 1) whose variables stand in path or query.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct UriPattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Literal(String),
    Variable,
}

impl UriPattern {
    /// Takes a URI or template in normal form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        check(text, PATTERN_MAX, true)?;
        let mut parts = Vec::new();
        let mut pieces = text.split('{');
        parts.extend(pieces.next().map(|head| Part::Literal(head.to_owned())));
        // Checked above: each brace is a variable's.
        for (_, literal) in pieces.filter_map(|piece| piece.split_once('}')) {
            parts.push(Part::Variable);
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has variables.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.parts.contains(&Part::Variable)
    }

    /// Scheme and authority as one text, the same for every URI that matches.
    #[must_use]
    pub fn space(&self) -> String {
        space(&self.text)
    }

    /// See [`ResourceUri::may_be_bare`].
    #[must_use]
    pub fn may_be_bare(&self) -> bool {
        may_be_bare(&self.text)
    }

    /// Whether `uri` is this one, or one that the template expands to: a variable is at least one character, unreserved or
    /// percent-encoded, and reaches to the first occurrence of what follows it.
    #[must_use]
    pub fn matches(&self, uri: &ResourceUri) -> bool {
        let mut rest = uri.as_str();
        for (index, part) in self.parts.iter().enumerate() {
            let end = match (part, self.parts.get(index + 1)) {
                (Part::Literal(text), _) => {
                    let Some(tail) = rest.strip_prefix(text.as_str()) else { return false };
                    rest = tail;
                    continue;
                }
                (Part::Variable, Some(Part::Literal(next))) => rest.find(next.as_str()),
                (Part::Variable, Some(Part::Variable)) => rest.chars().next().map(char::len_utf8),
                (Part::Variable, None) => Some(rest.len()),
            };
            let Some((value, tail)) = end.map(|end| rest.split_at(end)) else { return false };
            if value.is_empty() || !value.bytes().all(|byte| is_unreserved(byte) || byte == b'%') {
                return false;
            }
            rest = tail;
        }
        rest.is_empty()
    }

    /// Whether some URI may match both. Never wrong when it says no.
    #[must_use]
    pub fn may_overlap(&self, other: &Self) -> bool {
        if self.space() != other.space() {
            return false;
        }
        let (own, theirs): (Vec<_>, Vec<_>) = (self.text.split('/').collect(), other.text.split('/').collect());
        own.len() == theirs.len() && own.iter().zip(&theirs).all(|(own, theirs)| may_meet(own, theirs))
    }
}

impl TryFrom<String> for UriPattern {
    type Error = String;
    fn try_from(raw: String) -> Result<Self, String> {
        Self::parse(&raw).map_err(|why| format!("`{}` {why}", raw.chars().take(256).collect::<String>()))
    }
}

impl fmt::Display for UriPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether some text may be both segments: their beginnings and ends do not contradict each other.
fn may_meet(one: &str, other: &str) -> bool {
    if !one.contains('{') && !other.contains('{') {
        return one == other;
    }
    let front = |text: &str| text.split('{').next().unwrap_or_default().to_owned();
    let back = |text: &str| text.rsplit('}').next().unwrap_or_default().to_owned();
    let (one_front, other_front, one_back, other_back) = (front(one), front(other), back(one), back(other));
    (one_front.starts_with(&other_front) || other_front.starts_with(&one_front))
        && (one_back.ends_with(&other_back) || other_back.ends_with(&one_back))
}

/// Without an authority the same as with an empty one, as in `file:/a` and `file:///a`.
fn space(uri: &str) -> String {
    let (scheme, rest) = uri.split_once(':').unwrap_or((uri, ""));
    let authority = rest.strip_prefix("//").map_or("", |rest| rest.split(['/', '?']).next().unwrap_or_default());
    format!("{scheme}://{authority}")
}

fn may_be_bare(uri: &str) -> bool {
    uri.split(':').next().is_some_and(|scheme| !scheme.contains('+'))
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn check(text: &str, max: usize, template: bool) -> Result<(), UriError> {
    if text.len() > max {
        return Err(UriError::TooLong(max));
    }
    if template && !has_whole_variables(text) {
        return Err(UriError::Template);
    }
    let (scheme, rest) = text.split_once(':').ok_or(UriError::NoScheme)?;
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    if template && [scheme, authority].iter().any(|part| part.contains('{')) {
        return Err(UriError::Variable);
    }
    check_scheme(scheme)?;
    check_authority(scheme, authority)?;
    if path.is_empty() && DEFAULT_PORTS.iter().any(|(known, _)| *known == scheme) {
        return Err(UriError::NoPath);
    }
    check_path(path, template)
}

/// Whether every brace is one of a variable's.
fn has_whole_variables(text: &str) -> bool {
    let is_literal = |text: &str| !text.contains('}');
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let mut pieces = text.split('{');
    pieces.next().is_some_and(is_literal)
        && pieces.all(|piece| piece.split_once('}').is_some_and(|(name, rest)| is_name(name) && is_literal(rest)))
}

fn check_scheme(scheme: &str) -> Result<(), UriError> {
    let made_of = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(made_of) {
        return Err(UriError::NoScheme);
    }
    if scheme.bytes().any(|b| b.is_ascii_uppercase()) { Err(UriError::Case) } else { Ok(()) }
}

/// A name, dot-separated, and perhaps a port: no user, no other spelling of the same.
fn check_authority(scheme: &str, authority: &str) -> Result<(), UriError> {
    if let Some(odd) = authority.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(UriError::Character(odd));
    }
    if authority.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(UriError::Case);
    }
    let (name, port) = authority.split_once(':').map_or((authority, None), |(name, port)| (name, Some(port)));
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| is_unreserved(b) && b != b'.');
    let named = name.split('.').all(word) || (name.is_empty() && port.is_none());
    let own = port.is_none_or(|port| {
        let number = port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
        number && !DEFAULT_PORTS.contains(&(scheme, port))
    });
    if named && own { Ok(()) } else { Err(UriError::Authority) }
}

fn check_path(path: &str, template: bool) -> Result<(), UriError> {
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'%' => {
                let digits = path.as_bytes().get(at + 1..at + 3).ok_or(UriError::Percent)?;
                if !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')) {
                    return Err(UriError::Percent);
                }
                let value = std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                if value.is_none_or(is_unreserved) {
                    return Err(UriError::Percent);
                }
            }
            b'#' => return Err(UriError::Fragment),
            b'{' | b'}' if template => {}
            byte if is_unreserved(byte) || b"!$&'()*+,;=:@/?".contains(&byte) => {}
            // `at` is where a character begins: all before it were ASCII.
            _ => return Err(UriError::Character(path[at..].chars().next().unwrap_or_default())),
        }
    }
    let segments = path.split('?').next().unwrap_or_default();
    if segments.split('/').any(|segment| matches!(segment, "." | "..")) { Err(UriError::DotSegment) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
