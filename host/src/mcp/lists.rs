//! What a caller sees: tools, resources and prompts of providers that are up, as far as the caller's role reaches, always
//! in the same order.

use std::{collections::BTreeSet, sync::Arc};

use rmcp::model::{
    CacheScope, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
    Prompt, PromptArgument, Resource, ResourceTemplate, Tool, ToolAnnotations,
};
use serde_json::{Value, json};

use crate::{
    call::{Hub, WireForm},
    identity::{Caller, Role},
    registry::{self, Revision},
};

/// How long a client may keep a list, in milliseconds: a provider that goes down is gone from it this soon.
const TTL_MS: u64 = 5_000;

pub(super) fn tools(hub: &Hub, caller: &Caller, form: WireForm) -> ListToolsResult {
    let tools = visible(hub, caller)
        .iter()
        .flat_map(|revision| {
            let callable = revision.offer.tools.values().filter(|tool| caller.role >= Some(tool.grant.min_role));
            callable.map(|tool| listed(revision, tool, form)).collect::<Vec<_>>()
        })
        .collect();
    let mut list = ListToolsResult::with_all_items(tools);
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

fn listed(revision: &Revision, tool: &registry::Tool, form: WireForm) -> Tool {
    let schema = |schema: &Value| Arc::new(schema.as_object().cloned().unwrap_or_default());
    let name = form.name(&revision.name, tool.name.as_str());
    let mut listed = Tool::new(name, tool.description.clone(), schema(tool.input.document()));
    listed.title = Some(tool.title.clone());
    listed.output_schema = Some(schema(tool.output.document()));
    listed.annotations = Some(
        ToolAnnotations::with_title(tool.title.clone())
            .read_only(tool.annotations.read_only)
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

pub(super) fn resources(hub: &Hub, caller: &Caller) -> ListResourcesResult {
    let resources = each_resource(hub, caller, false).into_iter().map(|(uri, resource)| {
        let mut listed = Resource::new(uri, resource.name.clone());
        listed.description = Some(resource.description.clone());
        listed.mime_type = Some(resource.mime_type);
        listed
    });
    let mut list = ListResourcesResult::with_all_items(resources.collect());
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

pub(super) fn templates(hub: &Hub, caller: &Caller) -> ListResourceTemplatesResult {
    let templates = each_resource(hub, caller, true).into_iter().map(|(uri, resource)| {
        let mut listed = ResourceTemplate::new(uri, resource.name.clone());
        listed.description = Some(resource.description.clone());
        listed.mime_type = Some(resource.mime_type);
        listed
    });
    let mut list = ListResourceTemplatesResult::with_all_items(templates.collect());
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

/// Resources or templates with the URI they are listed under: their own, unless an earlier provider has it too.
fn each_resource(hub: &Hub, caller: &Caller, template: bool) -> Vec<(String, registry::Resource)> {
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for revision in visible(hub, caller) {
        for resource in revision.offer.resources.iter().filter(|resource| resource.template == template) {
            let uri = if taken.insert(resource.uri.clone()) {
                resource.uri.clone()
            } else {
                format!("{}+{}", revision.name, resource.uri)
            };
            all.push((uri, resource.clone()));
        }
    }
    all
}

pub(super) fn prompts(hub: &Hub, caller: &Caller, form: WireForm) -> ListPromptsResult {
    let mut prompts = Vec::new();
    for revision in visible(hub, caller) {
        for prompt in &revision.offer.prompts {
            let arguments = prompt.arguments.iter().map(|(name, description, required)| {
                PromptArgument::new(name).with_description(description).with_required(*required)
            });
            let name = form.name(&revision.name, &prompt.name);
            prompts.push(Prompt::new(name, Some(prompt.description.clone()), Some(arguments.collect())));
        }
    }
    let mut list = ListPromptsResult::with_all_items(prompts);
    (list.ttl_ms, list.cache_scope) = (Some(TTL_MS), Some(CacheScope::Private));
    list
}

/// The providers that are up, for a caller who may look at all.
fn visible(hub: &Hub, caller: &Caller) -> Vec<Arc<Revision>> {
    if caller.role < Some(Role::OpsViewer) {
        return Vec::new();
    }
    let snapshot = hub.registry().snapshot();
    let up = snapshot.ready().filter(|revision| hub.health().down(&revision.name, &revision.id).is_none());
    up.cloned().collect()
}

pub(super) fn meta(value: &Value) -> Option<MetaObject> {
    value.as_object().cloned().map(MetaObject)
}
