//! What a provider offers: its description, checked and held against the config.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    error::LoadError,
    schema::Schema,
    text::{self, shown},
};
use crate::{
    call::{NameError, ProviderName, ToolClass, ToolName, WireForm},
    config::{ProviderConfig, ToolGrant},
    sandbox::{Annotations, Description, ToolDescription, WasmToolClass},
};

/// The most tools, resources or prompts of one provider.
const ITEMS_MAX: usize = 256;
/// What all schemas may weigh together, in bytes of JSON.
const SCHEMAS_MAX: usize = 4 * 1024 * 1024;
/// The longest text, in bytes.
const TEXT_MAX: usize = 16 * 1024;
/// The longest text that is a name or a type, in bytes.
const NAME_MAX: usize = 1024;
/// The most arguments of a prompt.
const ARGUMENTS_MAX: usize = 64;

/// What a provider offers.
#[derive(Debug)]
pub struct Offer {
    /// What the provider is for.
    pub summary: String,
    /// The provider's own version.
    pub version: String,
    /// The tools that the config exposes.
    pub tools: BTreeMap<ToolName, Tool>,
    /// Resources and templates.
    pub resources: Vec<Resource>,
    /// Prompts.
    pub prompts: Vec<Prompt>,
}

/// A tool that can be called.
#[derive(Debug)]
pub struct Tool {
    /// Name within the provider.
    pub name: ToolName,
    /// For people.
    pub title: String,
    /// For models.
    pub description: String,
    /// What it takes.
    pub input: Arc<Schema>,
    /// What it gives.
    pub output: Arc<Schema>,
    /// What it counts against.
    pub class: ToolClass,
    /// Hints for models.
    pub annotations: Annotations,
    /// What the config grants.
    pub grant: ToolGrant,
}

/// A resource or a resource template.
#[derive(Debug, Clone)]
pub struct Resource {
    /// URI, or RFC 6570 level 1 template.
    pub uri: String,
    /// Whether it is a template.
    pub template: bool,
    /// Name.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// Its media type.
    pub mime_type: String,
}

/// A prompt.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Name within the provider.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Name, description, and whether it is required.
    pub arguments: Vec<(String, String, bool)>,
}

impl Offer {
    /// Holds a description against the config: what is listed must exist, what is not listed is not exposed. Blocking:
    /// schemas are compiled.
    pub(super) fn of(
        name: &ProviderName,
        description: Description,
        config: &ProviderConfig,
    ) -> Result<Self, LoadError> {
        let counts = [description.tools.len(), description.resources.len(), description.prompts.len()];
        if counts.into_iter().any(|count| count > ITEMS_MAX) {
            return Err(LoadError::Description(format!("it describes more than {ITEMS_MAX} items of a kind")));
        }
        let mut described: BTreeMap<String, ToolDescription> = BTreeMap::new();
        for tool in description.tools {
            if let Some(twice) = described.insert(tool.name.clone(), tool) {
                return Err(LoadError::Description(format!("it describes the tool `{}` twice", shown(&twice.name))));
            }
        }
        let schemas = described.values().map(|tool| tool.input_schema.len() + tool.output_schema.len());
        if schemas.sum::<usize>() > SCHEMAS_MAX {
            return Err(LoadError::Description(format!("its schemas weigh more than {SCHEMAS_MAX} bytes together")));
        }
        let mut tools = BTreeMap::new();
        for grant in &config.tools {
            let Some(tool) = described.remove(grant.name.as_str()) else {
                let has: Vec<_> =
                    described.keys().map(|name| shown(name)).chain(tools.keys().map(ToString::to_string)).collect();
                return Err(LoadError::MissingTool { tool: grant.name.clone(), has: has.join(", ") });
            };
            WireForm::check_flat(name, grant.name.as_str())?;
            tools.insert(grant.name.clone(), Tool::of(tool, grant)?);
        }
        let resources = description.resources.into_iter().map(|resource| Resource {
            uri: resource.uri,
            template: resource.template,
            name: resource.name,
            description: resource.description,
            mime_type: resource.mime_type,
        });
        let prompts = description.prompts.into_iter().map(|prompt| Prompt {
            name: prompt.name,
            description: prompt.description,
            arguments: prompt.arguments.into_iter().map(|a| (a.name, a.description, a.required)).collect(),
        });
        let offer = Self {
            summary: description.summary,
            version: description.version,
            tools,
            resources: resources.collect(),
            prompts: prompts.collect(),
        };
        offer.check(name)?;
        Ok(offer)
    }

