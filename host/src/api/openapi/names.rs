//! Names of operations and components: identifiers that client generators can take as they are, each once in the document.
//!
//! They are given out over everything that the config offers, whoever asks and whatever is down, so that a name never
//! changes its meaning with a role or an outage.

use std::collections::HashMap;

use crate::{
    names::{ProviderName, ToolName},
    registry::{Revision, Schema, Snapshot, Tool, word},
};

/// Components that are there whatever the registry holds.
pub(super) const PROBLEM: &str = "Problem";
pub(super) const VIOLATION: &str = "Violation";
pub(super) const HEALTH: &str = "Health";
pub(super) const AUDIT_EVENT: &str = "AuditEvent";
pub(super) const AUDIT_PAGE: &str = "AuditPage";
pub(super) const AUDIT_RECORD: &str = "AuditRecord";
pub(super) const AUDIT_USAGE: &str = "AuditUsage";
pub(super) const PROVIDER: &str = "Provider";
pub(super) const PROVIDER_LIST: &str = "ProviderList";
pub(super) const RELOADED: &str = "Reloaded";
/// Operations that are there whatever the registry holds.
pub(super) const LIST: &str = "listAuditEvents";
pub(super) const SHOW: &str = "showAuditEvent";
pub(super) const EXPORT: &str = "exportAuditEvents";
pub(super) const STREAM: &str = "streamAuditEvents";
pub(super) const USAGE: &str = "summarizeUsage";
pub(super) const LIST_PROVIDERS: &str = "listProviders";
pub(super) const DISABLE: &str = "disableProvider";
pub(super) const ENABLE: &str = "enableProvider";
pub(super) const ROLL_BACK: &str = "rollBackProvider";
pub(super) const RELOAD: &str = "reload";

/// Which side of a tool a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Input,
    Output,
}

impl Side {
    pub(super) fn schema(self, tool: &Tool) -> &Schema {
        match self {
            Self::Input => &tool.input,
            Self::Output => &tool.output,
        }
    }
}

/// Every name of a document.
pub(super) struct Names<'a> {
    operations: HashMap<(&'a ProviderName, Option<&'a ToolName>), String>,
    /// By tool, side and pointer into its schema.
    components: HashMap<(&'a ProviderName, &'a ToolName, Side, &'a str), String>,
}

impl<'a> Names<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let (mut operations, mut components) = (Distinct::default(), Distinct::default());
        for reserved in [
            PROBLEM,
            VIOLATION,
            HEALTH,
            AUDIT_EVENT,
            AUDIT_PAGE,
            AUDIT_RECORD,
            AUDIT_USAGE,
            PROVIDER,
            PROVIDER_LIST,
            RELOADED,
        ] {
            components.next(reserved);
        }
        for reserved in [LIST, SHOW, EXPORT, STREAM, USAGE, LIST_PROVIDERS, DISABLE, ENABLE, ROLL_BACK, RELOAD] {
            operations.next(reserved);
        }
        let mut names = Self { operations: HashMap::new(), components: HashMap::new() };
        let all: Vec<&Revision> = snapshot.ready().map(|revision| &**revision).collect();
        for revision in &all {
            for tool in revision.offer.tools.values() {
                let base = operations.next(&format!("{}{}", word(revision.name.as_str()), word(tool.name.as_str())));
                // The schemas themselves first: their names are the ones to expect.
                for (side, name) in [(Side::Input, "Input"), (Side::Output, "Output")] {
                    let name = components.next(&format!("{base}{name}"));
                    names.components.insert((&revision.name, &tool.name, side, ""), name);
                }
                names.operations.insert((&revision.name, Some(&tool.name)), lower_first(&base));
            }
        }
        for revision in &all {
            let check = operations.next(&format!("{}CheckHealth", word(revision.name.as_str())));
            names.operations.insert((&revision.name, None), lower_first(&check));
            for tool in revision.offer.tools.values() {
                for side in [Side::Input, Side::Output] {
                    let around = names.component(&revision.name, tool, side, "").to_owned();
                    for (pointer, part) in side.schema(tool).parts() {
                        let name = components.next(&format!("{around}{part}"));
                        names.components.insert((&revision.name, &tool.name, side, pointer), name);
                    }
                }
            }
        }
        names
    }

    /// The operation that calls a tool, or the one that checks health.
    pub(super) fn operation<'b>(&'b self, provider: &'b ProviderName, tool: Option<&'b ToolName>) -> &'b str {
        self.operations.get(&(provider, tool)).map_or("", String::as_str)
    }

    /// The component of a part of a tool's schema; that of the whole for an empty pointer.
    pub(super) fn component<'b>(
        &'b self,
        provider: &'b ProviderName,
        tool: &'b Tool,
        side: Side,
        pointer: &'b str,
    ) -> &'b str {
        self.components.get(&(provider, &tool.name, side, pointer)).map_or("", String::as_str)
    }
}

/// Gives each name out once. Names that differ in case alone are one: generators make files of them.
#[derive(Default)]
struct Distinct(HashMap<String, u32>);

impl Distinct {
    fn next(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.0.contains_key(&name.to_lowercase()) {
            // One more than before, so that a thousand equal names do not take a million steps.
            let number = self.0.entry(wanted.to_lowercase()).or_insert(1);
            *number += 1;
            name = format!("{wanted}{number}");
        }
        self.0.insert(name.to_lowercase(), 1);
        name
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_out_once_whatever_its_case() {
        let mut names = Distinct::default();
        let given = ["Echo", "echo", "Echo2", "Echo", "ECHO", "Echo22"].map(|name| names.next(name));
        assert_eq!(given, ["Echo", "echo2", "Echo22", "Echo3", "ECHO4", "Echo222"]);
        for _ in 0..20_000 {
            names.next("Same");
        }
        assert_eq!(names.next("Same"), "Same20001");
        assert_eq!((lower_first("HelloRs"), lower_first("")), ("helloRs".to_owned(), String::new()));
    }
}
