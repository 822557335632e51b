//! Resources within answers carry a URI of the provider's own, under which they can be read.

use serde_json::{Value, json};

use super::read;
use crate::support::hello::HELLO;
use crate::support::hub::{Hub, VIEWER};
use crate::support::testbed::{Testbed, testbed};

async fn by_tool(hub: &Hub, token: &str, provider: &str, uri: &str) -> Value {
    let call = json!({ "name": format!("{provider}.embed.resource"), "arguments": { "uri": uri } });
    hub.mcp(token, "tools/call", &call).await
}

async fn by_prompt(hub: &Hub, token: &str, provider: &str, uri: &str) -> Value {
    let params = json!({ "name": format!("{provider}.embed"), "arguments": { "uri": uri } });
    hub.mcp(token, "prompts/get", &params).await
}

#[tokio::test]
async fn a_resource_within_an_answer_cannot_pass_for_anothers() {
    let hub = Hub::start(&format!("{HELLO}{}", testbed(&[])));
    let token = hub.token(VIEWER);
    for uri in [
        "hello://greeting",
        "hello-rs+hello://greeting",
        "testbed+testbed://items/7",
        "testbed://unknown",
        "testbed://items",
        "testbed://items/7/8",
        "testbed://items/../leak",
        "TESTBED://items/7",
        "testbed://items/7#x",
        "https://example.com/",
        "items/7",
        "",
    ] {
        let answer = by_tool(&hub, &token, "testbed", uri).await;
        assert_eq!(answer["result"]["_meta"]["bulkhead"]["code"], "output_invalid", "{uri}: {answer}");
        assert_eq!(answer["result"]["_meta"]["bulkhead"]["errors"][0]["pointer"], "/content/0/resource/uri");
        let answer = by_prompt(&hub, &token, "testbed", uri).await;
        assert_eq!(answer["error"]["data"]["bulkhead"]["code"], "output_invalid", "{uri}: {answer}");
        assert_eq!(hub.last_event()["error_code"], "output_invalid");
    }
    for uri in ["testbed://items/7", "testbed://items/a%2Fb", "testbed://leak"] {
        let answer = by_tool(&hub, &token, "testbed", uri).await;
        assert_eq!(answer["result"]["content"][0]["resource"]["uri"], uri, "{answer}");
        let answer = by_prompt(&hub, &token, "testbed", uri).await;
        assert_eq!(answer["result"]["messages"][1]["content"]["resource"]["uri"], uri, "{answer}");
    }
}

#[tokio::test]
async fn a_label_is_what_the_resource_can_be_read_by() {
    let twin = |name| Testbed { name, ..Testbed::default() }.yaml();
    let hub = Hub::start(&format!("{}{}", twin("one"), twin("two")));
    let token = hub.token(VIEWER);
    for provider in ["one", "two"] {
        let tool = by_tool(&hub, &token, provider, "testbed://items/7").await;
        let prompt = by_prompt(&hub, &token, provider, "testbed://items/7").await;
        for label in [
            &tool["result"]["content"][0]["resource"]["uri"],
            &prompt["result"]["messages"][1]["content"]["resource"]["uri"],
        ] {
            assert_eq!(label, &format!("{provider}+testbed://items/7"), "{tool} {prompt}");
            let answer = read(&hub, &token, label.as_str().expect("a URI")).await;
            assert_eq!(answer["result"]["contents"][0]["text"], "7", "{answer}");
            assert_eq!(&answer["result"]["contents"][0]["uri"], label, "{answer}");
            assert_eq!(hub.last_event()["provider"], provider);
        }
    }
}

#[tokio::test]
async fn a_resource_is_labelled_as_it_was_asked_for() {
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(VIEWER);
    for uri in ["testbed://items/7", "testbed+testbed://items/7"] {
        let answer = read(&hub, &token, uri).await;
        assert_eq!(answer["result"]["contents"][0]["uri"], uri, "{answer}");
    }
}
