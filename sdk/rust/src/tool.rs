//! Tools: typed functions with a schema, a class and hints.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::contract::{Annotations, Content, ToolClass, ToolDescription, ToolOutput};
use crate::error::CallError;
use crate::{json, schema};

/// The input of a tool that takes no arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct NoInput {}

/// An output with content that MCP clients show beside it. Without any, they see the output's JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    output: T,
    content: Vec<Content>,
}

impl<T> Answer<T> {
    /// An answer that shows nothing yet.
    pub fn new(output: T) -> Self {
        Self { output, content: Vec::new() }
    }

    /// Shows a text.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.content(Content::Text(text.into()))
    }

    /// Shows an image, a sound or a resource.
    #[must_use]
    pub fn content(mut self, content: Content) -> Self {
        self.content.push(content);
        self
    }
}

/// What a tool may return: any output type, or an [`Answer`] around one.
pub trait IntoAnswer {
    /// The type that makes the output schema.
    type Output: Serialize + JsonSchema;

    /// The output and what to show beside it.
    fn into_answer(self) -> Answer<Self::Output>;
}

impl<T: Serialize + JsonSchema> IntoAnswer for T {
    type Output = T;

    fn into_answer(self) -> Answer<T> {
        Answer::new(self)
    }
}

impl<T: Serialize + JsonSchema> IntoAnswer for Answer<T> {
    type Output = T;

    fn into_answer(self) -> Self {
        self
    }
}

type Run = Box<dyn Fn(&Context, &str) -> Result<ToolOutput, CallError>>;

/// One tool. The three constructors are the three classes; a class decides which limit a call counts against and the
/// hints that models start from.
pub struct Tool {
    name: String,
    title: String,
    description: String,
    schema_version: String,
    class: ToolClass,
    annotations: Annotations,
    input_schema: fn() -> String,
    output_schema: fn() -> String,
    run: Run,
}

impl Tool {
    /// A tool that only looks. Hints: read-only, idempotent.
    ///
    /// `name` is dot-separated words of `[a-z0-9_-]`, such as `issues.list`; `schema_version` is `major.minor` and the
    /// config must name the same.
    pub fn read<I, R, F>(name: &str, schema_version: &str, handler: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        R: IntoAnswer,
        F: Fn(&Context, I) -> Result<R, CallError> + 'static,
    {
        let hints = Annotations { read_only: true, destructive: false, idempotent: true, open_world: false };
        Self::new(ToolClass::Read, hints, name, schema_version, handler)
    }

    /// A tool that makes the upstream work, or annotates. Hints: neither read-only nor destructive nor idempotent.
    pub fn scan<I, R, F>(name: &str, schema_version: &str, handler: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        R: IntoAnswer,
        F: Fn(&Context, I) -> Result<R, CallError> + 'static,
    {
        let hints = Annotations { read_only: false, destructive: false, idempotent: false, open_world: false };
        Self::new(ToolClass::Scan, hints, name, schema_version, handler)
    }

    /// A tool that creates or changes what others see. Hints: destructive, until [`destructive(false)`](Self::destructive)
    /// says that it only adds.
    pub fn write<I, R, F>(name: &str, schema_version: &str, handler: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        R: IntoAnswer,
        F: Fn(&Context, I) -> Result<R, CallError> + 'static,
    {
        let hints = Annotations { read_only: false, destructive: true, idempotent: false, open_world: false };
        Self::new(ToolClass::Write, hints, name, schema_version, handler)
    }

    fn new<I, R, F>(class: ToolClass, annotations: Annotations, name: &str, schema_version: &str, handler: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        R: IntoAnswer,
        F: Fn(&Context, I) -> Result<R, CallError> + 'static,
    {
        Self {
            name: name.to_owned(),
            title: String::new(),
            description: String::new(),
            schema_version: schema_version.to_owned(),
            class,
            annotations,
            input_schema: schema::of_input::<I>,
            output_schema: schema::of_output::<R::Output>,
            run: Box::new(move |cx, input| encode(handler(cx, decode(input)?)?.into_answer())),
        }
    }

    /// A short name for people.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// Written for the model that chooses between tools: what it returns, when to use it, what to call before.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        description.clone_into(&mut self.description);
        self
    }

    /// Hint: the tool talks to systems beyond the hub. Off until this is called.
    #[must_use]
    pub fn open_world(mut self) -> Self {
        self.annotations.open_world = true;
        self
    }

    /// Hint: the tool changes nothing.
    #[must_use]
    pub fn read_only(mut self, yes: bool) -> Self {
        self.annotations.read_only = yes;
        self
    }

    /// Hint: the tool may overwrite or remove.
    #[must_use]
    pub fn destructive(mut self, yes: bool) -> Self {
        self.annotations.destructive = yes;
        self
    }

    /// Hint: calling twice with the same input has the effect of calling once.
    #[must_use]
    pub fn idempotent(mut self, yes: bool) -> Self {
        self.annotations.idempotent = yes;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn describe(&self) -> ToolDescription {
        ToolDescription {
            name: self.name.clone(),
            title: if self.title.is_empty() { self.name.clone() } else { self.title.clone() },
            description: self.description.clone(),
            input_schema: (self.input_schema)(),
            output_schema: (self.output_schema)(),
            schema_version: self.schema_version.clone(),
            class: self.class,
            annotations: self.annotations,
        }
    }

    pub(crate) fn run(&self, cx: &Context, input: &str) -> Result<ToolOutput, CallError> {
        (self.run)(cx, input)
    }
}

/// The hub has validated the input, so a failure here means that the type is stricter than its schema.
fn decode<I: DeserializeOwned>(input: &str) -> Result<I, CallError> {
    json::parse(input.as_bytes()).map_err(|why| CallError::invalid_input(format!("the input is wrong{why}")))
}

fn encode<T: Serialize>(answer: Answer<T>) -> Result<ToolOutput, CallError> {
    let output = serde_json::to_string(&answer.output)
        .map_err(|why| CallError::internal(format!("the provider's output cannot be written as JSON: {why}")))?;
    Ok(ToolOutput { output, content: answer.content })
}
