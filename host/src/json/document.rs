//! JSON from callers and providers, held against limits in the pass that builds the tree.
//!
//! Each value is counted before it is built, so that what has been built is within the limits at any time. REST bodies and
//! MCP messages, over HTTP and stdio alike, come through here.

use std::{collections::HashSet, fmt, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{
    JsonError,
    limits::{DEPTH_MAX, KEY_MAX, STRING_MAX, VALUES_MAX},
    number::{self, Numbers},
};

/// With its feature `raw_value`, which others in the build ask for, serde_json takes a string under such a key for JSON and
/// parses it: a document within the document that no limit would see.
const PARSERS_OWN: &str = "$serde_json::private::";

/// Parses a document that is within the limits.
///
/// # Errors
/// [`JsonError::Malformed`] when it is not JSON (RFC 8259), not UTF-8, or has a key twice in an object;
/// [`JsonError::TooComplex`] when it is beyond a limit; [`JsonError::Number`] when a number would be rounded.
pub fn parse(document: &[u8]) -> Result<Value, JsonError> {
    read_within(document, Taken::OF_INPUTS).map(|(tree, _)| tree)
}

/// Parses a document, as [`parse`] does, whose whole numbers become integers however they are written.
///
/// # Errors
/// Those of [`parse`].
pub fn parse_settled(document: &[u8]) -> Result<Value, JsonError> {
    let (mut tree, may_be_rounded) = read_within(document, Taken::OF_INPUTS)?;
    // Where nothing may be rounded every whole number is an integer.
    if may_be_rounded {
        number::settle(&mut tree);
    }
    Ok(tree)
}

/// Parses a provider's output, whose strings and keys are bounded by its own size.
///
/// # Errors
/// Those of [`parse`].
pub fn parse_output(document: &[u8]) -> Result<Value, JsonError> {
    let taken = Taken { string: usize::MAX, key: usize::MAX, numbers: Numbers::Unchanged };
    read_within(document, taken).map(|(tree, _)| tree)
}

/// Parses a provider's schema, in which numbers are bounds and may be rounded.
///
/// # Errors
/// [`JsonError::Malformed`] and [`JsonError::TooComplex`], as of [`parse`].
pub fn parse_schema(document: &[u8]) -> Result<Value, JsonError> {
    read_within(document, Taken { numbers: Numbers::Any, ..Taken::OF_INPUTS }).map(|(tree, _)| tree)
}

/// Checks a document that somebody else will parse.
///
/// # Errors
/// Those of [`parse`].
pub fn check(document: &[u8]) -> Result<(), JsonError> {
    read_within(document, Taken::OF_INPUTS).map(|((), _)| ())
}

/// What is made of a document, and whether a number of it may have been rounded where that is taken.
fn read_within<M: Made>(document: &[u8], taken: Taken) -> Result<(M, bool), JsonError> {
    let mut seen = Seen { values: 0, taken, may_be_rounded: false, beyond: None };
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let walked = Walk { seen: &mut seen, depth: 0, made: PhantomData }.deserialize(&mut deserializer);
    let walked = walked.and_then(|made| deserializer.end().map(|()| made));
    // The parser does not show what it has rounded, and takes a number beyond all others for no JSON.
    let refused = |is_asked: bool| is_asked.then(|| number::first_refused(document, seen.taken.numbers)).flatten();
    match (walked, &seen.beyond) {
        (Ok(made), _) => refused(seen.may_be_rounded)
            .map_or(Ok((made, seen.may_be_rounded)), |number| Err(JsonError::Number(number))),
        (Err(_), Some(limit)) => Err(JsonError::TooComplex(limit.clone())),
        (Err(error), None) => {
            Err(refused(true).map_or_else(|| JsonError::Malformed(error.to_string()), JsonError::Number))
        }
    }
}

/// What becomes of the values of a document: a tree, or nothing where somebody else parses it.
trait Made: Sized {
    type Members: Default;
    /// Of what is neither text nor list nor object.
    fn plain(value: Value) -> Self;
    fn text(text: &str) -> Self;
    fn list(items: Vec<Self>) -> Self;
    fn object(members: Self::Members) -> Self;
    fn has(members: &Self::Members, key: &str) -> bool;
    fn put(members: &mut Self::Members, key: String, value: Self);
}

impl Made for () {
    type Members = HashSet<String>;

    fn plain(_: Value) {}

    fn text(_: &str) {}

    fn list(_: Vec<()>) {}

    fn object(_: HashSet<String>) {}

    fn has(members: &HashSet<String>, key: &str) -> bool {
        members.contains(key)
    }

    fn put(members: &mut HashSet<String>, key: String, (): ()) {
        members.insert(key);
    }
}

impl Made for Value {
    type Members = Map<String, Self>;

    fn plain(value: Self) -> Self {
        value
    }

    fn text(text: &str) -> Self {
        Self::from(text)
    }

    fn list(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn object(members: Map<String, Self>) -> Self {
        Self::Object(members)
    }

    fn has(members: &Map<String, Self>, key: &str) -> bool {
        members.contains_key(key)
    }

    fn put(members: &mut Map<String, Self>, key: String, value: Self) {
        members.insert(key, value);
    }
}

/// What is taken: the longest string and key, in bytes, and which numbers.
struct Taken {
    string: usize,
    key: usize,
    numbers: Numbers,
}

impl Taken {
    const OF_INPUTS: Self = Self { string: STRING_MAX, key: KEY_MAX, numbers: Numbers::Exact };
}

/// What the walk has come by.
struct Seen {
    values: usize,
    taken: Taken,
    may_be_rounded: bool,
    /// The limit that ended the walk, if one did.
    beyond: Option<String>,
}

impl Seen {
    fn limit<E: serde::de::Error>(&mut self, limit: impl Into<String>) -> E {
        self.beyond = Some(limit.into());
        E::custom("beyond a limit")
    }
}

/// A walk through one value.
struct Walk<'a, M> {
    seen: &'a mut Seen,
    /// How many arrays and objects this value is in.
    depth: usize,
    made: PhantomData<M>,
}

impl<M> Walk<'_, M> {
    /// The walk through a value within this one.
    fn within(&mut self) -> Walk<'_, M> {
        Walk { seen: self.seen, depth: self.depth + 1, made: PhantomData }
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.depth < DEPTH_MAX {
            Ok(())
        } else {
            Err(self.seen.limit(format!("it is nested deeper than {DEPTH_MAX} levels")))
        }
    }
}

