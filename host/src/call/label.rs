//! What a provider labels its contents with: a URI that is its own, as callers can ask for it.
//!
//! A resource within an answer says where it is from. With another's URI on it, what a provider made up would pass for what
//! the other says.

use super::CallError;
use crate::{
    json::Violation,
    names::ResourceUri,
    registry::{Revision, Snapshot},
    sandbox::{Content, ResourceContent},
};

/// How many wrong URIs are told.
const VIOLATIONS_MAX: usize = 16;

/// Where contents stand in an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Beside a tool's output.
    Tool,
    /// In a prompt's messages.
    Prompt,
}

/// Labels of one answer.
pub(super) struct Labels<'a> {
    snapshot: &'a Snapshot,
    revision: &'a Revision,
    /// The resource that was asked for, if one was.
    asked: Option<&'a ResourceUri>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, revision: &'a Revision, asked: Option<&'a ResourceUri>) -> Self {
        Self { snapshot, revision, asked }
    }

    /// Labels every resource among these contents as callers can ask for it.
    ///
    /// # Errors
    /// When one has a URI that is not the provider's.
    pub(super) fn put<'c>(
        &self,
        place: Place,
        contents: impl Iterator<Item = (usize, &'c mut Content)>,
    ) -> Result<(), CallError> {
        let resources = contents.filter_map(|(index, content)| match content {
            Content::Resource(resource) => {
                let pointer = match place {
                    Place::Tool => format!("/content/{index}/resource/uri"),
                    Place::Prompt => format!("/messages/{index}/content/resource/uri"),
                };
                Some((pointer, resource))
            }
            Content::Text(_) | Content::Image(_) | Content::Audio(_) => None,
        });
        self.label(resources)
    }

    /// The same for the contents of a resource.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub(super) fn put_on_resources<'c>(
        &self,
        contents: impl Iterator<Item = (usize, &'c mut ResourceContent)>,
    ) -> Result<(), CallError> {
        self.label(contents.map(|(index, content)| (format!("/contents/{index}/uri"), content)))
    }

    fn label<'c>(&self, contents: impl Iterator<Item = (String, &'c mut ResourceContent)>) -> Result<(), CallError> {
        let mut strange = Vec::new();
        for (pointer, content) in contents {
            match self.own(&content.uri) {
                Some(label) => content.uri = label,
                None if strange.len() == VIOLATIONS_MAX => break,
                None => strange.push(Violation {
                    pointer,
                    message:
                        "is not the URI that was asked for or one under it, nor one of the resources that the config \
                              grants the provider"
                            .to_owned(),
                }),
            }
        }
        if strange.is_empty() { Ok(()) } else { Err(CallError::InvalidOutput(strange)) }
    }

    /// A URI as callers can ask for it, if it is the provider's.
    fn own(&self, uri: &str) -> Option<String> {
        let uri = ResourceUri::parse(uri).ok()?;
        let asked = self.asked.is_some_and(|asked| uri == *asked || uri.is_under(asked));
        let own = asked || self.revision.offer.resource(&uri).is_some();
        own.then(|| self.snapshot.index().shown(&self.revision.name, &uri))
    }
}
