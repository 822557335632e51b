//! Resources that a provider offers and the config grants.

use super::{
    described::{NAME_MAX, TEXT_MAX, listing, proper},
    error::LoadError,
};
use crate::{
    config::ProviderConfig,
    names::{ResourceUri, UriPattern},
    sandbox::ResourceDescription,
    text::{self, shown},
};

/// A resource or a resource template.
#[derive(Debug, Clone)]
pub struct Resource {
    /// URI, or RFC 6570 level 1 template.
    pub pattern: UriPattern,
    /// Whether it is listed as a template.
    pub template: bool,
    /// Name.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// Its media type.
    pub mime_type: String,
}

/// The resources that the config grants, exact URIs before templates: that is the order in which they are looked up.
pub(super) fn granted(
    described: Vec<ResourceDescription>,
    config: &ProviderConfig,
) -> Result<Vec<Resource>, LoadError> {
    let mut uris: Vec<_> = described.iter().map(|resource| resource.uri.clone()).collect();
    uris.sort();
    if let Some([twice, _]) = uris.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(LoadError::Description(format!("it describes the resource `{}` twice", shown(twice))));
    }
    let has = |pattern: &&UriPattern| uris.binary_search_by(|uri| uri.as_str().cmp(pattern.as_str())).is_ok();
    let wanted = config.resources.listed().iter().chain(&config.resources_for);
    if let Some(missing) = wanted.into_iter().find(|pattern| !has(pattern)) {
        return Err(LoadError::MissingResource {
            uri: missing.to_string(),
            has: listing(uris.iter().map(String::as_str)),
        });
    }
    let is_granted = |resource: &ResourceDescription| {
        config.resources.is_all() || config.resources.listed().iter().any(|pattern| pattern.as_str() == resource.uri)
    };
    let mut resources =
        described.into_iter().filter(is_granted).map(Resource::of).collect::<Result<Vec<_>, LoadError>>()?;
    resources.sort_by_key(|resource| resource.pattern.has_variables());
    Ok(resources)
}

impl Resource {
    pub(super) fn of(described: ResourceDescription) -> Result<Self, LoadError> {
        let uri = shown(&described.uri);
        let wrong = |why: String| LoadError::Description(format!("`{uri}` {why}"));
        if text::check(&described.uri, NAME_MAX).is_err() || (!described.template && described.uri.contains(['{', '}']))
        {
            return Err(wrong(
                "is not a URI: percent-encode what is no letter, or say that it is a template".to_owned(),
            ));
        }
        let pattern = UriPattern::parse(&described.uri).map_err(|why| wrong(why.to_string()))?;
        let what = |what: &str| format!("{what} of the resource `{uri}`");
        proper(&what("the name"), &described.name, NAME_MAX)?;
        proper(&what("the description"), &described.description, TEXT_MAX)?;
        proper(&what("the type"), &described.mime_type, NAME_MAX)?;
        Ok(Self {
            pattern,
            template: described.template,
            name: described.name,
            description: described.description,
            mime_type: described.mime_type,
        })
    }

    /// Whether `uri` is this resource, or one of the template's.
    #[must_use]
    pub fn matches(&self, uri: &ResourceUri) -> bool {
        self.pattern.matches(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(uri: &str, template: bool) -> Result<Resource, LoadError> {
        let (name, description, mime_type) = (String::new(), String::new(), String::new());
        Resource::of(ResourceDescription { uri: uri.into(), template, name, description, mime_type })
    }

    #[test]
    fn a_template_has_variables_in_its_path_and_a_uri_has_none() {
        for (uri, template) in
            [("test://a/{id}/{sub_id}", true), ("test://a/{a}{b}", true), ("test://a", true), ("test://a", false)]
        {
            assert!(resource(uri, template).is_ok(), "{uri}");
        }
        for uri in ["test://{id}", "{s}://{h}", "test://{a}{b}", "test://a/{", "test://{+a}", "TEST://a", "{a}"] {
            assert!(resource(uri, true).is_err(), "{uri}");
        }
        for uri in ["test://a/{id}", "test://A", "test://a/../b", "test://me@a", "test://a#b"] {
            assert!(resource(uri, false).is_err(), "{uri}");
        }
    }
}
