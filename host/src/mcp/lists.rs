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
    call::Hub,
    identity::Caller,
    names::{Role, ToolClass, WireForm},
    registry::{self, Revision},
};

/// How long a client may keep a list, in milliseconds: a provider that goes down is gone from it this soon.
const TTL_MS: u64 = 5_000;

pub(super) fn tools(hub: &Hub, caller: &Caller, form: WireForm) -> ListToolsResult {
    let tools = visible(hub, caller)
        .iter()
        .flat_map(|revision| {
            let wording = Wording::of(revision, form);
            let callable = revision.offer.tools.values().filter(|tool| caller.role >= Some(tool.grant.min_role));
            callable.map(|tool| listed(revision, tool, form, &wording)).collect::<Vec<_>>()
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

pub(super) fn resources(hub: &Hub, caller: &Caller, form: WireForm) -> ListResourcesResult {
    let resources = each_resource(hub, caller, false, form).into_iter().map(|(uri, resource)| {
        let mut listed = Resource::new(uri, resource.name.clone());
        listed.description = Some(resource.description.clone());
        listed.mime_type = Some(resource.mime_type);
        listed
    });
    let mut list = ListResourcesResult::with_all_items(resources.collect());
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

pub(super) fn templates(hub: &Hub, caller: &Caller, form: WireForm) -> ListResourceTemplatesResult {
    let templates = each_resource(hub, caller, true, form).into_iter().map(|(uri, resource)| {
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
fn each_resource(hub: &Hub, caller: &Caller, template: bool, form: WireForm) -> Vec<(String, registry::Resource)> {
    let snapshot = hub.registry().snapshot();
    let mut wordings = BTreeMap::new();
    let listed = snapshot.index().resources().iter().filter_map(|listed| {
        let revision = snapshot.revision(&listed.provider).filter(|revision| is_visible(hub, caller, revision))?;
        let resource = revision.offer.resources.get(listed.position)?;
        (resource.template == template).then(|| {
            let wording = wordings.entry(&listed.provider).or_insert_with(|| Wording::of(revision, form));
            let description = wording.text(&resource.description).into_owned();
            (listed.name.clone(), registry::Resource { description, ..resource.clone() })
        })
    });
    listed.collect()
}

pub(super) fn prompts(hub: &Hub, caller: &Caller, form: WireForm) -> ListPromptsResult {
    let snapshot = hub.registry().snapshot();
    let mut wordings = BTreeMap::new();
    let prompts = snapshot.index().prompts().iter().filter_map(|listed| {
        let revision = snapshot.revision(&listed.provider).filter(|revision| is_visible(hub, caller, revision))?;
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

/// Whether a caller sees a provider: it may look at all, and the provider is up.
fn is_visible(hub: &Hub, caller: &Caller, revision: &Revision) -> bool {
    caller.role >= Some(Role::OpsViewer) && hub.health().down(&revision.name, &revision.id).is_none()
}

/// The providers that are up, for a caller who may look at all.
pub(super) fn visible(hub: &Hub, caller: &Caller) -> Vec<Arc<Revision>> {
    hub.registry().snapshot().ready().filter(|revision| is_visible(hub, caller, revision)).cloned().collect()
}

/// Whether a caller who sees the provider may use anything of it.
pub(super) fn has_anything_for(revision: &Revision, caller: &Caller) -> bool {
    let offer = &revision.offer;
    let callable = offer.tools.values().any(|tool| caller.role >= Some(tool.grant.min_role));
    callable || !offer.resources.is_empty() || !offer.prompts.is_empty()
}

pub(super) fn meta(value: &Value) -> Option<MetaObject> {
    value.as_object().cloned().map(MetaObject)
}