    fn check(&self, name: &ProviderName) -> Result<(), LoadError> {
        proper("its summary", &self.summary, TEXT_MAX)?;
        proper("its version", &self.version, NAME_MAX)?;
        for prompt in &self.prompts {
            prompt.name.parse::<ToolName>().map_err(|_| NameError::Tool(shown(&prompt.name)))?;
            WireForm::check_flat(name, &prompt.name)?;
            prompt.check()?;
        }
        for resource in &self.resources {
            resource.check()?;
        }
        let mut flat: Vec<_> = self.item_names().map(|item| WireForm::Flat.name(name, item)).collect();
        flat.sort();
        match flat.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(LoadError::Description(format!("two of its tools or prompts share the flat name `{}`", pair[0])))
            }
            None => Ok(()),
        }
    }

    /// Names of tools and prompts, which share the wire's name space.
    pub fn item_names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(ToolName::as_str).chain(self.prompts.iter().map(|prompt| prompt.name.as_str()))
    }

    /// Whether a URI is one of the provider's resources or fits one of its templates.
    #[must_use]
    pub fn has_resource(&self, uri: &str) -> bool {
        self.resources.iter().any(|resource| resource.matches(uri))
    }
}

/// Refuses a text that is too long or holds what cannot be seen.
fn proper(what: &str, text: &str, max: usize) -> Result<(), LoadError> {
    text::check(text, max).map_err(|why| LoadError::Description(format!("{what} {why}")))
}

impl Prompt {
    fn check(&self) -> Result<(), LoadError> {
        let what = |what: &str| format!("{what} of the prompt `{}`", self.name);
        proper(&what("the description"), &self.description, TEXT_MAX)?;
        if self.arguments.len() > ARGUMENTS_MAX {
            let why = format!("the prompt `{}` has more than {ARGUMENTS_MAX} arguments", self.name);
            return Err(LoadError::Description(why));
        }
        for (name, description, _) in &self.arguments {
            proper(&what("an argument's name"), name, NAME_MAX)?;
            proper(&what("an argument's description"), description, TEXT_MAX)?;
        }
        Ok(())
    }
}

impl Resource {
    fn check(&self) -> Result<(), LoadError> {
        let wrong = |why: &str| Err(LoadError::Description(format!("`{}` {why}", shown(&self.uri))));
        if self.template && !is_template(&self.uri) {
            return wrong("is not a template: a variable is `{name}`, of letters, digits and `_`");
        }
        let plain = if self.template { self.uri.replace(['{', '}'], "x") } else { self.uri.clone() };
        if text::check(&self.uri, NAME_MAX).is_err() || plain.contains(['{', '}']) || url::Url::parse(&plain).is_err() {
            return wrong("is not a URI");
        }
        let what = |what: &str| format!("{what} of the resource `{}`", shown(&self.uri));
        proper(&what("the name"), &self.name, NAME_MAX)?;
        proper(&what("the description"), &self.description, TEXT_MAX)?;
        proper(&what("the type"), &self.mime_type, NAME_MAX)
    }

    /// Whether `uri` is this resource. A template's variables (RFC 6570 level 1) match anything but `/`.
    #[must_use]
    pub fn matches(&self, uri: &str) -> bool {
        if !self.template {
            return self.uri == uri;
        }
        let mut rest = uri;
        let mut pieces = self.uri.split('{');
        let Some(mut tail) = pieces.next().and_then(|head| rest.strip_prefix(head)) else { return false };
        for piece in pieces {
            let literal = piece.split_once('}').map_or("", |(_, literal)| literal);
            let end =
                if literal.is_empty() { tail.find('/').unwrap_or(tail.len()) } else { tail.find(literal).unwrap_or(0) };
            if end == 0 || tail[..end].contains('/') {
                return false;
            }
            tail = &tail[end + literal.len()..];
        }
        rest = tail;
        rest.is_empty()
    }
}

