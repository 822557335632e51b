//! What a caller sees: tools, resources and prompts of providers that are up, as far as the caller's role reaches, always
//! in the same order.

use std::{collections::BTreeMap, sync::Arc};

use rmcp::model::{
    CacheScope, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
    Prompt, PromptArgument, Resource, ResourceTemplate, Tool, ToolAnnotations,
};
use serde_json::{Value, json};

use super::wording::Wording;
use crate::{
    call::Offers,
    names::{ToolClass, WireForm},
    registry::{self, Revision},
};

/// How long a client may keep a list, in milliseconds: a provider that goes down is gone from it this soon.
const TTL_MS: u64 = 5_000;

pub(super) fn tools(offers: &Offers, form: WireForm) -> ListToolsResult {
    let tools = offers
        .providers()
        .iter()
        .flat_map(|revision| {
            let wording = Wording::of(revision, form);
            offers.callable(revision).map(|tool| listed(revision, tool, form, &wording)).collect::<Vec<_>>()
        })
        .collect();
    let mut list = ListToolsResult::with_all_items(tools);
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

fn listed(revision: &Revision, tool: &registry::Tool, form: WireForm, wording: &Wording) -> Tool {
    let schema = |schema: &Value| Arc::new(wording.schema(schema));
    let name = form.name(&revision.name, tool.name.as_str());
    let description = wording.text(&tool.description).into_owned();
    let mut listed = Tool::new(name, description, schema(tool.input.document()));
    listed.title = Some(tool.title.clone());
    listed.output_schema = Some(schema(tool.output.document()));
    listed.annotations = Some(
        ToolAnnotations::with_title(tool.title.clone())
            .read_only(tool.class == ToolClass::Read && tool.annotations.read_only)
            .destructive(tool.annotations.destructive)
            .idempotent(tool.annotations.idempotent)
            .open_world(tool.annotations.open_world),
    );
    listed.meta = meta(&json!({
        "bulkhead/name": WireForm::Dotted.name(&revision.name, tool.name.as_str()),
        "bulkhead/schemaVersion": tool.grant.schema_version,
        "bulkhead/class": tool.class,
    }));
    listed
}

pub(super) fn resources(offers: &Offers, form: WireForm) -> ListResourcesResult {
    let resources = each_resource(offers, false, form).into_iter().map(|(uri, resource)| {
        let mut listed = Resource::new(uri, resource.name.clone());
        listed.description = Some(resource.description.clone());
        listed.mime_type = Some(resource.mime_type);
        listed
    });
    let mut list = ListResourcesResult::with_all_items(resources.collect());
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

pub(super) fn templates(offers: &Offers, form: WireForm) -> ListResourceTemplatesResult {
    let templates = each_resource(offers, true, form).into_iter().map(|(uri, resource)| {
        let mut listed = ResourceTemplate::new(uri, resource.name.clone());
        listed.description = Some(resource.description.clone());
        listed.mime_type = Some(resource.mime_type);
        listed
    });
    let mut list = ListResourceTemplatesResult::with_all_items(templates.collect());
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

/// Resources or templates of the index, under the URI by which they are read.
fn each_resource(offers: &Offers, template: bool, form: WireForm) -> Vec<(String, registry::Resource)> {
    let mut wordings = BTreeMap::new();
    let listed = offers.snapshot().index().resources().iter().filter_map(|listed| {
        let revision = offers.provider(listed.provider.as_str())?;
        let resource = revision.offer.resources.get(listed.position)?;
        (resource.template == template).then(|| {
            let wording = wordings.entry(&listed.provider).or_insert_with(|| Wording::of(revision, form));
            let description = wording.text(&resource.description).into_owned();
            (listed.name.clone(), registry::Resource { description, ..resource.clone() })
        })
    });
    listed.collect()
}

pub(super) fn prompts(offers: &Offers, form: WireForm) -> ListPromptsResult {
    let mut wordings = BTreeMap::new();
    let prompts = offers.snapshot().index().prompts().iter().filter_map(|listed| {
        let revision = offers.provider(listed.provider.as_str())?;
        let prompt = revision.offer.prompts.get(listed.position)?;
        let wording = wordings.entry(&listed.provider).or_insert_with(|| Wording::of(revision, form));
        let arguments = prompt.arguments.iter().map(|(name, description, required)| {
            PromptArgument::new(name).with_description(wording.text(description)).with_required(*required)
        });
        let name = form.name(&listed.provider, &listed.name);
        let description = wording.text(&prompt.description).into_owned();
        Some(Prompt::new(name, Some(description), Some(arguments.collect())))
    });
    let mut list = ListPromptsResult::with_all_items(prompts.collect());
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

pub(super) fn meta(value: &Value) -> Option<MetaObject> {
    value.as_object().cloned().map(MetaObject)
}
