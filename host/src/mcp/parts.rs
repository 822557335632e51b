//! What can be told of a document that is refused: which request it is, so that the answer reaches who waits for it, and
//! whether nothing but a tool's input is at fault.

use std::{borrow::Cow, fmt};

use rmcp::model::RequestId;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::request_id::proper_id;

/// The id of the request that a document is, if it has exactly one that an answer may repeat (JSON-RPC 2.0 §5). Only the top
/// level is walked, and nothing is built of what is below it. An answer has an id too, but not one of a request.
pub(super) fn id(document: &[u8]) -> Option<RequestId> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let id = deserializer.deserialize_map(Top).ok()?;
    deserializer.end().ok()?;
    id
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Id,
    Method,
    Result,
    Error,
    #[serde(other)]
    Other,
}

struct Top;

impl<'de> Visitor<'de> for Top {
    type Value = Option<RequestId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut ids, mut asks, mut answers) = (None, 0_usize, false, false);
        while let Some(member) = map.next_key::<Member>()? {
            if matches!(member, Member::Id) {
                id = map.next_value::<Plain>()?.0;
                ids += 1;
                continue;
            }
            asks |= matches!(member, Member::Method);
            answers |= matches!(member, Member::Result | Member::Error);
            map.next_value::<IgnoredAny>()?;
        }
        let id = id.filter(|_| ids == 1 && (asks || !answers));
        Ok(id.and_then(proper_id))
    }
}

/// A text or a number; what is neither is passed over.
struct Plain(Option<Value>);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfPlain).map(Self)
    }
}

struct OfPlain;

impl<'de> Visitor<'de> for OfPlain {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::from(text)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::from(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Value::from(number)))
    }

    /// It may be rounded: an answer to it could reach nobody, or somebody else.
    fn visit_f64<E>(self, _number: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _flag: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A call of a tool, taken apart where its input begins and ends.
pub(super) struct ToolCall<'a> {
    /// The input as it was sent.
    pub(super) input: &'a [u8],
    /// The document with an empty input instead.
    pub(super) rest: Vec<u8>,
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: &'a RawValue,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    arguments: &'a RawValue,
}

impl<'a> ToolCall<'a> {
    /// The call that a document is, if it is one whose input is an object.
    pub(super) fn of(document: &'a [u8]) -> Option<Self> {
        let outer: Outer<'a> =
            serde_json::from_slice(document).ok().filter(|outer: &Outer<'_>| outer.method == "tools/call")?;
        let params: Params<'a> = serde_json::from_str(outer.params.get()).ok()?;
        let input = params.arguments.get().as_bytes();
        // It is borrowed from the document, so that it begins somewhere in it.
        let start = input.as_ptr().addr().checked_sub(document.as_ptr().addr())?;
        let (before, after) = (document.get(..start)?, document.get(start + input.len()..)?);
        input.starts_with(b"{").then(|| Self { input, rest: [before, b"{}", after].concat() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_request_is_found_whatever_else_is_wrong_with_it() {
        let deep = format!(r#"{{"id":1,"method":"a","params":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
        for document in [
            r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
            r#"{"id":1,"method":7,"params":[]}"#,
            r#"{"method":"a","params":{"a":1,"a":1e999},"id":1}"#,
            r#"{"a":1,"a":2,"\u0069d":1}"#,
            r#"{"id":1,"method":"a","result":{}}"#,
            &deep,
        ] {
            assert_eq!(id(document.as_bytes()), Some(RequestId::Number(1)), "{document:.80}");
        }
        assert_eq!(id(br#"{"id":"1"}"#), Some(RequestId::String("1".into())));
    }

    #[test]
    fn what_has_no_id_of_a_request_has_none_that_is_guessed() {
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(129));
        for document in [
            r#"{"id":1,"id":1}"#,
            r#"{"id":1,"id":2}"#,
            r#"{"id":1,"result":{}}"#,
            r#"{"id":1,"error":{}}"#,
            r#"{"id":1.5}"#,
            r#"{"id":18446744073709551617}"#,
            r#"{"id":null}"#,
            r#"{"id":[1]}"#,
            r#"{"id":{"id":1}}"#,
            r#"{"id":"a\nb"}"#,
            r#"{"params":{"id":1}}"#,
            r#"[{"id":1}]"#,
            r#"{"id":1"#,
            r#"{"id":1}{"#,
            "",
            &long,
        ] {
            assert_eq!(id(document.as_bytes()), None, "{document:.80}");
        }
    }

    #[test]
    fn a_call_is_taken_apart_at_its_input() {
        let call =
            br#" {"method":"tools/call","params": {"x":[1], "\u0061rguments": {"a":1,"a":2} ,"name":"n"},"id":1}"#;
        let taken = ToolCall::of(call).expect("a call");
        assert_eq!(taken.input, br#"{"a":1,"a":2}"#);
        assert_eq!(
            taken.rest,
            br#" {"method":"tools/call","params": {"x":[1], "\u0061rguments": {} ,"name":"n"},"id":1}"#
        );
        for document in [
            r#"{"method":"prompts/get","params":{"arguments":{}}}"#,
            r#"{"method":"tools/call","params":{"arguments":[]}}"#,
            r#"{"method":"tools/call","params":{}}"#,
            r#"{"method":"tools/call","params":{"arguments":{},"arguments":{}}}"#,
            r#"{"method":"tools/call","params":{"arguments":{}},"params":{}}"#,
            r#"{"method":"tools/call","params":{"arguments":{"#,
        ] {
            assert!(ToolCall::of(document.as_bytes()).is_none(), "{document}");
        }
    }
}
