//! Checks on a description that types alone cannot make.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::contract::{Description, ToolDescription};

pub(super) fn of(description: &Description) -> Vec<String> {
    let mut problems = Vec::new();
    if description.summary.is_empty() {
        problems.push("the provider has no summary".to_owned());
    }
    let mut names = HashSet::new();
    for tool in &description.tools {
        if !names.insert(format!("tool {}", tool.name)) {
            problems.push(format!("two tools are named `{}`", tool.name));
        }
        problems.extend(of_tool(tool).into_iter().map(|problem| format!("tool `{}`: {problem}", tool.name)));
    }
    for resource in &description.resources {
        if !names.insert(format!("resource {}", resource.uri)) {
            problems.push(format!("two resources have the URI `{}`", resource.uri));
        }
        if !resource.uri.contains(':') {
            problems.push(format!("resource `{}`: its URI has no scheme", resource.uri));
        }
    }
    for prompt in &description.prompts {
        if !names.insert(format!("prompt {}", prompt.name)) {
            problems.push(format!("two prompts are named `{}`", prompt.name));
        }
    }
    problems
}

fn of_tool(tool: &ToolDescription) -> Vec<String> {
    let word =
        |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c));
    let number = |n: &str| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit());
    let mut problems = Vec::new();
    if !tool.name.split('.').all(word) {
        problems.push("its name is not dot-separated words of [a-z0-9_-]".to_owned());
    }
    if !tool.schema_version.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor)) {
        problems.push(format!("its schema version `{}` is not major.minor", tool.schema_version));
    }
    if tool.description.is_empty() {
        problems.push("it has no description, so no model can choose it".to_owned());
    }
    for (kind, schema) in [("input", &tool.input_schema), ("output", &tool.output_schema)] {
        let schema: Value = serde_json::from_str(schema).unwrap_or_default();
        if schema.get("type") != Some(&json!("object")) {
            problems.push(format!("its {kind} schema is not of an object: make the {kind} a struct"));
        }
        // Several model APIs refuse such a tool altogether.
        if ["oneOf", "anyOf", "allOf"].iter().any(|key| schema.get(key).is_some()) {
            problems.push(format!("its {kind} schema has alternatives at the top: put the enum into a field"));
        }
    }
    problems
}
