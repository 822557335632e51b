//! The provider as its author declares it.

use crate::context::Context;
use crate::health::Health;
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::tool::Tool;

type Check = Box<dyn Fn(&Context) -> Health>;

/// Everything that a provider offers. It requests; only the hub's config grants.
pub struct Provider {
    pub(crate) summary: String,
    pub(crate) version: String,
    pub(crate) tools: Vec<Tool>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) check: Check,
}

impl Provider {
    /// `summary` says in a sentence what the provider is for; `version` is the provider's own, usually
    /// `env!("CARGO_PKG_VERSION")`. Healthy until [`health`](Self::health) says how to check.
    #[must_use]
    pub fn new(summary: &str, version: &str) -> Self {
        Self {
            summary: summary.to_owned(),
            version: version.to_owned(),
            tools: Vec::new(),
            resources: Vec::new(),
            prompts: Vec::new(),
            check: Box::new(|_| Health::ok()),
        }
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Adds a resource or a family of resources.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompts.push(prompt);
        self
    }

    /// Says how to check health. The answer must come in under 5 s, or the hub calls the provider degraded;
    /// a request in it may [`retry`](crate::http::RequestBuilder::retry), since what does not fit into them is not tried.
    #[must_use]
    pub fn health<H, F>(mut self, check: F) -> Self
    where
        H: Into<Health>,
        F: Fn(&Context) -> H + 'static,
    {
        self.check = Box::new(move |cx| check(cx).into());
        self
    }
}
