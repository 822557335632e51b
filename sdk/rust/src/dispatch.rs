//! From the contract's five functions to the author's: the same code in the hub and in tests.

use crate::context::Context;
use crate::contract::{Description, PromptMessage, ResourceContent, ToolOutput};
use crate::error::CallError;
use crate::health::Health;
use crate::prompt::{Arguments, Prompt};
use crate::provider::Provider;
use crate::resource::Resource;
use crate::tool::Tool;

impl Provider {
    pub(crate) fn describe(&self) -> Description {
        Description {
            summary: self.summary.clone(),
            version: self.version.clone(),
            tools: self.tools.iter().map(Tool::describe).collect(),
            resources: self.resources.iter().map(Resource::describe).collect(),
            prompts: self.prompts.iter().map(Prompt::describe).collect(),
        }
    }

    pub(crate) fn call_tool(&self, cx: &Context, name: &str, input: &str) -> Result<ToolOutput, CallError> {
        let tool = self.tools.iter().find(|tool| tool.name() == name);
        tool.ok_or_else(|| unknown("tool", name, self.tools.iter().map(Tool::name)))?.run(cx, input)
    }

    /// A fixed URI wins over a template that also matches it.
    pub(crate) fn read_resource(&self, cx: &Context, uri: &str) -> Result<Vec<ResourceContent>, CallError> {
        let (templates, fixed): (Vec<_>, Vec<_>) = self.resources.iter().partition(|resource| resource.is_template());
        let found = fixed.into_iter().chain(templates).find_map(|r| r.matches(uri).map(|variables| (r, variables)));
        let (resource, variables) = found.ok_or_else(|| {
            let known: Vec<_> = self.resources.iter().map(|resource| resource.describe().uri).collect();
            unknown("resource", uri, known.iter().map(String::as_str))
        })?;
        Ok(vec![resource.read(cx, uri, &variables)?])
    }

    pub(crate) fn get_prompt(
        &self,
        cx: &Context,
        name: &str,
        arguments: &Arguments,
    ) -> Result<Vec<PromptMessage>, CallError> {
        let prompt = self.prompts.iter().find(|prompt| prompt.name() == name);
        prompt.ok_or_else(|| unknown("prompt", name, self.prompts.iter().map(Prompt::name)))?.render(cx, arguments)
    }

    pub(crate) fn check_health(&self, cx: &Context) -> Health {
        (self.check)(cx)
    }
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> CallError {
    let known: Vec<_> = known.collect();
    let choice =
        if known.is_empty() { "it has none".to_owned() } else { format!("choose one of {}", known.join(", ")) };
    CallError::not_found(format!("this provider has no {kind} `{name}`: {choice}"))
}