/// Whether every brace is one of a variable's (RFC 6570 level 1).
fn is_template(uri: &str) -> bool {
    let is_literal = |text: &str| !text.contains('}');
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let mut pieces = uri.split('{');
    pieces.next().is_some_and(is_literal)
        && pieces.all(|piece| piece.split_once('}').is_some_and(|(name, rest)| is_name(name) && is_literal(rest)))
}

impl Tool {
    fn of(tool: ToolDescription, grant: &ToolGrant) -> Result<Self, LoadError> {
        if tool.schema_version != grant.schema_version {
            return Err(LoadError::SchemaVersion {
                tool: grant.name.clone(),
                config: grant.schema_version.clone(),
                component: shown(&tool.schema_version),
            });
        }
        proper(&format!("the title of `{}`", grant.name), &tool.title, NAME_MAX)?;
        proper(&format!("the description of `{}`", grant.name), &tool.description, TEXT_MAX)?;
        let class = match tool.class {
            WasmToolClass::Read => ToolClass::Read,
            WasmToolClass::Scan => ToolClass::Scan,
            WasmToolClass::Write => ToolClass::Write,
        };
        check_annotations(&grant.name, class, tool.annotations)?;
        let schema = |which: &'static str, text: &str| {
            Schema::read(text).map_err(|reason| LoadError::Schema { tool: grant.name.clone(), which, reason })
        };
        Ok(Self {
            name: grant.name.clone(),
            title: tool.title,
            description: tool.description,
            input: schema("input", &tool.input_schema)?,
            output: schema("output", &tool.output_schema)?,
            class,
            annotations: tool.annotations,
            grant: grant.clone(),
        })
    }
}

/// Models decide by the annotations whether to ask a person first: they must not be milder than the class.
fn check_annotations(tool: &ToolName, class: ToolClass, annotations: Annotations) -> Result<(), LoadError> {
    let lie = match class {
        ToolClass::Write if annotations.read_only => "is a write and says that it only reads",
        ToolClass::Read if annotations.destructive => "is a read and says that it destroys",
        _ => return Ok(()),
    };
    Err(LoadError::Description(format!("`{tool}` {lie}: mend its annotations or its class")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(uri: &str, template: bool) -> Resource {
        Resource {
            uri: uri.into(),
            template,
            name: String::new(),
            description: String::new(),
            mime_type: String::new(),
        }
    }

    #[test]
    fn a_template_has_variables_and_a_uri_has_none() {
        for (uri, template) in
            [("test://a/{id}/{sub_id}", true), ("test://{a}{b}", true), ("test://a", true), ("test://a", false)]
        {
            assert!(resource(uri, template).check().is_ok(), "{uri}");
        }
        for uri in
            ["test://{", "test://}", "test://{}", "test://}a{", "test://{a{b}}", "test://{+a}", "test://{a*}", "{a}"]
        {
            assert!(resource(uri, true).check().is_err(), "{uri}");
        }
        assert!(resource("test://{id}", false).check().is_err());
    }

    #[test]
    fn templates_match_one_segment_per_variable() {
        let template = resource("test://a/{id}/data", true);
        assert!(template.matches("test://a/7/data"));
        for no in ["test://a//data", "test://a/7/8/data", "test://a/7", "test://a/7/data/x", "test://b/7/data", ""] {
            assert!(!template.matches(no), "{no}");
        }
        let open = resource("test://{x}", true);
        assert!(open.matches("test://y") && !open.matches("test://") && !open.matches("test://y/z"));
        assert!(resource("hello://greeting", false).matches("hello://greeting"));
        assert!(!resource("hello://{x}", false).matches("hello://y"));
    }
}
