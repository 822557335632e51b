//! How a client that is turned away learns where to get a token, and what it shows its person.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::clients::{self, Era, finish, inspector, python};
use crate::support::hello::HELLO;
use crate::support::hub::{Hub, Reply, VIEWER};
use crate::support::issuer::{AUDIENCE, ISSUER, Jwks, header, supabase};
use crate::support::jwt::{Es256, with};

const BASE: &str = "https://hub.example";
const METADATA: &str = "/.well-known/oauth-protected-resource";
/// Where to be turned away, and the endpoint that it belongs to.
const DOORS: [(&str, &str); 6] = [
    ("/mcp", "/mcp"),
    ("/mcp/", "/mcp/"),
    ("/mcp/flat", "/mcp/flat"),
    ("/mcp/flat/", "/mcp/flat/"),
    ("/providers/hello-rs/echo.v1", ""),
    ("/providers/no/such", ""),
];

/// A hub that accepts the tokens of `key`, whose audience is something else than its URL.
fn hub(key: &Es256, more: &[&str]) -> (Jwks, Hub) {
    let jwks = Jwks::start(&[key.jwk("es")]);
    let identity = ["--jwks-url", &jwks.url, "--issuer", ISSUER, "--audience", "authenticated"];
    let hub = Hub::start_with(HELLO, &[&identity[..], more].concat());
    (jwks, hub)
}

fn is_clean_404(reply: &Reply) -> String {
    assert_eq!((reply.status, reply.header("content-type")), (404, "application/problem+json"), "{reply:?}");
    reply.json()["detail"].as_str().expect("a detail").to_owned()
}

