//! Large bodies, both ways, on a hub with a single worker: whoever asks for something small does not wait for them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ECHO, HELLO};
use crate::support::hub::{Hub, VIEWER};

/// Of 10 MB, as many values as the hub takes, and two long texts.
fn body() -> String {
    let (texts, values) = ("x".repeat(4_400_000), "[1.5,\"a\",null],".repeat(49_000));
    format!(r#"{{"message":"hi","one":"{texts}","other":"{texts}","values":[{values}1]}}"#)
}

/// The longest that a caller who asks for something small waits while `large` is under way, and how long that took.
async fn longest_wait<T>(hub: &Hub, large: impl Future<Output = T> + Send + 'static) -> (Duration, Duration, T)
where
    T: Send + 'static,
{
    let started = Instant::now();
    let large = tokio::spawn(async move { (large.await, started.elapsed()) });
    let mut longest = Duration::ZERO;
    while !large.is_finished() {
        let asked = Instant::now();
        assert_eq!(hub.get("/livez", None).await.status, 200);
        longest = longest.max(asked.elapsed());
    }
    let (answer, took) = large.await.expect("an answer");
    (longest, took, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_holds_up_nobody_else() {
    let hub = Hub::start_on_one_worker(HELLO);
    let token = hub.token(VIEWER);
    let message = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"hello-rs.echo.v1","arguments":{}}}}}"#,
        body()
    );
    assert!(message.len() > 9_000_000 && message.len() < 10 * 1024 * 1024);
    for (path, body) in [(ECHO, body()), ("/mcp", message)] {
        let mut waits = Vec::new();
        // A worker that is held is held each time; a machine that is busy with something else is not.
        for _ in 0..10 {
            let post = hub.client().post(format!("{}{path}", hub.url)).header("content-type", "application/json");
            let (post, token) = (post.body(body.clone()), token.clone());
            let call = async move { Hub::send(post, Some(&token)).await };
            let (longest, took, reply) = longest_wait(&hub, call).await;
            // It is read, held against the schema and refused: everything but the run.
            assert!(reply.text.contains("there is no such property"), "{path}: {:.500}", reply.text);
            waits.push((longest, took));
            if longest < took / 2 {
                break;
            }
        }
        assert!(waits.iter().any(|(longest, took)| *longest < *took / 2), "{path}: a worker was held: {waits:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_inputs_and_outputs_are_the_same_on_the_way_and_on_record_as_small_ones() {
    let hub = Hub::start_on_one_worker(HELLO);
    let token = hub.token(VIEWER);
    for length in [10, 70_000, 1_000_000] {
        let input = json!({ "message": "a\u{e4}\"\\\n\u{2028}".repeat(length / 8) });
        let reply = hub.call(&token, "hello-rs/echo.v1", &input).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
        assert_eq!(reply.text, input.to_string());
        let event = hub.last_event();
        assert_eq!(event["payload"], event["result"]);
        let kept: Value = serde_json::from_str(event["payload"].as_str().expect("a text")).expect("JSON");
        if length < 60_000 {
            assert_eq!(kept, input);
        } else {
            assert_eq!(kept["bytes"], input.to_string().len());
        }
        let answer = hub.mcp(&token, "tools/call", &json!({ "name": "hello-rs.echo.v1", "arguments": input })).await;
        assert_eq!(answer["result"]["structuredContent"], input);
        assert_eq!(answer["result"]["content"], json!([{ "type": "text", "text": input.to_string() }]));
        assert_eq!((&hub.last_event()["payload"], &hub.last_event()["result"]), (&event["payload"], &event["result"]));
    }
}
