//! What has to hold of any message and any input. The fuzz target `json_rpc` looks for counterexamples; so do the tests
//! below, which also try again what was ever found.

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetMeta as _};
use serde_json::Value;

use super::{
    direct::{Direct, Era},
    message::{self, Read},
};
use crate::{
    call::Document,
    json::{self, DEPTH_MAX, KEY_MAX, STRING_MAX, VALUES_MAX},
};

/// Reading what a caller sends: a document is held against the limits, taken for a message or not, and then parsed by
/// whoever it is for.
///
/// # Panics
/// When a document passes that is beyond a limit, that the parser refuses or reads otherwise, or that is no message; when the
/// parser of messages breaks on one that passed; or when a call that is taken directly is another one the long way.
pub fn reading(document: &[u8]) {
    let parsed = serde_json::from_slice::<Value>(document);
    let passes = json::check(document).is_ok();
    let input = json::parse(document);
    assert!(input.is_ok() == passes, "checked and parsed in two ways: {input:?}");
    let Ok(value) = parsed else {
        assert!(!passes, "it is not JSON");
        return;
    };
    let mut count = 0;
    let within = is_within(&value, 0, &mut count);
    assert!(!passes || within, "it is beyond a limit");
    assert!(!passes || input.is_ok_and(|input| input == value), "another document was read");

    let read = message::read(document);
    let is_message = read.as_ref().is_ok_and(|read| read.refused.is_none());
    if let Ok(Read { refused: Some((_, rest)), .. }) = &read {
        assert!(!passes && json::check(rest).is_ok(), "an input is refused alone when it alone is wrong");
    }
    assert!(!is_message || passes, "a message that is beyond a limit");
    if is_message {
        assert!(value["method"].is_string() && value["jsonrpc"] == "2.0", "no message: {value}");
        let id = value.get("id").is_none_or(|id| id.is_string() || id.as_f64().is_some_and(|id| id.fract() == 0.0));
        assert!(id, "no id: {value}");
        let read = serde_json::from_slice::<ClientJsonRpcMessage>(document);
        let asks = matches!(read, Ok(ClientJsonRpcMessage::Request(_) | ClientJsonRpcMessage::Notification(_)));
        assert!(asks, "the library reads something else: {value}");
    }
    for era in [Era::Legacy, Era::Modern] {
        let Some(call) = Direct::of(era, document) else { continue };
        let Ok(Read { message: ClientJsonRpcMessage::Request(request), refused: None }) = &read else {
            panic!("what is taken directly is no request otherwise: {read:?}")
        };
        let ClientRequest::CallToolRequest(asked) = &request.request else { panic!("it is no call: {request:?}") };
        assert_eq!((&call.id, &*call.name), (&request.id, &*asked.params.name), "another call");
        let input = Document::of(asked.params.arguments.clone().unwrap_or_default());
        assert_eq!(call.input.members(), input.members(), "another input");
        let version = request.request.get_meta().protocol_version();
        assert_eq!(version.is_some(), era == Era::Modern, "another version");
        assert!(asked.params.request_state.is_none() && asked.params.input_responses.is_none(), "it says more");
    }
    // What the hub writes of it, for the guest and for the row, is read again.
    if passes {
        assert!(json::check(value.to_string().as_bytes()).is_ok(), "it cannot be read again");
    }
}

fn is_within(value: &Value, depth: usize, count: &mut usize) -> bool {
    *count += 1;
    let inner = depth < DEPTH_MAX;
    *count <= VALUES_MAX
        && match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
            Value::String(text) => text.len() <= STRING_MAX,
            Value::Array(items) => inner && items.iter().all(|item| is_within(item, depth + 1, count)),
            Value::Object(members) => {
                inner && members.iter().all(|(key, value)| key.len() <= KEY_MAX && is_within(value, depth + 1, count))
            }
        }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use bulkhead_properties::replay;

    #[test]
    fn nothing_that_fuzzing_kept_breaks_it() {
        replay("json_rpc", reading);
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(80, 100, 3, |inner| {
            let key = "method|id|result|error|params|jsonrpc|\\PC{0,4}";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(bulkhead_properties::tries(256))]
        #[test]
        fn every_document_is_read_in_one_way(document in document(), cut in 0..64_usize) {
            let text = document.to_string();
            reading(text.as_bytes());
            reading(&text.as_bytes()[..text.len().saturating_sub(cut)]);
        }

        #[test]
        fn so_is_every_other_text(text in r#"([\[\]{}:,"0-9eE.+-]|"(method|id|a|a)":|\\u[d0]8[0-9a-f]{2}|null|true|[ a-zé]){0,60}"#) {
            reading(text.as_bytes());
        }

        #[test]
        fn a_call_is_the_same_one_on_both_ways(
            version in r#""2\.0"|"2\.0"|"2\.0"|"1\.0""#,
            id in r#"1|"a"|"\\u0061"|1\.0|1\.5|null|\[\]|-7|9007199254740993|"\\n""#,
            method in "tools/call|tools/call|tools/call|prompts/get",
            name in r#""a\.b"|"a\.b"|""|7|"=\?base64\?YQ==\?=""#,
            arguments in prop::option::of(r#"\{\}|\{"a":1\.0,"b":\[1e2,"x"\]\}|\[\]|null|\{"a":1,"a":2\}"#),
            meta in prop::option::of(
                r#"\{\}|null|7|\{"progressToken":(1|"a"|\[\]|1\.5|null)\}|\{"io\.modelcontextprotocol/protocolVersion":("2026-07-28"|"2025-11-25"|7)(,"io\.modelcontextprotocol/clientCapabilities":(\{\}|7))?\}"#
            ),
            more in r#"||||,"task":\{\}|,"requestState":"a"|,"inputResponses":\{\}|,"cursor":null"#,
            around in r#"||||,"result":\{\}|,"error":null|,"x":1"#,
        ) {
            let member = |name: &str, value: Option<String>| value.map_or(String::new(), |value| format!(r#","{name}":{value}"#));
            let (arguments, meta) = (member("arguments", arguments), member("_meta", meta));
            let params = format!(r#"{{"name":{name}{arguments}{meta}{more}}}"#);
            let text = format!(r#"{{"jsonrpc":{version},"id":{id},"method":"{method}","params":{params}{around}}}"#);
            reading(text.as_bytes());
        }

        #[test]
        fn depth_is_counted_as_it_is(depth in 0..140_usize, member: bool) {
            let (open, close) = if member { ("{\"a\":", "}") } else { ("[", "]") };
            reading(format!("{}1{}", open.repeat(depth), close.repeat(depth)).as_bytes());
        }
    }
}
