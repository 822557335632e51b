//! Names by which a request asks to be taken for another one: in headers, queries, forms and JSON.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use url::form_urlencoded;

/// What names another method, as [`squeezed`] has it, beside whatever ends in `methodoverride`, `overridemethod` or
/// `verboverride`.
const METHODS: [&str; 7] = [
    "httpmethod",
    "xhttpmethod",
    "xmethod",
    "xforwardedmethod",
    "xoriginalmethod",
    "xtunneledmethod",
    "tunneledmethod",
];

/// Headers that name another URL or host than was checked, as [`squeezed`] has them.
const PLACES: [&str; 14] = [
    "forwarded",
    "xenvoyoriginalhost",
    "xenvoyoriginalpath",
    "xforwardedhost",
    "xforwardedpath",
    "xforwardeduri",
    "xhost",
    "xhttphostoverride",
    "xoriginalhost",
    "xoriginaluri",
    "xoriginalurl",
    "xoverrideurl",
    "xrewriteuri",
    "xrewriteurl",
];

/// Letters and digits alone, in lower case: servers read `-`, `_` and `.` as the same, or over them.
fn squeezed(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether what is called so names another method. `method` alone does not, but `_method` does.
fn names_method(name: &str) -> bool {
    let plain = squeezed(name);
    METHODS.contains(&plain.as_str())
        || ["methodoverride", "overridemethod", "verboverride"].iter().any(|end| plain.ends_with(end))
        || (plain == "method" && !name.starts_with(char::is_alphanumeric))
}

/// Whether a header asks for another method, URL or host.
pub(super) fn in_header(name: &str) -> bool {
    let plain = squeezed(name);
    plain == "method" || names_method(name) || PLACES.contains(&plain.as_str())
}

/// Whether a query or form has a parameter that names another method. Frameworks take `.method`, ` _method`, `_method[]`
/// and `[method` for `_method`, and some end a name at NUL.
pub(super) fn in_form(form: &[u8]) -> bool {
    form.split(|byte| matches!(byte, b'&' | b';')).any(|pair| {
        let Some((name, _)) = form_urlencoded::parse(pair).next() else { return false };
        let name = name.trim_matches(|letter: char| letter.is_whitespace() || letter == '\0');
        let name = name.strip_prefix('[').map_or_else(|| name.to_owned(), |rest| format!("_{rest}"));
        names_method(name.split(['[', '\0']).next().unwrap_or_default().trim())
    })
}

/// Whether an object of a JSON text, at its top or in the list that it is, has a key that names another method; also in
/// JSON by lines. `is_json` says that its type calls it JSON: then it may be written in a way that only others can read.
pub(super) fn in_json(text: &[u8], is_json: bool) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for top in serde_json::Deserializer::from_slice(text).into_iter::<Top>() {
        match top {
            Ok(Top { names_method: false }) => {}
            Ok(Top { names_method: true }) => return true,
            Err(_) => {
                return is_json && [&b"\0"[..], b"\\u", b"_method", b"override"].iter().any(|word| holds(text, word));
            }
        }
    }
    false
}

/// Whether `word` is in `text`, in whatever case.
pub(super) fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// One JSON value, of which only the keys at its top are looked at.
struct Top {
    names_method: bool,
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Keys).map(|names_method| Self { names_method })
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            found |= names_method(name.split('\0').next().unwrap_or_default().trim());
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(top) = list.next_element::<Top>()? {
            found |= top.names_method;
        }
        Ok(found)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}
