//! What there is for a caller: what every surface lists, each in its own form.

use std::sync::Arc;

use super::{Hub, hub::READ_ROLE};
use crate::{
    identity::Caller,
    names::ToolRole,
    registry::{Revision, Snapshot, Tool},
};

/// What there is for a caller at one moment: providers that are up, if it has a role.
#[derive(Debug)]
pub struct Offers {
    snapshot: Arc<Snapshot>,
    up: Vec<Arc<Revision>>,
    role: Option<ToolRole>,
    reads_the_trail: bool,
}

impl Hub {
    /// What there is for a caller now.
    #[must_use]
    pub fn offers(&self, caller: &Caller) -> Offers {
        let snapshot = self.parts.registry.snapshot();
        // A provider that is down has dropped out (A5).
        let is_up = |revision: &&Arc<Revision>| self.parts.health.down(&revision.name, &revision.id).is_none();
        let up = snapshot.ready().filter(|_| caller.tool_role() >= Some(READ_ROLE)).filter(is_up).cloned().collect();
        Offers { snapshot, up, role: caller.tool_role(), reads_the_trail: caller.role.is_some() }
    }
}

impl Offers {
    /// Everything that the config offers, for names that must not change with a role or an outage.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The providers that the caller sees, by name.
    #[must_use]
    pub fn providers(&self) -> &[Arc<Revision>] {
        &self.up
    }

    /// A provider, if the caller sees it.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Arc<Revision>> {
        self.up.iter().find(|revision| revision.name.as_str() == name)
    }

    /// Whether the caller may read the audit trail, be it only its own rows.
    #[must_use]
    pub fn reads_the_trail(&self) -> bool {
        self.reads_the_trail
    }

    /// Whether the caller may do what admins do.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.role >= Some(ToolRole::OpsAdmin)
    }

    /// The tools of a provider that the caller may call.
    pub fn callable<'a>(&self, revision: &'a Revision) -> impl Iterator<Item = &'a Tool> + use<'a> {
        let role = self.role;
        revision.offer.tools.values().filter(move |tool| role >= Some(tool.grant.min_role))
    }

    /// Whether the caller may use anything of a provider that it sees.
    #[must_use]
    pub fn has_anything_of(&self, revision: &Revision) -> bool {
        let offer = &revision.offer;
        self.callable(revision).next().is_some() || !offer.resources.is_empty() || !offer.prompts.is_empty()
    }
}
