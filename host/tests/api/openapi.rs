//! `/openapi.json`: what it lists, for whom, that it is the same each time, and that client generators take it.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::support::{
    generators,
    hello::HELLO,
    hub::{ADMIN, Folder, Hub, OPERATOR, VIEWER, eventually},
    raw::{
        Raw,
        description::{Description, Tool},
    },
    testbed::replace,
    upstreams::shipped,
};

/// Schemas of every shape that a provider may have, by tool. The names of some tools and definitions differ in little.
fn shapes() -> Vec<(&'static str, Value)> {
    vec![
        ("health", json!({ "type": "object", "title": "Input", "properties": { "deep": { "type": "boolean" } } })),
        ("check.health", json!({ "type": "object", "title": "Input" })),
        (
            "tree.v1",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": "https://example.org/tree",
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": { "type": "string", "title": "Name" },
                    "children": { "type": "array", "items": { "$ref": "#" } },
                    "first": { "$ref": "https://example.org/tree#/$defs/leaf", "description": "The first." },
                    "next": { "anyOf": [{ "$ref": "tree#/$defs/Leaf" }, { "type": "null" }] },
                    "level": { "$ref": "#/$defs/level%2Done" },
                    "state": { "type": "string", "enum": ["on", "off"] },
                    "same": { "$ref": "#/properties/state" },
                    "any": true,
                    "none": false,
                    "default": { "$ref": "#/$defs/leaf" },
                    "$defs": { "type": "string" },
                },
                "$defs": {
                    "leaf": { "type": "object", "title": "Node", "properties": { "up": { "$ref": "#" }, "other": { "$ref": "#/$defs/Leaf" } } },
                    "Leaf": { "type": "object", "title": "Node", "properties": { "n": { "type": "integer" } } },
                    "level-one": { "enum": [1, 2, 3], "$defs": { "inner": { "type": "string" } } },
                    "unused": { "type": "object" },
                },
            }),
        ),
        (
            "tree-v1",
            json!({
                "type": "object",
                "properties": {
                    "settings": { "type": "object", "properties": { "on": { "$ref": "#/$defs/level-one/$defs/inner" } } },
                    "more": { "$ref": "#/$defs/Settings" },
                    "again": { "$ref": "#more" },
                    "dynamic": { "$dynamicRef": "#node" },
                    "anything": { "$ref": "#/$defs/anything" },
                    "alias": { "$ref": "#/$defs/alias" },
                },
                "$defs": {
                    "Settings": { "type": "object", "$anchor": "more", "properties": { "x": { "type": "number" } } },
                    "node": { "type": "object", "$dynamicAnchor": "node", "properties": { "next": { "$dynamicRef": "#node" } } },
                    "level-one": { "$defs": { "inner": { "type": "string" } } },
                    "anything": true,
                    "alias": { "$ref": "#/$defs/node" },
                },
            }),
        ),
    ]
}

/// The entry of a provider `shapes` with these tools, each with its schema on both sides; every tool answers `{}`.
fn provider_of_shapes(folder: &Folder) -> String {
    let tools = shapes().into_iter().map(|(name, schema)| {
        let output = if schema["required"].is_null() { schema.to_string() } else { r#"{"type":"object"}"#.to_owned() };
        Tool { input_schema: schema.to_string().into(), output_schema: output.into(), ..Tool::named(name) }
    });
    let text: String = shapes().iter().map(|(name, _)| format!("(func ${name} (type $tool) (call $done))\n")).collect();
    let description = Description { tools: tools.collect(), ..Description::default() };
    let bytes = Raw { description: Some(description), ..Raw::of(&text) }.build();
    let path = replace(folder.path(), "shapes.wasm", &bytes);
    let grants: String = shapes()
        .iter()
        .map(|(name, _)| {
            format!("      - {{ name: {name}, class: read, min_role: ops_viewer, schema_version: '1.0' }}\n")
        })
        .collect();
    format!("  shapes:\n    component: {}\n    tools:\n{grants}", path.display())
}

/// Every `$ref` of a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Every operation: its method and path, and itself.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let each = paths.flat_map(|(path, item)| {
        let methods = item.as_object().expect("operations").iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    each.collect()
}

/// Whether a component of the document takes a value.
fn takes(document: &Value, schema: &Value, value: &Value) -> bool {
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    jsonschema::draft202012::is_valid(&schema, value)
}

