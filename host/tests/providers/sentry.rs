//! The provider `sentry` in the hub, against upstreams that answer as Sentry's OpenAPI says, and against a real Bugsink.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    bugsink::Bugsink,
    hub::{ADMIN, Hub, OPERATOR, Reply, VIEWER},
    upstreams::{
        Upstream,
        contract::Contract,
        sentry::{self, KEY, PAGED, READ_ONLY, STORM_SECONDS, TOKEN},
    },
};

/// The provider as it is shipped, but for where Sentry is.
fn provider(web: &str, ingest: &str) -> String {
    format!(
        "
  sentry:
    component: {{sentry.wasm}}
    secrets:
      sentry_auth_token: {{ hosts: ['{web}'] }}
      sentry_dsn: {{ reveal: true }}
    allowed_hosts: ['{web}', '{ingest}']
    settings: {{ org: acme, base_url: '{web}' }}
    tools:
      - {{ name: capture.error, class: scan, min_role: ops_operator, timeout_ms: 10000, schema_version: '1.0' }}
      - {{ name: issues.list, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
      - {{ name: issue.get, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
      - {{ name: issue.update, class: write, min_role: ops_operator, timeout_ms: 5000, schema_version: '1.0' }}
      - {{ name: issues.create, class: write, min_role: ops_admin, timeout_ms: 10000, schema_version: '1.0' }}
      - {{ name: projects.list, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
"
    )
}

/// A hub, Sentry's web API and its ingestion, which are two hosts.
struct Room {
    hub: Hub,
    web: Upstream,
    ingest: Upstream,
}

impl Room {
    async fn new() -> Self {
        let (web, ingest) = (Upstream::start(sentry::web()).await, Upstream::start(sentry::ingest()).await);
        let authorities = [web.ca(), ingest.ca()].map(|file| std::fs::read_to_string(file).expect("a certificate"));
        std::fs::write(web.ca(), authorities.concat()).expect("the file is written");
        let ca = format!("outbound: {{ extra_ca: {} }}\n", web.ca().display());
        let dsn = format!("https://{KEY}@{}/42", authority(&ingest.url));
        let secrets = [("sentry_auth_token", TOKEN), ("sentry_dsn", &dsn)];
        let hub = Hub::start_with_secrets(&(provider(&web.url, &ingest.url) + &ca), &secrets);
        Self { hub, web, ingest }
    }

    /// Why the health is this; nothing if it is healthy.
    async fn health(&self, http_status: u16, status: &str) -> String {
        let reply = self.hub.get("/providers/sentry/health", Some(&self.hub.token(VIEWER))).await;
        assert_eq!((reply.status, &reply.json()["status"]), (http_status, &json!(status)), "{reply:?}");
        reply.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// Starts the hub again with another value, rather than wait until it reads the vault anew.
fn restart_with(hub: &mut Hub, name: &str, value: &str) {
    hub.stop();
    hub.set_secret(name, value);
    hub.run();
}

fn authority(url: &str) -> &str {
    url.split_once("://").expect("a scheme").1
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["code"].as_str().unwrap_or_default().to_owned())
}

fn is(reply: &Reply, status: u16, expected: &str) {
    assert_eq!(code(reply), (status, expected.to_owned()), "{reply:?}");
}

/// The detail of an error.
fn detail(reply: &Reply) -> String {
    reply.json()["detail"].as_str().unwrap_or_else(|| panic!("no detail: {reply:?}")).to_owned()
}

/// The same call over MCP; gives the result.
async fn over_mcp(hub: &Hub, token: &str, tool: &str, input: &Value) -> Value {
    let params = json!({ "name": format!("sentry.{tool}"), "arguments": input });
    hub.mcp(token, "tools/call", &params).await["result"].take()
}

/// The hub's files that contain the text: log, config, and database with its journal.
fn files_with(hub: &Hub, text: &str) -> String {
    let found = Command::new("grep").args(["-ralF", "--", text]).arg(hub.folder()).output().expect("grep runs");
    String::from_utf8_lossy(&found.stdout).into_owned()
}

#[tokio::test]
async fn every_tool_works_is_recorded_and_asks_what_sentrys_contract_allows() {
    let Room { hub, web, ingest } = Room::new().await;
    let (viewer, operator, admin) = (hub.token(VIEWER), hub.token(OPERATOR), hub.token(ADMIN));
    let mut said = String::new();

    let search = json!({
        "query": "is:unresolved level:error", "project": "checkout", "environment": "production", "period": "24h",
        "sort": "freq", "cursor": "0:0:0", "limit": 10,
    });
    let ticket = json!({ "issue_id": "4509876543", "title": "Payments fail", "description": "See Sentry" });
    let calls: [(&str, &str, Value, &str, Value); 9] = [
        (&operator, "capture.error", json!({ "message": "disk is full" }), "/project_id", json!("42")),
        (&viewer, "issues.list", json!({}), "/issues/0/short_id", json!("CHECKOUT-3F")),
        (&viewer, "issues.list", search, "/issues/0/events", json!(1510)),
        (&viewer, "issue.get", json!({ "issue_id": "4509876543" }), "/latest_event/release", json!("checkout@2.14.0")),
        (&operator, "issue.update", json!({ "issue_id": "7", "status": "resolved" }), "/status", json!("resolved")),
        (&operator, "issue.update", json!({ "issue_id": "7", "assigned_to": "team:7" }), "/assigned_to/id", json!("7")),
        (&admin, "issues.create", ticket, "/key", json!("PAY-124")),
        (&viewer, "projects.list", json!({}), "/projects/0/slug", json!("checkout")),
        (&viewer, "projects.list", json!({ "query": "check", "limit": 5 }), "/projects/1/slug", json!("empty")),
    ];
    for (token, tool, input, pointer, expected) in &calls {
        let reply = hub.call(token, &format!("sentry/{tool}"), input).await;
        assert_eq!(reply.status, 200, "{tool}: {reply:?}");
        let mut output = reply.json();
        assert_eq!(output.pointer(pointer), Some(expected), "{tool}: {output}");
        let host = authority(if *tool == "capture.error" { &ingest.url } else { &web.url });
        let rest = hub.last_event();
        assert_eq!((&rest["tool"], &rest["hostname"], &rest["outcome"]), (&json!(tool), &json!(host), &json!("ok")));

        let result = over_mcp(&hub, token, tool, input).await;
        let mcp = hub.last_event();
        assert_eq!((&mcp["tool"], &mcp["hostname"], &mcp["surface"]), (&json!(tool), &json!(host), &json!("mcp")));
        let mut structured = result["structuredContent"].clone();
        if *tool == "capture.error" {
            for (output, row) in [(&mut output, &rest), (&mut structured, &mcp)] {
                let id = row["id"].as_str().expect("an id").replace('-', "");
                assert_eq!(output["event_id"].take(), id, "the event is found by its row");
            }
        }
        assert_eq!((&result["isError"], &structured), (&json!(false), &output), "{tool}: {result}");
        said.push_str(&format!("{reply:?}{result}"));
    }

    let ticket = web.asked().into_iter().find(|asked| asked.method == "POST").expect("asked");
    assert!(ticket.path.ends_with("/issues/4509876543/integrations/24817/"), "the only one there is: {ticket:?}");
    assert_eq!(ticket.json(), json!({ "title": "Payments fail", "description": "See Sentry" }));
    let health = hub.get("/providers/sentry/health", Some(&viewer)).await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")), "{health:?}");
    // The vendor's document is without `GET /api/0/`, which only the health check asks.
    let documented: Vec<_> = web.asked().into_iter().filter(|asked| asked.path != "/api/0/").collect();
    assert!(documented.len() < web.asked().len(), "the health check asked");
    Contract::of("sentry").judge(&documented, "").await;

    let quota =
        "SELECT name, remaining || '/' || quota_limit, resets_at FROM provider_quotas WHERE provider = 'sentry'";
    let left = hub.database().query_row(quota, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let (name, left, resets_at): (String, String, String) = left.expect("a quota");
    assert_eq!((name.as_str(), left.as_str()), ("api", "39/40"));
    assert!(resets_at.starts_with("20") && resets_at.ends_with('Z'), "{resets_at}");

    assert!(ingest.asked().iter().all(|asked| asked.header("authorization").is_empty()), "the token is not for it");
    assert!(!format!("{:?}", web.asked()).contains(KEY), "nor the key for the web API");
    assert!(files_with(&hub, "disk is full").contains("ops.db"), "the search finds what is there");
    for secret in [KEY, TOKEN] {
        assert_eq!(files_with(&hub, secret), "", "{secret} stays in the vault");
        assert!(!said.contains(secret), "{secret} is in an answer: {said}");
    }
}

#[tokio::test]
async fn whose_role_is_too_low_is_refused_and_recorded_and_nothing_is_sent() {
    let Room { hub, web, ingest } = Room::new().await;
    let (viewer, operator) = (hub.token(VIEWER), hub.token(OPERATOR));
    for (token, tool, input) in [
        (&viewer, "capture.error", json!({ "message": "disk is full" })),
        (&viewer, "issue.update", json!({ "issue_id": "1", "status": "resolved" })),
        (&viewer, "issues.create", json!({ "issue_id": "1", "title": "t" })),
        (&operator, "issues.create", json!({ "issue_id": "1", "title": "t" })),
    ] {
        is(&hub.call(token, &format!("sentry/{tool}"), &input).await, 403, "role_too_low");
        let result = over_mcp(&hub, token, tool, &input).await;
        assert_eq!(result["_meta"]["bulkhead"]["code"], "role_too_low", "{tool}: {result}");
        let events = hub.events();
        let [.., rest, mcp] = &events[..] else { panic!("no rows: {events:?}") };
        for (row, surface) in [(rest, "rest"), (mcp, "mcp")] {
            assert_eq!((&row["tool"], &row["surface"]), (&json!(tool), &json!(surface)), "{row}");
            assert_eq!((&row["outcome"], &row["error_code"]), (&json!("denied"), &json!("role_too_low")), "{row}");
            assert_eq!(row["hostname"], Value::Null, "{row}");
        }
    }
    assert_eq!(hub.events().len(), 8, "a row each");
    assert!(ingest.asked().is_empty(), "no event left");
    assert!(web.asked().iter().all(|asked| asked.path == "/api/0/"), "only the health check asked: {:?}", web.asked());
}

#[tokio::test]
async fn pages_are_followed_only_while_the_link_says_that_there_are_results() {
    let Room { hub, web, .. } = Room::new().await;
    let token = hub.token(VIEWER);
    let list = async |input: Value| {
        let before = web.asked().len();
        let reply = hub.call(&token, "sentry/issues.list", &input).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let page = reply.json();
        let ids: Vec<_> = page["issues"].as_array().expect("issues").iter().map(|issue| issue["id"].clone()).collect();
        let requests = web.asked().split_off(before).iter().filter(|asked| asked.path.contains("/issues/")).count();
        (ids, page["next_cursor"].clone(), requests)
    };

    let all = list(json!({ "project": "paged", "limit": 100 })).await;
    assert_eq!(all, (PAGED.map(Value::from).to_vec(), Value::Null, 3), "two, two and one");
    let (first, cursor, requests) = list(json!({ "project": "paged", "limit": 3 })).await;
    assert_eq!((first, requests), (PAGED[..3].iter().map(|id| json!(id)).collect(), 2));
    let rest = list(json!({ "project": "paged", "limit": 100, "cursor": cursor })).await;
    assert_eq!(rest, (PAGED[3..].iter().map(|id| json!(id)).collect(), Value::Null, 1));

    let (some, cursor, requests) = list(json!({ "project": "endless", "limit": 100 })).await;
    assert_eq!((some.len(), &cursor, requests), (8, &json!("0:8:0"), 8), "there is a bound, and a way to go on");
}

#[tokio::test]
async fn limits_are_kept_and_told_with_a_429_and_beside_a_200() {
    let Room { hub, ingest, .. } = Room::new().await;
    let token = hub.token(OPERATOR);
    let errors_left = || {
        let quota = "SELECT remaining FROM provider_quotas WHERE provider = 'sentry' AND name = 'errors'";
        hub.database().query_row(quota, [], |row| row.get::<_, i64>(0)).ok()
    };
    let capture = async |message: &str| hub.call(&token, "sentry/capture.error", &json!({ "message": message })).await;

    let reply = hub.call(&token, "sentry/issues.list", &json!({ "project": "stormy" })).await;
    is(&reply, 503, "upstream_rate_limited");
    let wait: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((STORM_SECONDS - 5..=STORM_SECONDS).contains(&wait), "until the window begins anew, but {wait} s");
    let quota = "SELECT remaining FROM provider_quotas WHERE provider = 'sentry' AND name = 'api'";
    assert_eq!(hub.database().query_row(quota, [], |row| row.get(0)), Ok(0));

    let reply = capture("all is well but for other kinds of data").await;
    assert_eq!((reply.status, reply.json().get("paused_for_seconds"), errors_left()), (200, None, None), "{reply:?}");
    let reply = capture("slow down").await;
    assert_eq!((reply.status, &reply.json()["paused_for_seconds"]), (200, &json!(60)), "{reply:?}");
    assert_eq!(errors_left(), Some(0));

    let before = ingest.asked().len();
    let reply = capture("stop").await;
    is(&reply, 503, "upstream_rate_limited");
    assert_eq!(reply.header("retry-after"), "2700", "the longest that concerns errors");
    assert_eq!(ingest.asked().len(), before + 1, "nobody tries again before that");
    let row = hub.last_event();
    assert_eq!((&row["outcome"], &row["error_code"]), (&json!("failed"), &json!("upstream_rate_limited")));
}

#[tokio::test]
async fn nonsense_from_sentry_is_an_error_of_the_upstream_and_the_next_call_works() {
    let Room { hub, .. } = Room::new().await;
    let token = hub.token(OPERATOR);
    for (tool, input, code, words) in [
        ("issues.list", json!({ "project": "html" }), "upstream_failed", "<html>maintenance"),
        ("issues.list", json!({ "project": "truncated" }), "upstream_failed", "EOF"),
        ("issues.list", json!({ "project": "broken-off" }), "upstream_unreachable", "in the middle of its answer"),
        ("capture.error", json!({ "message": "html" }), "upstream_failed", "<html>maintenance"),
    ] {
        let reply = hub.call(&token, &format!("sentry/{tool}"), &input).await;
        is(&reply, 502, code);
        assert!(detail(&reply).contains(words), "{reply:?}");
        let row = hub.last_event();
        assert_eq!((&row["outcome"], &row["error_code"]), (&json!("failed"), &json!(code)), "{row}");
    }
    assert_eq!(hub.call(&token, "sentry/issues.list", &json!({})).await.status, 200);
    assert_eq!(hub.call(&token, "sentry/capture.error", &json!({ "message": "x" })).await.status, 200);
}

#[tokio::test]
async fn health_and_errors_name_what_is_missing_and_the_command_that_mends_it_but_no_secret() {
    let mut room = Room::new().await;
    let admin = room.hub.token(ADMIN);
    let mut said = room.health(200, "ok").await;

    restart_with(&mut room.hub, "sentry_auth_token", READ_ONLY);
    said += &room.health(200, "degraded").await;
    let missing = "event:write for issue.update or issues.create, org:read for projects.list";
    assert!(said.contains(missing) && said.contains("`bulkhead secrets set sentry_auth_token --data <"), "{said}");
    for (tool, input, scope) in [
        ("issues.create", json!({ "issue_id": "1", "integration_id": "2", "title": "t" }), "event:write"),
        ("issue.update", json!({ "issue_id": "1", "status": "resolved" }), "event:write"),
        ("projects.list", json!({}), "org:read"),
    ] {
        let reply = room.hub.call(&admin, &format!("sentry/{tool}"), &input).await;
        is(&reply, 502, "upstream_auth");
        let detail = detail(&reply);
        assert!(detail.contains(scope) && detail.contains("sentry_auth_token"), "{tool}: {detail}");
        said += &detail;
    }
    assert_eq!(room.hub.call(&admin, "sentry/issues.list", &json!({})).await.status, 200, "what it may do works");

    let (wrong_token, wrong_dsn) = ("sntryu_of-somebody-else", "somebody-elses-dsn");
    restart_with(&mut room.hub, "sentry_auth_token", wrong_token);
    said += &room.health(200, "degraded").await;
    assert!(said.contains("does not accept the auth token"), "{said}");
    let reply = room.hub.call(&admin, "sentry/issues.list", &json!({})).await;
    is(&reply, 502, "upstream_auth");
    assert!(detail(&reply).contains("event:read") && detail(&reply).contains("sentry_auth_token"), "{reply:?}");
    said += &detail(&reply);
    assert_eq!(room.hub.call(&admin, "sentry/capture.error", &json!({ "message": "x" })).await.status, 200);

    restart_with(&mut room.hub, "sentry_dsn", wrong_dsn);
    let reason = room.health(503, "down").await;
    for secret in ["sentry_auth_token", "sentry_dsn"] {
        assert!(reason.contains(&format!("`bulkhead secrets set {secret} --data <")), "{reason}");
    }
    said += &reason;
    for secret in [KEY, TOKEN, READ_ONLY, wrong_token, wrong_dsn] {
        assert!(!said.contains(secret), "{secret} in {said}");
        assert_eq!(files_with(&room.hub, secret), "", "{secret} stays in the vault");
    }
}

#[tokio::test]
async fn errors_stand_in_a_real_bugsink_as_they_were_captured() {
    let bugsink = Bugsink::start().await;
    let nobody = "https://127.0.0.1:9"; // the web API is not part of this
    let mut hub = Hub::start_with_secrets(&provider(nobody, &bugsink.url), &[("sentry_dsn", &bugsink.dsn)]);
    let (viewer, operator) = (hub.token(VIEWER), hub.token(OPERATOR));
    let input = |message: &str| {
        json!({
            "message": message, "level": "fatal", "tags": { "region": "eu-1" }, "environment": "production",
            "release": "checkout@2.14.0", "platform": "python",
            "exception": {
                "type": "PaymentRefused", "value": "gateway answered 502", "module": "checkout.payment",
                "stacktrace": { "frames": [{ "function": "charge_card", "filename": "checkout/payment.py", "lineno": 12 }] },
            },
        })
    };

    is(&hub.call(&viewer, "sentry/capture.error", &input("from a viewer")).await, 403, "role_too_low");
    let rest = hub.call(&operator, "sentry/capture.error", &input("over REST")).await;
    assert_eq!(rest.status, 200, "{rest:?}");
    let mcp = over_mcp(&hub, &operator, "capture.error", &input("over MCP")).await;
    assert_eq!(mcp["isError"], false, "{mcp}");
    assert_eq!(hub.last_event()["hostname"], authority(&bugsink.url));

    let kept = bugsink.events().await;
    assert_eq!(kept.len(), 2, "the viewer's is not there: {kept:?}");
    for (output, message) in [(rest.json(), "over REST"), (mcp["structuredContent"].clone(), "over MCP")] {
        let id = |event: &Value| event["event_id"].as_str().expect("an id").replace('-', "");
        let event = kept.iter().find(|event| id(event) == id(&output)).unwrap_or_else(|| panic!("{output}: {kept:?}"));
        let sent = input(message);
        for field in ["message", "level", "tags", "release", "environment", "platform"] {
            assert_eq!(event["data"][field], sent[field], "{field}: {event}");
        }
        assert_eq!(event["data"]["exception"]["values"], json!([sent["exception"]]), "{event}");
    }

    let key = "f".repeat(32);
    let at = bugsink.dsn.find('@').expect("a key");
    restart_with(&mut hub, "sentry_dsn", &format!("http://{key}{}", &bugsink.dsn[at..]));
    let reply = hub.call(&operator, "sentry/capture.error", &input("with a wrong key")).await;
    is(&reply, 502, "upstream_auth");
    for words in ["bulkhead secrets set sentry_dsn", "Client Keys", "project 1", "Project not found or key incorrect"] {
        assert!(detail(&reply).contains(words), "{words}: {reply:?}");
    }
    assert!(!reply.text.contains(&key), "Bugsink repeats the key, the hub does not: {reply:?}");
    let secret = &bugsink.dsn["http://".len()..at];
    assert_eq!((files_with(&hub, &key), files_with(&hub, secret)), (String::new(), String::new()));
}
