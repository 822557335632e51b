//! Providers' own words as clients of an endpoint need them: where a provider names one of its tools or prompts, the client
//! reads the name by which it calls it there.
//!
//! Understood are `contexts.list`, `netdata.contexts.list` and `netdata__contexts_list`; a name without a dot only in
//! backticks, because it may be a word like any other. Names of other providers stay as they are.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Map, Value};

use crate::{names::WireForm, registry::Revision};

/// Longer texts stay as they are, in bytes: they are documents, not instructions.
const TEXT_MAX: usize = 64 * 1024;
/// Keywords of a schema whose values are data.
const DATA: [&str; 4] = ["default", "const", "enum", "examples"];
/// Keywords whose members are schemas under names of the author's.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// The names of one provider on one endpoint.
pub(super) struct Wording {
    names: HashMap<String, String>,
}

impl Wording {
    /// Those of a provider.
    pub(super) fn of(revision: &Revision, form: WireForm) -> Self {
        let mut names = HashMap::new();
        // What is a whole name of one is not the short one of another, so whole names come last.
        for whole in [false, true] {
            for item in revision.offer.item_names() {
                let wire = form.name(&revision.name, item);
                if whole {
                    names.insert(WireForm::Dotted.name(&revision.name, item), wire.clone());
                    names.insert(WireForm::Flat.name(&revision.name, item), wire);
                } else {
                    names.insert(item.to_owned(), wire);
                }
            }
        }
        Self { names }
    }

    /// Those of nobody.
    pub(super) fn of_nobody() -> Self {
        Self { names: HashMap::new() }
    }

    /// A text of the provider's.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.text_around(text, &[])
    }

    /// The same where parts of the text are what a caller gave: those stay as they are.
    pub(super) fn text_around<'a>(&self, text: &'a str, given: &[String]) -> Cow<'a, str> {
        if self.names.is_empty() || text.len() > TEXT_MAX {
            return Cow::Borrowed(text);
        }
        let kept = self.kept(text, given);
        let mut told = String::new();
        let mut done = 0;
        for (start, word) in words(text) {
            let end = start + word.len();
            let Some(name) = self.names.get(word).filter(|_| is_name(text, start, end)) else { continue };
            if kept.iter().any(|(from, to)| start < *to && *from < end) {
                continue;
            }
            told.push_str(&text[done..start]);
            told.push_str(name);
            done = end;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        told.push_str(&text[done..]);
        Cow::Owned(told)
    }

    /// Where in the text that is which a caller gave, as far as a name is in it.
    fn kept(&self, text: &str, given: &[String]) -> Vec<(usize, usize)> {
        let named = |value: &&String| {
            let fits = !value.is_empty() && value.len() <= text.len();
            fits && words(value).any(|(_, word)| self.names.contains_key(word))
        };
        let places = given.iter().filter(named).flat_map(|value| text.match_indices(value.as_str()));
        places.map(|(at, value)| (at, at + value.len())).collect()
    }

    /// A schema with its descriptions in these words, and with `properties`, which clients of some models insist on.
    pub(super) fn schema(&self, schema: &Value) -> Map<String, Value> {
        let mut schema = match self.subschema(schema) {
            Value::Object(members) => members,
            // The registry takes no other.
            _ => Map::new(),
        };
        schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        schema
    }

    fn subschema(&self, schema: &Value) -> Value {
        let members = match schema {
            Value::Object(members) => members,
            Value::Array(items) => return items.iter().map(|item| self.subschema(item)).collect(),
            plain => return plain.clone(),
        };
        let member = |(keyword, value): (&String, &Value)| {
            let value = match value {
                Value::String(text) if keyword == "description" => Value::String(self.text(text).into_owned()),
                Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                    named.iter().map(|(name, schema)| (name.clone(), self.subschema(schema))).collect()
                }
                value if DATA.contains(&keyword.as_str()) => value.clone(),
                value => self.subschema(value),
            };
            (keyword.clone(), value)
        };
        members.iter().map(member).collect()
    }
}

/// Runs of characters that names are made of, without the dots and dashes around them, with their places.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut next = 0;
    text.split_inclusive(move |c| !is_part(c)).filter_map(move |piece| {
        let start = next;
        next += piece.len();
        let run = piece.trim_end_matches(|c| !is_part(c));
        let tail = run.trim_start_matches(['.', '-']);
        let word = tail.trim_end_matches(['.', '-']);
        (!word.is_empty()).then(|| (start + run.len() - tail.len(), word))
    })
}

