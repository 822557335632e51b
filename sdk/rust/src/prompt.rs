//! Prompts: messages that people start a conversation with.

use crate::context::Context;
use crate::contract::{Content, PromptArgument, PromptDescription, PromptMessage, PromptRole};
use crate::error::CallError;

/// What the caller filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// The value of an argument, if it was given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an argument that must be there.
    ///
    /// # Errors
    /// [`invalid_input`](CallError::invalid_input) if it was not given.
    pub fn require(&self, name: &str) -> Result<&str, CallError> {
        self.get(name).ok_or_else(|| CallError::invalid_input(format!("the argument `{name}` is missing: give it")))
    }
}

impl From<Vec<(String, String)>> for Arguments {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

/// The messages of a prompt; a plain string is one message from the user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Messages(Vec<PromptMessage>);

impl Messages {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The user says.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.push(PromptRole::User, Content::Text(text.into()))
    }

    /// The assistant says.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.push(PromptRole::Assistant, Content::Text(text.into()))
    }

    /// Somebody shows content of any kind.
    #[must_use]
    pub fn push(mut self, role: PromptRole, content: Content) -> Self {
        self.0.push(PromptMessage { role, content });
        self
    }
}

impl From<String> for Messages {
    fn from(text: String) -> Self {
        Self::new().user(text)
    }
}

impl From<&str> for Messages {
    fn from(text: &str) -> Self {
        Self::new().user(text)
    }
}

type Render = Box<dyn Fn(&Context, &Arguments) -> Result<Messages, CallError>>;

/// One prompt.
pub struct Prompt {
    name: String,
    description: String,
    arguments: Vec<PromptArgument>,
    render: Render,
}

impl Prompt {
    /// A prompt without arguments yet. `render` returns [`Messages`], or a string for a single message from the user.
    pub fn new<M, F>(name: &str, description: &str, render: F) -> Self
    where
        M: Into<Messages>,
        F: Fn(&Context, &Arguments) -> Result<M, CallError> + 'static,
    {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            arguments: Vec::new(),
            render: Box::new(move |cx, arguments| render(cx, arguments).map(Into::into)),
        }
    }

    /// Adds an argument that the caller must give.
    #[must_use]
    pub fn required(self, name: &str, description: &str) -> Self {
        self.argument(name, description, true)
    }

    /// Adds an argument that the caller may give.
    #[must_use]
    pub fn optional(self, name: &str, description: &str) -> Self {
        self.argument(name, description, false)
    }

    fn argument(mut self, name: &str, description: &str, required: bool) -> Self {
        self.arguments.push(PromptArgument { name: name.to_owned(), description: description.to_owned(), required });
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn describe(&self) -> PromptDescription {
        PromptDescription {
            name: self.name.clone(),
            description: self.description.clone(),
            arguments: self.arguments.clone(),
        }
    }

    pub(crate) fn render(&self, cx: &Context, arguments: &Arguments) -> Result<Vec<PromptMessage>, CallError> {
        for argument in self.arguments.iter().filter(|argument| argument.required) {
            arguments.require(&argument.name)?;
        }
        (self.render)(cx, arguments).map(|messages| messages.0)
    }
}
