//! What a provider offers: its description, checked and held against the config.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    described::{NAME_MAX, TEXT_MAX, listing, proper},
    error::LoadError,
    mirrored::{self, Mirrored},
    resource::{self, Resource},
    schema::Schema,
};
use crate::{
    config::{ITEMS_MAX, ProviderConfig, ToolGrant},
    names::{NameError, ProviderName, ResourceUri, ToolClass, ToolName, WireForm},
    sandbox::{Annotations, Description, PromptDescription, ToolDescription, WasmToolClass},
    text::shown,
};

/// What all schemas may weigh together, in bytes of JSON.
const SCHEMAS_MAX: usize = 4 * 1024 * 1024;
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
    /// Resources that the config grants, then templates.
    pub resources: Vec<Resource>,
    /// Prompts that the config grants.
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
    /// What of it clients repeat in headers.
    pub mirrored: Vec<Mirrored>,
    /// What it gives.
    pub output: Arc<Schema>,
    /// What it counts against and may do: the config's word, and the component's.
    pub class: ToolClass,
    /// Hints for models.
    pub annotations: Annotations,
    /// What the config grants.
    pub grant: ToolGrant,
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
                let has = listing(described.keys().map(String::as_str).chain(tools.keys().map(ToolName::as_str)));
                return Err(LoadError::MissingTool { tool: grant.name.clone(), has });
            };
            WireForm::check_flat(name, grant.name.as_str())?;
            tools.insert(grant.name.clone(), Tool::of(tool, grant)?);
        }
        let offer = Self {
            summary: description.summary,
            version: description.version,
            tools,
            resources: resource::granted(description.resources, config)?,
            prompts: granted_prompts(name, description.prompts, config)?,
        };
        offer.check_texts()?;
        offer.check_names(name)?;
        Ok(offer)
    }

    fn check_texts(&self) -> Result<(), LoadError> {
        proper("its summary", &self.summary, TEXT_MAX)?;
        proper("its version", &self.version, NAME_MAX)
    }

    fn check_names(&self, name: &ProviderName) -> Result<(), LoadError> {
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

    /// The resource of that URI, or else a template that it fits.
    #[must_use]
    pub fn resource(&self, uri: &ResourceUri) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.matches(uri))
    }
}

/// The prompts that the config grants, checked.
fn granted_prompts(
    name: &ProviderName,
    described: Vec<PromptDescription>,
    config: &ProviderConfig,
) -> Result<Vec<Prompt>, LoadError> {
    let has = |wanted: &&ToolName| described.iter().any(|prompt| prompt.name == wanted.as_str());
    if let Some(missing) = config.prompts.listed().iter().find(|wanted| !has(wanted)) {
        let has = listing(described.iter().map(|prompt| prompt.name.as_str()));
        return Err(LoadError::MissingPrompt { prompt: missing.clone(), has });
    }
    let is_granted = |prompt: &PromptDescription| {
        config.prompts.is_all() || config.prompts.listed().iter().any(|granted| granted.as_str() == prompt.name)
    };
    described.into_iter().filter(is_granted).map(|prompt| Prompt::of(name, prompt)).collect()
}

impl Prompt {
    /// Its name has a tool's grammar, so that it cannot be taken for anything else.
    fn of(provider: &ProviderName, described: PromptDescription) -> Result<Self, LoadError> {
        described.name.parse::<ToolName>().map_err(|_| NameError::Tool(shown(&described.name)))?;
        WireForm::check_flat(provider, &described.name)?;
        let arguments = described.arguments.into_iter().map(|a| (a.name, a.description, a.required)).collect();
        let prompt = Self { name: described.name, description: described.description, arguments };
        prompt.check()?;
        Ok(prompt)
    }

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
        if class != grant.class {
            return Err(LoadError::Class { tool: grant.name.clone(), config: grant.class, component: class });
        }
        check_annotations(&grant.name, class, tool.annotations)?;
        let schema = |which: &'static str, text: &str| {
            Schema::read(text).map_err(|reason| LoadError::Schema { tool: grant.name.clone(), which, reason })
        };
        let input = schema("input", &tool.input_schema)?;
        let mirrored = mirrored::of(input.document()).map_err(|reason| LoadError::Schema {
            tool: grant.name.clone(),
            which: "input",
            reason,
        })?;
        Ok(Self {
            name: grant.name.clone(),
            title: tool.title,
            description: tool.description,
            input,
            mirrored,
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
        ToolClass::Scan if annotations.read_only => "is a scan and says that it only reads",
        ToolClass::Read if annotations.destructive => "is a read and says that it destroys",
        _ => return Ok(()),
    };
    Err(LoadError::Description(format!("`{tool}` {lie}: fix its annotations or its class")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_not_milder_than_the_class() {
        let tool: ToolName = "a.b".parse().expect("a name");
        let hints =
            |read_only, destructive| Annotations { read_only, destructive, idempotent: false, open_world: false };
        for (class, hints, fine) in [
            (ToolClass::Read, hints(true, false), true),
            (ToolClass::Read, hints(false, true), false),
            (ToolClass::Scan, hints(true, false), false),
            (ToolClass::Scan, hints(false, true), true),
            (ToolClass::Write, hints(true, false), false),
            (ToolClass::Write, hints(false, false), true),
        ] {
            assert_eq!(check_annotations(&tool, class, hints).is_ok(), fine, "{class:?}");
        }
    }
}