fn is_sound(document: &Value) {
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = vec![];
    references(document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        assert!(pointer.split('/').count() == 4 && pointer.starts_with("/components/"), "{reference} has no name");
    }
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}: {schema}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
    }
    let distinct: BTreeSet<_> = schemas.keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(distinct.len(), schemas.len(), "names differ in more than case");
    let operations = operations(document);
    let ids: BTreeSet<_> = operations
        .iter()
        .map(|(_, operation)| operation["operationId"].as_str().expect("an id").to_lowercase())
        .collect();
    assert_eq!(ids.len(), operations.len(), "ids are unique");
    for (name, operation) in operations {
        let id = operation["operationId"].as_str().expect("an id");
        assert!(
            id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(|b| b.is_ascii_alphanumeric()),
            "{id}"
        );
        for status in ["200", "400", "401", "403", "404", "413", "415", "429", "500", "502", "503", "504"] {
            assert!(operation["responses"][status].is_object(), "{name} has no {status}");
        }
    }
}

#[tokio::test]
async fn the_document_lists_what_the_caller_may_call_and_is_sound() {
    let (hub, _upstreams) = shipped::hub("", &[]).await;
    assert_eq!(hub.get("/openapi.json", None).await.status, 401);
    let health = shipped::NAMES.map(|name| format!("get /providers/{name}/health"));
    let mut seen = 0;
    for (role, yes, no) in [
        (VIEWER, "post /providers/socket/findings.list", "post /providers/socket/scan.repo"),
        (OPERATOR, "post /providers/socket/scan.repo", "post /providers/sentry/issues.create"),
        (ADMIN, "post /providers/sentry/issues.create", "post /providers/sentry/none"),
    ] {
        let document = hub.get("/openapi.json", Some(&hub.token(role))).await.json();
        let listed: BTreeSet<_> = operations(&document).into_iter().map(|(name, _)| name).collect();
        assert!(listed.contains(yes) && !listed.contains(no), "{role}: {listed:?}");
        assert!(health.iter().all(|check| listed.contains(check)), "{role}: {listed:?}");
        assert!(listed.len() > seen, "{role}: {listed:?}");
        seen = listed.len();
        is_sound(&document);
    }
    let document = hub.get("/openapi.json", Some(&hub.token(ADMIN))).await.json();
    assert_eq!(document["servers"][0]["url"], hub.url);
    for (path, example) in [
        ("/providers/hello-rs/echo.v1", json!({ "message": "hi" })),
        ("/providers/hello-rs/sum.v1", json!({ "numbers": [1, 2.5] })),
        ("/providers/netdata/metrics.query", json!({ "context": "system.cpu" })),
    ] {
        let operation = &document["paths"][path]["post"];
        let input = &operation["requestBody"]["content"]["application/json"]["schema"];
        let output = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(takes(&document, input, &example), "{example}");
        assert!(!takes(&document, input, &json!({ "message": 1, "numbers": 1, "context": 1 })), "{path}");
        assert!(!takes(&document, output, &json!(1)), "{path}");
    }
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    for (path, body) in [("hello-rs/echo.v1", json!({ "mesage": 1 })), ("hello-rs/none", json!({}))] {
        let reply = hub.call(&hub.token(VIEWER), path, &body).await;
        assert!(reply.status >= 400 && takes(&document, &problem, &reply.json()), "{reply:?}");
    }
}

