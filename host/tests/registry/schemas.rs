//! Requirement G9: within a tool's schema version, changes are backward compatible. `tests/registry/schemas/` holds what
//! callers rely on; a change that breaks them fails here. A compatible one fails too until it is written down:
//! `BULKHEAD_ACCEPT_SCHEMAS=1 cargo nextest run -E 'test(schemas::)'`.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value, json};

use crate::support::{hub::ADMIN, upstreams::shipped};

#[tokio::test]
async fn no_tool_breaks_its_callers_within_a_schema_version() {
    let (hub, _upstreams) = shipped::hub("", &[]).await;
    let document = hub.get("/openapi.json", Some(&hub.token(ADMIN))).await.json();
    let accepting = std::env::var_os("BULKHEAD_ACCEPT_SCHEMAS").is_some();
    let mut problems = Vec::new();
    for provider in shipped::NAMES {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/registry/schemas/{provider}.json"));
        let now = tools(&document, provider);
        let promised: Map<String, Value> =
            fs::read_to_string(&file).map_or_else(|_| Map::new(), |text| serde_json::from_str(&text).expect("JSON"));
        let broken = broken(&promised, &now);
        if broken.is_empty() && accepting {
            fs::write(&file, format!("{:#}\n", Value::Object(now.clone()))).expect("written");
        } else if broken.is_empty() && promised != now {
            problems.push(format!("{provider}: the change is compatible; accept it as this file's head says"));
        }
        problems.extend(broken.into_iter().map(|problem| format!("{provider}.{problem}")));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// The tools of one provider as `/openapi.json` describes them.
fn tools(document: &Value, provider: &str) -> Map<String, Value> {
    let paths = document["paths"].as_object().expect("paths");
    let prefix = format!("/providers/{provider}/");
    let tools = paths.iter().filter_map(|(path, item)| Some((path.strip_prefix(&prefix)?, item.get("post")?)));
    let tools = tools.map(|(tool, operation)| {
        let schema = |content: &Value| whole(document, &content["content"]["application/json"]["schema"]);
        let promised = json!({
            "schema_version": operation["x-schema-version"],
            "input": schema(&operation["requestBody"]),
            "output": schema(&operation["responses"]["200"]),
        });
        (tool.to_owned(), promised)
    });
    tools.collect()
}

/// The schema that a reference leads to, with those that it refers to as its own definitions.
fn whole(document: &Value, reference: &Value) -> Value {
    const COMPONENTS: &str = "#/components/schemas/";
    let mut definitions = Map::new();
    let own = |schema: &Value| -> Value {
        serde_json::from_str(&schema.to_string().replace(COMPONENTS, "#/$defs/")).expect("JSON")
    };
    let component = |name: &str| own(&document["components"]["schemas"][name]);
    let mut schema = component(reference["$ref"].as_str().expect("a reference").trim_start_matches(COMPONENTS));
    let mut text = schema.to_string();
    while let Some((_, rest)) = text.split_once("\"#/$defs/") {
        let (name, rest) = rest.split_once('"').expect("the end of a text");
        let (name, mut rest) = (name.to_owned(), rest.to_owned());
        if !definitions.contains_key(&name) {
            definitions.insert(name.clone(), component(&name));
            rest += &definitions[&name].to_string();
        }
        text = rest;
    }
    if !definitions.is_empty() {
        schema["$defs"] = Value::Object(definitions);
    }
    schema
}

/// What callers of the promised tools would trip over now.
fn broken(promised: &Map<String, Value>, now: &Map<String, Value>) -> Vec<String> {
    let mut problems = Vec::new();
    for (tool, before) in promised {
        let Some(after) = now.get(tool) else {
            problems.push(format!("{tool}: it is gone"));
            continue;
        };
        let major = |tool: &Value| {
            tool["schema_version"].as_str().and_then(|version| version.split('.').next().map(str::to_owned))
        };
        if major(before) != major(after) {
            problems.push(format!("{tool}: a new major version takes a new name, such as {tool}.v2"));
            continue;
        }
        let mut at = |side: &str, takes: bool| {
            let mut found = Vec::new();
            let (before, after) = (&before[side], &after[side]);
            // What is taken may grow; what is given may shrink.
            let (narrow, wide) =
                if takes { ((before, before), (after, after)) } else { ((after, after), (before, before)) };
            fits(narrow, wide, takes, side, &mut found);
            problems.extend(found.into_iter().map(|problem| format!("{tool}: {problem}")));
        };
        at("input", true);
        at("output", false);
    }
    problems
}

/// A schema and the document that its references are in.
type Schema<'a> = (&'a Value, &'a Value);

/// Notes where a value that `narrow` allows might not be one that `wide` allows. Conservative: what it does not know must
/// be the same on both sides.
fn fits(narrow: Schema<'_>, wide: Schema<'_>, input: bool, at: &str, found: &mut Vec<String>) {
    let ((narrow, narrow_root), (wide, wide_root)) = (resolved(narrow), resolved(wide));
    let mut differ = |what: &str| found.push(format!("{at}: {what}"));
    if !values(narrow, "type").is_subset(&values(wide, "type")) && wide.get("type").is_some() {
        differ("another type");
    }
    if wide.get("enum").is_some()
        && !(narrow.get("enum").is_some() && values(narrow, "enum").is_subset(&values(wide, "enum")))
    {
        differ("other values");
    }
    for (bound, larger_is_wider) in [
        ("maximum", true),
        ("maxLength", true),
        ("maxItems", true),
        ("minimum", false),
        ("minLength", false),
        ("minItems", false),
    ] {
        let holds = match (narrow.get(bound).and_then(Value::as_f64), wide.get(bound).and_then(Value::as_f64)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(narrow), Some(wide)) => {
                if larger_is_wider {
                    narrow <= wide
                } else {
                    narrow >= wide
                }
            }
        };
        if !holds {
            differ(&format!("another `{bound}`"));
        }
    }
    for keyword in ["pattern", "const", "anyOf", "oneOf", "allOf", "format"] {
        if wide.get(keyword).is_some() && narrow.get(keyword) != wide.get(keyword) {
            differ(&format!("another `{keyword}`"));
        }
    }
    if !values(wide, "required").is_subset(&values(narrow, "required")) {
        differ(if input { "a property is newly required" } else { "a property is no longer promised" });
    }
    let none = Map::new();
    let properties =
        |schema: &'_ Value| schema.get("properties").and_then(Value::as_object).cloned().unwrap_or(none.clone());
    let (narrow_properties, wide_properties) = (properties(narrow), properties(wide));
    // The side that callers know: no property of it may go.
    let (before, after) =
        if input { (&narrow_properties, &wide_properties) } else { (&wide_properties, &narrow_properties) };
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        found.push(format!("{at}: the property `{name}` is gone"));
    }
    for (name, one) in &narrow_properties {
        if let Some(other) = wide_properties.get(name) {
            fits((one, narrow_root), (other, wide_root), input, &format!("{at}.{name}"), found);
        }
    }
    if let (Some(one), Some(other)) = (narrow.get("items"), wide.get("items")) {
        fits((one, narrow_root), (other, wide_root), input, &format!("{at}[]"), found);
    }
}