/// Whether what stands there is meant as a name: not part of a path or an address, and in backticks if it might be a word.
fn is_name(text: &str, start: usize, end: usize) -> bool {
    let (before, after) = (text[..start].chars().next_back(), text[end..].chars().next());
    if before == Some('`') && after == Some('`') {
        return true;
    }
    let adjoins = |c: Option<char>| c.is_some_and(|c| matches!(c, '/' | '\\' | '@' | ':') || c.is_alphanumeric());
    let clause = after == Some(':');
    (text[start..end].contains('.') || text[start..end].contains("__"))
        && !adjoins(before)
        && (clause || !adjoins(after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wording(form: WireForm) -> Wording {
        let provider = "netdata".parse().expect("a name");
        let mut names = HashMap::new();
        for item in ["contexts.list", "metrics.query", "plan", "check-up"] {
            let wire = form.name(&provider, item);
            for name in [item.to_owned(), WireForm::Dotted.name(&provider, item), WireForm::Flat.name(&provider, item)]
            {
                names.insert(name, wire.clone());
            }
        }
        Wording { names }
    }

    #[test]
    fn siblings_are_named_as_they_are_called() {
        let flat = wording(WireForm::Flat);
        for (text, told) in [
            ("Call contexts.list first.", "Call netdata__contexts_list first."),
            ("Call `contexts.list`, then metrics.query", "Call `netdata__contexts_list`, then netdata__metrics_query"),
            ("netdata.contexts.list: names", "netdata__contexts_list: names"),
            ("netdata__contexts_list", "netdata__contexts_list"),
            (
                "contexts.list... and so on (metrics.query)",
                "netdata__contexts_list... and so on (netdata__metrics_query)",
            ),
            ("`plan` is a prompt", "`netdata__plan` is a prompt"),
            ("é contexts.list é", "é netdata__contexts_list é"),
        ] {
            assert_eq!(flat.text(text), told, "{text}");
        }
        assert_eq!(wording(WireForm::Dotted).text("contexts.list"), "netdata.contexts.list");
    }

    #[test]
    fn what_is_no_sibling_stays_as_it_is() {
        let flat = wording(WireForm::Flat);
        for text in [
            "a plan for a check-up",
            "https://example.org/contexts.list",
            "POST /providers/netdata/contexts.list",
            "contexts.list/x",
            "contexts.list.v2",
            "my-contexts.list",
            "sentry.contexts.list",
            "me@contexts.list",
            "écontexts.list",
            "Contexts.List",
            "`contexts`.`list`",
            "",
        ] {
            assert_eq!(flat.text(text), text);
        }
        let long = "contexts.list ".repeat(10_000);
        assert_eq!(flat.text(&long), long);
    }

    #[test]
    fn what_a_caller_gave_stays_as_it_is() {
        let given = ["metrics.query failed".to_owned(), String::new(), "nothing".to_owned()];
        let told = wording(WireForm::Flat).text_around("Explain: metrics.query failed. Use metrics.query.", &given);
        assert_eq!(told, "Explain: metrics.query failed. Use netdata__metrics_query.");
    }

    #[test]
    fn a_schemas_descriptions_are_told_and_its_data_is_not() {
        let schema = json!({
            "type": "object",
            "description": "as contexts.list",
            "properties": {
                "description": { "type": "string", "description": "`plan`", "default": "contexts.list" },
                "enum": { "description": "contexts.list", "enum": ["contexts.list"], "examples": ["contexts.list"] },
            },
            "anyOf": [{ "description": "contexts.list", "const": "contexts.list" }],
        });
        let told = json!({
            "type": "object",
            "description": "as netdata__contexts_list",
            "properties": {
                "description": { "type": "string", "description": "`netdata__plan`", "default": "contexts.list" },
                "enum": {
                    "description": "netdata__contexts_list", "enum": ["contexts.list"], "examples": ["contexts.list"],
                },
            },
            "anyOf": [{ "description": "netdata__contexts_list", "const": "contexts.list" }],
        });
        assert_eq!(Value::Object(wording(WireForm::Flat).schema(&schema)), told);
    }

    #[test]
    fn every_schema_has_properties() {
        let told = Wording::of_nobody().schema(&json!({ "type": "object", "additionalProperties": false }));
        assert_eq!(Value::Object(told), json!({ "type": "object", "additionalProperties": false, "properties": {} }));
    }
}