#[tokio::test]
async fn what_the_hub_itself_is_asked_all_the_time_has_one_row_an_hour_and_each_refusal_its_own() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let document = hub.get("/openapi.json", Some(&token)).await;
    assert_eq!((document.status, document.header("content-type")), (200, "application/json"));
    for list in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        let listed = hub.mcp(&token, list, &json!({})).await;
        assert!(listed["result"].is_object(), "{listed}");
    }
    let operations = || hub.events().into_iter().map(|row| row["operation"].clone()).collect::<Vec<_>>();
    assert_eq!(operations(), [json!("openapi"), json!("mcp_list")]);

    let refused = hub.mcp(&token, "tools/list", &json!({ "cursor": "made-up" })).await;
    let [_, _, row] = &hub.events()[..] else { panic!("{refused}") };
    assert_eq!((&row["operation"], &row["surface"]), (&json!("mcp_list"), &json!("mcp")));
    assert_eq!((&row["outcome"], &row["error_code"]), (&json!("invalid"), &json!("params_invalid")));
    assert_eq!(refused["error"]["data"]["bulkhead"]["call_id"], row["id"], "{refused}");

    let health = json!({ "$ref": "#/components/schemas/Health" });
    let reply = hub.get("/providers/hello-rs/health", Some(&token)).await;
    assert!(takes(&document.json(), &health, &reply.json()), "{reply:?}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_not_in_the_document_which_is_otherwise_the_same_each_time() {
    let netdata = "
  netdata:
    component: {netdata.wasm}
    allowed_hosts: ['http://127.0.0.1:1']
    settings: { agent_url: 'http://127.0.0.1:1' }
    tools: [{ name: metrics.query, class: read, min_role: ops_viewer, schema_version: '1.0' }]
";
    let folder = Folder::new();
    let config = format!("{HELLO}{netdata}{}", provider_of_shapes(&folder));
    let mut hub = Hub::start_with(&config, &["--public-url", "https://hub.example.org/ops/"]);
    let token = hub.token(OPERATOR);
    let settled = async |hub: &Hub| {
        eventually("every provider is checked", async || {
            let health = hub.get("/health", None).await.json();
            let of = |name: &str| {
                health["providers"].as_array()?.iter().find(|one| one["provider"] == name)?["status"].as_str()
            };
            (of("netdata") == Some("down") && of("shapes") == Some("ok")).then_some(())
        })
        .await;
        hub.get("/openapi.json", Some(&token)).await.text
    };
    let first = settled(&hub).await;
    assert!(!first.to_lowercase().contains("netdata") && first.contains("/providers/shapes/tree.v1"), "{first:.2000}");
    assert!(first.contains(r#""url":"https://hub.example.org/ops""#), "{first:.2000}");
    for _ in 0..3 {
        assert!(hub.get("/openapi.json", Some(&token)).await.text == first, "the same bytes");
    }
    hub.stop();
    hub.run();
    assert!(settled(&hub).await == first, "the same bytes after a restart");
}

#[tokio::test]
async fn definitions_of_every_shape_become_components_that_mean_the_same() {
    let folder = Folder::new();
    let hub = Hub::start(&provider_of_shapes(&folder));
    let document = hub.get("/openapi.json", Some(&hub.token(VIEWER))).await.json();
    is_sound(&document);
    let text = document.to_string();
    for gone in ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "\"title\":\"Node\"", "definitions"] {
        assert!(!text.contains(gone), "{gone}");
    }
    let values = [
        json!({}),
        json!({ "name": "a" }),
        json!({ "name": "a", "children": [{ "name": "b", "children": [] }] }),
        json!({ "name": "a", "children": [{ "children": [] }] }),
        json!({ "name": "a", "first": { "up": { "name": "b" }, "other": { "n": 1 } } }),
        json!({ "name": "a", "first": { "up": {} } }),
        json!({ "name": "a", "next": { "n": "x" } }),
        json!({ "name": "a", "level": 2, "same": "on" }),
        json!({ "name": "a", "level": 4 }),
        json!({ "name": "a", "same": "ON" }),
        json!({ "name": "a", "any": [1], "default": { "up": 1 } }),
        json!({ "name": "a", "none": 1 }),
        json!({ "name": "a", "$defs": 1 }),
        json!({ "deep": 1 }),
        json!({ "settings": { "on": 1 } }),
        json!({ "more": { "x": "1" } }),
        json!({ "again": { "x": "1" } }),
        json!({ "dynamic": { "next": { "next": 1 } } }),
        json!({ "alias": { "next": { "next": {} } }, "anything": 1 }),
        json!({ "alias": { "next": { "next": 1 } } }),
    ];
    for (tool, schema) in shapes() {
        let operation = &document["paths"][format!("/providers/shapes/{tool}")]["post"];
        let input = &operation["requestBody"]["content"]["application/json"]["schema"];
        let own = jsonschema::draft202012::new(&schema).expect("a schema");
        for value in &values {
            assert_eq!(takes(&document, input, value), own.is_valid(value), "{tool}: {value}");
        }
    }
}

#[tokio::test]
async fn client_generators_take_the_document_with_every_provider_on() {
    let folder = Folder::new();
    let (hub, _upstreams) = shipped::hub(&provider_of_shapes(&folder), &[]).await;
    let document = hub.get("/openapi.json", Some(&hub.token(ADMIN))).await;
    fs::write(folder.path().join("openapi.json"), &document.text).expect("written");
    let document = document.json();
    let operations = operations(&document);
    assert!(operations.len() > 30, "{}", operations.len());

    let mut usage =
        "import type { operations, paths } from './types';\nimport * as client from './client';\n".to_owned();
    for (index, (name, operation)) in operations.iter().enumerate() {
        let (id, (method, path)) =
            (operation["operationId"].as_str().expect("an id"), name.split_once(' ').expect("two"));
        usage += &format!(
            "export type O{index} = operations['{id}'];\nexport type P{index} = NonNullable<paths['{path}']['{method}']>;\n\
             export const c{index}: Function = client.{id};\n"
        );
    }
    let names: BTreeSet<_> = operations.iter().map(|(name, _)| name.clone()).collect();
    let folder = folder.path().to_owned();
    let python = tokio::task::spawn_blocking(move || {
        generators::typescript(&folder, &usage);
        generators::python(&folder)
    });
    let python = python.await.expect("it ends").into_iter().collect::<BTreeSet<_>>();
    assert_eq!(python, names);
}