fn resolved((schema, root): Schema<'_>) -> Schema<'_> {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(pointer) => (root.pointer(pointer.trim_start_matches('#')).expect("a definition"), root),
        None => (schema, root),
    }
}

fn values(schema: &Value, keyword: &str) -> BTreeSet<String> {
    match schema.get(keyword) {
        Some(Value::Array(items)) => items.iter().map(ToString::to_string).collect(),
        Some(one) => BTreeSet::from([one.to_string()]),
        None => BTreeSet::new(),
    }
}

#[test]
fn what_breaks_callers_is_told_from_what_does_not() {
    let tool = |input: Value, output: Value| {
        let promised = json!({ "schema_version": "1.0", "input": input, "output": output });
        Map::from_iter([("t".to_owned(), promised)])
    };
    let input =
        json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string", "maxLength": 5 } } });
    let output = json!({ "type": "object", "required": ["b"], "properties": { "b": { "enum": ["x", "y"] } } });
    let before = tool(input.clone(), output.clone());
    let with = |change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut input, mut output) = (input.clone(), output.clone());
        change(&mut input, &mut output);
        broken(&before, &tool(input, output))
    };
    assert_eq!(with(&|_, _| {}), Vec::<String>::new());
    for compatible in [
        &(|input: &mut Value, _: &mut Value| input["properties"]["new"] = json!({ "type": "string" }))
            as &dyn Fn(&mut Value, &mut Value),
        &|input, _| input["properties"]["a"]["maxLength"] = json!(9),
        &|input, _| input["required"] = json!([]),
        &|_, output| output["properties"]["c"] = json!({ "type": "string" }),
        &|_, output| output["properties"]["b"]["enum"] = json!(["x"]),
    ] {
        assert_eq!(with(compatible), Vec::<String>::new());
    }
    for breaking in [
        &(|input: &mut Value, _: &mut Value| input["required"] = json!(["a", "new"]))
            as &dyn Fn(&mut Value, &mut Value),
        &|input, _| input["properties"] = json!({}),
        &|input, _| input["properties"]["a"]["type"] = json!("integer"),
        &|input, _| input["properties"]["a"]["maxLength"] = json!(4),
        &|input, _| input["properties"]["a"]["pattern"] = json!("^x$"),
        &|_, output| output["required"] = json!([]),
        &|_, output| output["properties"] = json!({}),
        &|_, output| output["properties"]["b"]["enum"] = json!(["x", "y", "z"]),
    ] {
        assert_ne!(with(breaking), Vec::<String>::new());
    }
    assert_eq!(broken(&before, &Map::new()), ["t: it is gone"]);
}