impl<'de, M: Made> DeserializeSeed<'de> for Walk<'_, M> {
    type Value = M;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<M, D::Error> {
        self.seen.values += 1;
        if self.seen.values > VALUES_MAX {
            return Err(self.seen.limit(format!("it holds more than {VALUES_MAX} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de, M: Made> Visitor<'de> for Walk<'_, M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<M, E> {
        Ok(M::plain(Value::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<M, E> {
        Ok(M::plain(Value::Bool(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<M, E> {
        Ok(M::plain(Value::Number(number.into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<M, E> {
        Ok(M::plain(Value::Number(number.into())))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<M, E> {
        self.seen.may_be_rounded |= number::may_be_rounded(number);
        // The parser gives no others.
        let number = Number::from_f64(number).ok_or_else(|| E::custom("a number that is not finite"))?;
        Ok(M::plain(Value::Number(number)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<M, E> {
        if text.len() <= self.seen.taken.string {
            Ok(M::text(text))
        } else {
            Err(self.seen.limit(format!("it holds a string of more than {STRING_MAX} bytes")))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<M, A::Error> {
        self.enter()?;
        let mut items = Vec::new();
        while let Some(item) = values.next_element_seed(self.within())? {
            items.push(item);
        }
        Ok(M::list(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<M, A::Error> {
        self.enter()?;
        let mut made = M::Members::default();
        while let Some(key) = members.next_key::<String>()? {
            if key.len() > self.seen.taken.key {
                return Err(self.seen.limit(format!("it has a key of more than {KEY_MAX} bytes")));
            }
            if key.starts_with(PARSERS_OWN) {
                return Err(self.seen.limit(format!("it has a key that begins with `{PARSERS_OWN}`")));
            }
            // RFC 8259 §4: what a parser makes of it is its own affair; the hub's and the provider's might differ.
            if M::has(&made, &key) {
                return Err(A::Error::custom("an object has the same key twice"));
            }
            let value = members.next_value_seed(self.within())?;
            M::put(&mut made, key, value);
        }
        Ok(M::object(made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    fn is_too_complex(document: &str, what: &str) {
        match check(document.as_bytes()) {
            Err(JsonError::TooComplex(limit)) => assert!(limit.contains(what), "{limit}"),
            other => panic!("{document:.80}: {other:?}"),
        }
    }

    fn is_malformed(document: &[u8]) {
        let checked = check(document);
        assert!(matches!(checked, Err(JsonError::Malformed(_))), "{document:?}: {checked:?}");
    }

    #[test]
    fn what_is_within_the_limits_is_parsed() {
        for document in ["null", " {} ", r#"{"a":[1,-2.5e3,"ä\u00e4\ud83d\ude00",true,null,{"a":{"a":[]}}]}"#] {
            assert_eq!(parse(document.as_bytes()), Ok(serde_json::from_str(document).expect("JSON")));
        }
        assert!(check(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(check(format!("[{}1]", "1,".repeat(VALUES_MAX - 2)).as_bytes()).is_ok());
        assert!(check(format!("\"{}\"", "x".repeat(STRING_MAX)).as_bytes()).is_ok());
        assert!(check(format!("{{\"{}\":1}}", "x".repeat(KEY_MAX)).as_bytes()).is_ok());
    }

    #[test]
    fn each_limit_is_told() {
        is_too_complex(&nested(DEPTH_MAX + 1), "64 levels");
        is_too_complex(&"[".repeat(5_000_000), "64 levels");
        is_too_complex(&"{\"a\":".repeat(1000), "64 levels");
        is_too_complex(&format!("[{}1]", "1,".repeat(VALUES_MAX - 1)), "200000 values");
        is_too_complex(&format!("\"{}\"", "x".repeat(STRING_MAX + 1)), "a string");
        is_too_complex(&format!("{{\"{}\":1}}", "x".repeat(KEY_MAX + 1)), "a key");
    }

    #[test]
    fn what_is_no_json_or_has_two_meanings_is_malformed() {
        for document in
            ["", "{", "nul", "'a'", "[1,]", "{} {}", "-", "01", "NaN", "{\"a\":1,\"a\":2}", "\"\\ud800\"", "\"a\nb\""]
        {
            is_malformed(document.as_bytes());
        }
        is_malformed(b"\"\xff\"");
        is_malformed(b"{\"a\":\"\xc3\"}");
        is_malformed(br#"{"x":{"name":1,"\u006eame":2}}"#);
        is_malformed(b"\xef\xbb\xbf{}");
    }

    #[test]
    fn no_document_hides_in_a_string() {
        let hidden = format!(r#"{{"{PARSERS_OWN}RawValue":"[[1]]"}}"#);
        let tree: Value = serde_json::from_str(&hidden).expect("JSON");
        assert!(tree.is_array(), "this is why: {tree}");
        is_too_complex(&hidden, "a key that begins");
        is_too_complex(r#"{"\u0024serde_json::private::Number":"1"}"#, "a key that begins");
    }
}