#[tokio::test]
async fn each_challenge_points_to_a_document_whose_resource_is_the_endpoint() {
    let (_jwks, hub) = hub(&Es256::new(), &["--public-url", BASE]);
    for (path, endpoint) in DOORS {
        let refused = hub.post(path, None, "{}").await;
        let url = format!("{BASE}{METADATA}{endpoint}");
        let challenge = format!(r#"Bearer realm="bulkhead", resource_metadata="{url}""#);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, &*challenge), "{path}: {refused:?}");
        let reply = hub.get(&format!("{METADATA}{endpoint}"), None).await;
        let document = reply.json();
        assert_eq!((reply.status, &document["resource"]), (200, &json!(format!("{BASE}{endpoint}"))), "{reply:?}");
        assert_eq!(document["authorization_servers"], json!([ISSUER]), "{reply:?}");
        assert_eq!(document["bearer_methods_supported"], json!(["header"]), "{reply:?}");
    }
    for nowhere in ["/health", "/mcp/x", "/mcp//", "x", "/providers/hello-rs/echo.v1"] {
        let detail = is_clean_404(&hub.get(&format!("{METADATA}{nowhere}"), None).await);
        assert!(detail.contains(ISSUER) && detail.contains("Authorization: Bearer"), "{nowhere}: {detail}");
    }
}

#[tokio::test]
async fn a_token_may_name_any_resource_that_is_published_and_no_other() {
    let key = Es256::new();
    let (_jwks, hub) = hub(&key, &["--public-url", &format!("{BASE}/ops/")]);
    let ends = |end: &str| format!("{BASE}/ops{end}");
    let published = ["", "/", "/mcp", "/mcp/", "/mcp/flat", "/mcp/flat/"].map(|end| json!(ends(end)));
    let others = ["/mcp/flat/x", "/providers", "//", "/MCP", "mcp"].map(|end| json!(ends(end)));
    let fine = published.into_iter().chain([json!("authenticated"), json!(["urn:x", ends("/mcp")])]);
    let wrong = others.into_iter().chain([
        json!(BASE),
        json!("https://hub.example.evil/ops/mcp"),
        json!("http://hub.example/ops/mcp"),
        json!("https://hub.example:444/ops/mcp"),
        json!(hub.url.clone()),
        json!(format!("{}/mcp", hub.url)),
        json!(["urn:x"]),
        Value::Null,
    ]);
    let cases = fine.map(|audience| (audience, 200)).chain(wrong.map(|audience| (audience, 401)));
    for (audience, status) in cases {
        let token = key.token(&header("ES256", "es"), &with(supabase(AUDIENCE), "aud", audience.clone()));
        let reply = hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await;
        assert_eq!(reply.status, status, "{audience}: {reply:?}");
    }
}

#[tokio::test]
async fn a_hub_of_its_own_keys_has_nothing_to_discover_and_says_what_to_do() {
    for more in [&[][..], &["--public-url", BASE]] {
        let hub = Hub::start_with(HELLO, more);
        for path in ["", "/", "/mcp", "/mcp/", "/mcp/flat", "/mcp/flat/"].map(|end| format!("{METADATA}{end}")) {
            let detail = is_clean_404(&hub.get(&path, None).await);
            assert!(detail.contains("`Authorization: Bearer <token>`"), "{path}: {detail}");
            assert!(detail.contains("bulkhead token"), "{path}: {detail}");
        }
        for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration/mcp"] {
            assert!(is_clean_404(&hub.get(path, None).await).contains("bulkhead token"), "{path}");
        }
        is_clean_404(&hub.get("/.well-known/security.txt", None).await);
        is_clean_404(&hub.get("/.well-known/", None).await);
        for (path, _) in DOORS {
            let refused = hub.post(path, None, "{}").await;
            assert_eq!(refused.header("www-authenticate"), r#"Bearer realm="bulkhead""#, "{path}");
        }
    }
}

#[tokio::test]
async fn without_a_public_url_nothing_is_published_because_the_host_header_is_the_callers() {
    let key = Es256::new();
    let (_jwks, hub) = hub(&key, &[]);
    let detail = is_clean_404(&hub.get(&format!("{METADATA}/mcp"), None).await);
    assert!(detail.contains("--public-url") && detail.contains(ISSUER), "{detail}");
    assert_eq!(hub.post("/mcp", None, "{}").await.header("www-authenticate"), r#"Bearer realm="bulkhead""#);
    let claims = with(supabase(AUDIENCE), "aud", json!(format!("{}/mcp", hub.url)));
    let token = key.token(&header("ES256", "es"), &claims);
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 401);
}

#[tokio::test]
async fn a_refusal_at_the_door_of_mcp_is_an_error_of_json_rpc() {
    let hub = Hub::start(HELLO);
    for (path, token, code) in [
        ("/mcp", None, "token_missing"),
        ("/mcp/flat", None, "token_missing"),
        ("/mcp", Some("wrong"), "token_malformed"),
    ] {
        let reply = hub.post(path, token, r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#).await;
        let body = reply.json();
        assert_eq!((reply.status, reply.header("content-type")), (401, "application/json"), "{reply:?}");
        assert!(reply.header("www-authenticate").starts_with("Bearer realm="), "{reply:?}");
        assert_eq!((&body["jsonrpc"], body.get("id")), (&json!("2.0"), Some(&Value::Null)), "nothing was read: {body}");
        assert_eq!((&body["error"]["code"], &body["error"]["data"]["bulkhead"]["code"]), (&json!(401), &json!(code)));
        let text = body["error"]["message"].as_str().expect("text");
        assert!(text.starts_with(code) && text.contains("next: send a valid token"), "{text}");
    }
    let reply = hub.post("/providers/hello-rs/echo.v1", None, "{}").await;
    assert_eq!(reply.header("content-type"), "application/problem+json", "REST has its own form: {reply:?}");
}

#[test]
fn the_python_client_and_the_inspector_show_why_they_were_turned_away() {
    let hub = Hub::start(HELLO);
    let url = format!("{}/mcp", hub.url);
    let target = clients::Hub::Http { url: &url, token: "wrong" };
    for era in [Era::Legacy, Era::Modern] {
        let output = finish(&mut python(target, era, false));
        let shown = String::from_utf8_lossy(&output.stderr);
        assert!(shown.contains("token_malformed: the bearer token is malformed"), "{era:?}: {output:?}");
        assert!(shown.contains("next: send a valid token"), "{era:?}: {output:?}");
    }
    // In the modern era the Inspector has words of its own for any 401.
    let output = finish(&mut inspector(target, Era::Legacy, &["--method", "tools/list"], hub.folder()));
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(shown.contains("token_malformed: the bearer token is malformed"), "{output:?}");
}

#[tokio::test]
async fn a_name_or_a_page_that_is_not_the_hubs_is_refused_with_the_way_to_make_it_so() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for (name, value, code, way) in [
        ("host", "evil.example:8443", "host_refused", "--public-url https://evil.example:8443"),
        ("origin", "https://evil.example", "origin_refused", "--public-url https://evil.example"),
        ("origin", "null", "origin_refused", "--public-url"),
    ] {
        for path in ["/mcp", "/mcp/flat"] {
            let request = hub.client().post(format!("{}{path}", hub.url)).body(list).header(name, value);
            let request = request.header("content-type", "application/json");
            let reply = Hub::send(request.header("accept", "application/json, text/event-stream"), Some(&token)).await;
            let body = reply.json();
            assert_eq!((reply.status, &body["jsonrpc"]), (403, &json!("2.0")), "{value}: {reply:?}");
            assert_eq!(body["error"]["data"]["bulkhead"]["code"], code, "{value}: {reply:?}");
            let text = body["error"]["message"].as_str().expect("text");
            assert!(text.starts_with(code) && text.contains(way), "{value}: {text}");
            assert_eq!(reply.header("www-authenticate"), "", "another token does not help: {reply:?}");
            let event = hub.last_event();
            assert_eq!((&event["outcome"], &event["error_code"]), (&json!("denied"), &json!(code)), "{event}");
            assert!(event["caller_id"].is_string(), "{event}");
        }
    }
    let long = format!("{}.example", "x".repeat(4000));
    let request = hub.client().post(format!("{}/mcp", hub.url)).body(list).header("host", long);
    let request = request.header("content-type", "application/json");
    let reply = Hub::send(request, Some(&token)).await;
    assert!(reply.status == 403 && reply.text.len() < 1500, "{reply:?}");
}

#[test]
fn what_is_documented_for_clients_leads_to_names_without_dots_and_to_a_trail_that_is_only_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documents =
        ["README.md", "CONTRIBUTING.md", "docs/providers.md", "docs/provider-contract.md", "xtask/src/run.rs"];
    let mut found = 0;
    for document in documents {
        let text = fs::read_to_string(root.join(document)).expect(document);
        for line in text.lines() {
            let adds = line.contains("claude mcp add --") || line.contains("mcpServers");
            assert!(!adds || line.contains("/mcp/flat"), "{document}: {line}");
            let reads = line.contains("sqlite3 ") && line.contains("ops.db");
            assert!(!reads || line.contains("sqlite3 -readonly "), "{document}: {line}");
            found += usize::from(adds) + usize::from(reads);
        }
    }
    assert!(found >= 3, "{found}");
}
