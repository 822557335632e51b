//! The driver: a whole provider, called as the hub would.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{FakeGate, problems, schema_check};
use crate::context::Context;
use crate::contract::{CallContext, Description, PromptMessage, ResourceBody, ToolOutput};
use crate::error::CallError;
use crate::health::Health;
use crate::provider::Provider;
use crate::tool::Tool;

/// Runs a provider natively, with no gate, empty settings and the clock at 2026-01-01T00:00:00Z.
#[must_use]
pub fn run(provider: Provider) -> Run {
    Run {
        provider,
        gate: Rc::new(FakeGate::new()),
        settings: json!({}),
        now_ms: 1_767_225_600_000,
        deadline: Duration::from_secs(5),
    }
}

/// A provider under test. Every method goes through the code that runs in the hub.
pub struct Run {
    provider: Provider,
    gate: Rc<FakeGate>,
    settings: Value,
    now_ms: u64,
    deadline: Duration,
}

impl Run {
    /// Puts a scripted gate behind the provider.
    #[must_use]
    pub fn gate(mut self, gate: FakeGate) -> Self {
        self.gate = Rc::new(gate);
        self
    }

    /// The provider's `settings`.
    #[must_use]
    pub fn settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    /// The wall clock, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(mut self, now_ms: u64) -> Self {
        self.now_ms = now_ms;
        self
    }

    /// How long a call may take; 5 s unless told. The gate keeps it by a clock of its own, which only requests move on.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The gate, to see what went through it.
    #[must_use]
    pub fn gate_seen(&self) -> &FakeGate {
        &self.gate
    }

    /// Calls a tool as the hub does and returns its output: what does not match the input schema never reaches the tool.
    ///
    /// # Errors
    /// What the caller of the hub is told: that the input does not match the schema, and where, or what the tool answers.
    ///
    /// # Panics
    /// If the output does not match the output schema.
    #[allow(clippy::needless_pass_by_value)] // so that a test writes `json!(…)` without `&`
    pub fn call(&self, tool: &str, input: Value) -> Result<Value, CallError> {
        read_output(&self.call_raw(tool, &input.to_string())?)
    }

    /// As [`call`](Self::call), with the input as text and with everything that the tool answers, such as the content of
    /// an [`Answer`](crate::Answer).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Panics
    /// As [`call`](Self::call).
    pub fn call_raw(&self, tool: &str, input: &str) -> Result<ToolOutput, CallError> {
        let described = self.provider.tools.iter().find(|known| known.name() == tool).map(Tool::describe);
        if let Some(described) = &described {
            schema_check::check_input(described, input)?;
        }
        let answer = self.provider.call_tool(&self.context(), tool, input)?;
        if let Some(described) = &described {
            schema_check::check_output(described, &answer.output);
        }
        Ok(answer)
    }

    /// As [`call`](Self::call), but nothing is held against the schemas: for the checks that a provider makes itself and
    /// that the schema makes first.
    ///
    /// # Errors
    /// What the tool answers.
    #[allow(clippy::needless_pass_by_value)] // as above
    pub fn call_unchecked(&self, tool: &str, input: Value) -> Result<Value, CallError> {
        read_output(&self.provider.call_tool(&self.context(), tool, &input.to_string())?)
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// What the resource answers.
    pub fn read(&self, uri: &str) -> Result<ResourceBody, CallError> {
        let contents = self.provider.read_resource(&self.context(), uri)?;
        contents.into_iter().next().map(|c| c.body).ok_or_else(|| CallError::internal("the resource is empty"))
    }

    /// Renders a prompt.
    ///
    /// # Errors
    /// What the prompt answers.
    pub fn prompt(&self, name: &str, arguments: &[(&str, &str)]) -> Result<Vec<PromptMessage>, CallError> {
        let arguments: Vec<_> = arguments.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.provider.get_prompt(&self.context(), name, &arguments.into())
    }

    /// Checks health.
    #[must_use]
    pub fn health(&self) -> Health {
        self.provider.check_health(&self.context())
    }

    /// What the hub learns at load.
    #[must_use]
    pub fn describe(&self) -> Description {
        self.provider.describe()
    }

    /// What the hub or a model would stumble over: malformed or double names, empty descriptions, schemas that are not
    /// of an object. Empty is good; assert it in one test of every provider.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        problems::of(&self.describe())
    }

    fn context(&self) -> Context {
        self.gate.begin(self.deadline);
        let call = CallContext {
            call_id: "call-1".to_owned(),
            correlation_id: "correlation-1".to_owned(),
            deadline_ms: u32::try_from(self.deadline.as_millis()).unwrap_or(u32::MAX),
            settings: self.settings.to_string(),
            now_ms: self.now_ms,
        };
        Context::new(call, Rc::<FakeGate>::clone(&self.gate))
    }
}

fn read_output(answer: &ToolOutput) -> Result<Value, CallError> {
    serde_json::from_str(&answer.output).map_err(|why| CallError::internal(format!("the output is not JSON: {why}")))
}
