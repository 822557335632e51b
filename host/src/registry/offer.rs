//! What a provider offers: its description, checked and held against the config.

use std::{collections::BTreeMap, fmt};

use jsonschema::{Draft, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::error::LoadError;
use crate::{
    call::{ProviderName, ToolClass, ToolName, Violation, WireForm},
    config::{ProviderConfig, ToolGrant},
    sandbox::{Annotations, Description, ToolDescription, WasmToolClass},
};

/// The most tools, resources or prompts of one provider.
const ITEMS_MAX: usize = 256;
/// The longest schema, in bytes of JSON.
const SCHEMA_MAX: usize = 256 * 1024;
/// The longest text of a description, in bytes.
const TEXT_MAX: usize = 16 * 1024;
/// The most violations that are listed.
const VIOLATIONS_MAX: usize = 20;

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
pub struct Tool {
    /// Name within the provider.
    pub name: ToolName,
    /// For people.
    pub title: String,
    /// For models.
    pub description: String,
    /// JSON Schema of the input.
    pub input_schema: Value,
    /// JSON Schema of the output.
    pub output_schema: Value,
    /// What it counts against.
    pub class: ToolClass,
    /// Hints for models.
    pub annotations: Annotations,
    /// What the config grants.
    pub grant: ToolGrant,
    input: Validator,
    output: Validator,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).finish_non_exhaustive()
    }
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
    /// Holds a description against the config: what is listed must exist, what is not listed is not exposed.
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
                return Err(LoadError::Description(format!("it describes the tool `{:.100}` twice", twice.name)));
            }
        }
        let mut tools = BTreeMap::new();
        for grant in &config.tools {
            let Some(tool) = described.remove(grant.name.as_str()) else {
                let has: Vec<_> =
                    described.keys().map(String::as_str).chain(tools.keys().map(ToolName::as_str)).collect();
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
        for prompt in &self.prompts {
            prompt.name.parse::<ToolName>()?;
            WireForm::check_flat(name, &prompt.name)?;
        }
        if let Some(resource) = self.resources.iter().find(|resource| !resource.is_well_formed()) {
            return Err(LoadError::Description(format!("`{:.200}` is not a URI", resource.uri)));
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

impl Resource {
    fn is_well_formed(&self) -> bool {
        let plain = self.uri.replace(['{', '}'], "x");
        self.uri.len() <= 1024 && url::Url::parse(&plain).is_ok()
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

impl Tool {
    fn of(tool: ToolDescription, grant: &ToolGrant) -> Result<Self, LoadError> {
        if tool.schema_version != grant.schema_version {
            return Err(LoadError::SchemaVersion {
                tool: grant.name.clone(),
                config: grant.schema_version.clone(),
                component: tool.schema_version,
            });
        }
        if tool.title.len() + tool.description.len() > TEXT_MAX {
            return Err(LoadError::Description(format!(
                "the description of `{}` is longer than {TEXT_MAX} bytes",
                grant.name
            )));
        }
        let (input_schema, input) = compiled(&grant.name, "input", &tool.input_schema)?;
        let (output_schema, output) = compiled(&grant.name, "output", &tool.output_schema)?;
        Ok(Self {
            name: grant.name.clone(),
            title: tool.title,
            description: tool.description,
            input_schema,
            output_schema,
            class: match tool.class {
                WasmToolClass::Read => ToolClass::Read,
                WasmToolClass::Scan => ToolClass::Scan,
                WasmToolClass::Write => ToolClass::Write,
            },
            annotations: tool.annotations,
            grant: grant.clone(),
            input,
            output,
        })
    }

    /// What is wrong with an input; empty if nothing is.
    #[must_use]
    pub fn input_violations(&self, input: &Value) -> Vec<Violation> {
        violations(&self.input, input)
    }

    /// What is wrong with an output; empty if nothing is.
    #[must_use]
    pub fn output_violations(&self, output: &Value) -> Vec<Violation> {
        violations(&self.output, output)
    }
}

fn compiled(tool: &ToolName, which: &'static str, text: &str) -> Result<(Value, Validator), LoadError> {
    let refused = |reason: String| LoadError::Schema { tool: tool.clone(), which, reason };
    if text.len() > SCHEMA_MAX {
        return Err(refused(format!("longer than {SCHEMA_MAX} bytes")));
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(refused("its `type` must be `object`".to_owned()));
    }
    // `offline`: a `$ref` to the network is an error here, never a fetch.
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .build(&schema)
        .map_err(|error| refused(error.to_string()))?;
    Ok((schema, validator))
}

fn violations(validator: &Validator, value: &Value) -> Vec<Violation> {
    if validator.is_valid(value) {
        return Vec::new();
    }
    validator
        .iter_errors(value)
        .take(VIOLATIONS_MAX)
        .flat_map(|error| violations_of(&error))
        .take(VIOLATIONS_MAX)
        .collect()
}

/// What is wrong, at the field that is to be mended: one that is missing or not expected is pointed at itself, not at the
/// object around it. Values are masked, because an error must not repeat what may be confidential.
fn violations_of(error: &ValidationError<'_>) -> Vec<Violation> {
    let at = error.instance_path().to_string();
    let field = |name: &str, message: &str| Violation {
        pointer: format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")),
        message: message.to_owned(),
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![field(property.as_str().unwrap_or_default(), "this property is required")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| field(&shortened(name), "there is no such property")).collect()
        }
        _ => vec![Violation { pointer: at, message: error.masked_with("the value").to_string() }],
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
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
