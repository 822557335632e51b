//! Resources: documents that agents read by URI.

use crate::context::Context;
use crate::contract::{ResourceBody, ResourceContent, ResourceDescription};
use crate::error::CallError;
use crate::template::{Template, Variables};

type Read = Box<dyn Fn(&Context, &Variables) -> Result<ResourceBody, CallError>>;

/// One resource, or one family of them behind a URI template.
pub struct Resource {
    template: Template,
    name: String,
    description: String,
    mime_type: String,
    read: Read,
}

impl Resource {
    /// A resource at a fixed URI. The body is a `&str` or `String` for text, a `Vec<u8>` for anything else; the media
    /// type is `text/plain` until [`mime_type`](Self::mime_type) says otherwise.
    pub fn new<B, F>(uri: &str, name: &str, read: F) -> Self
    where
        B: Into<ResourceBody>,
        F: Fn(&Context) -> Result<B, CallError> + 'static,
    {
        Self::build(Template::literal(uri), name, Box::new(move |cx, _| read(cx).map(Into::into)))
    }

    /// Resources behind an RFC 6570 level 1 template such as `tracker://issues/{id}`, with variables
    /// in path or query only; `read` gets the variables, decoded.
    pub fn template<B, F>(uri_template: &str, name: &str, read: F) -> Self
    where
        B: Into<ResourceBody>,
        F: Fn(&Context, &Variables) -> Result<B, CallError> + 'static,
    {
        Self::build(
            Template::parse(uri_template),
            name,
            Box::new(move |cx, variables| read(cx, variables).map(Into::into)),
        )
    }

    fn build(template: Template, name: &str, read: Read) -> Self {
        let (name, description, mime_type) = (name.to_owned(), String::new(), "text/plain".to_owned());
        Self { template, name, description, mime_type, read }
    }

    /// What the resource holds, for the model that decides whether to read it.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        description.clone_into(&mut self.description);
        self
    }

    /// The media type, such as `application/json`.
    #[must_use]
    pub fn mime_type(mut self, mime_type: &str) -> Self {
        mime_type.clone_into(&mut self.mime_type);
        self
    }

    pub(crate) fn is_template(&self) -> bool {
        self.template.has_variables()
    }

    pub(crate) fn matches(&self, uri: &str) -> Option<Variables> {
        self.template.matches(uri)
    }

    pub(crate) fn describe(&self) -> ResourceDescription {
        ResourceDescription {
            uri: self.template.to_string(),
            template: self.is_template(),
            name: self.name.clone(),
            description: self.description.clone(),
            mime_type: self.mime_type.clone(),
        }
    }

    pub(crate) fn read(&self, cx: &Context, uri: &str, variables: &Variables) -> Result<ResourceContent, CallError> {
        let body = (self.read)(cx, variables)?;
        Ok(ResourceContent { uri: uri.to_owned(), mime_type: self.mime_type.clone(), body })
    }
}
