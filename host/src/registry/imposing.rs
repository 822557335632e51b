//! What admins do to providers: out of service, back into it, back to the component of before. It is kept before it holds, and it
//! never widens what the config grants.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, Utc};
use tokio::{task::spawn_blocking, time::timeout};
use uuid::Uuid;

use super::{
    asking::Reloads,
    entry::{DisabledBy, Entry},
    error::LoadError,
    load::{self, section_id},
    snapshot::Snapshot,
};
use crate::{
    config::ProviderConfig,
    names::ProviderName,
    store::overrides::{Override, OverrideKind, OverridesError, Overriding},
};

/// Why nothing was done to a provider.
#[derive(Debug, thiserror::Error)]
pub enum ImposeError {
    /// There is no such provider.
    #[error("the config has no provider `{0}`")]
    Unknown(String),
    /// It is the config that disables it.
    #[error(
        "the config disables `{0}`, and only what an admin has disabled is enabled here: set `enabled: true` in its section"
    )]
    ByConfig(ProviderName),
    /// There is nothing to roll back to.
    #[error(
        "`{0}` has no component of before: this hub keeps the one that serves and the one that served before it, and after a \
         rollback none; put the component that is wanted where the config says, and reload"
    )]
    NoneBefore(ProviderName),
    /// What is to be rolled back to does not fit the config.
    #[error("`{provider}` cannot be rolled back, because the component of before does not fit the config: {reason}")]
    Unfit {
        /// The provider.
        provider: ProviderName,
        /// Why.
        reason: Box<LoadError>,
    },
    /// It could not be kept.
    #[error("this cannot be kept, so nothing was done: {0}")]
    NotKept(#[from] OverridesError),
    /// The hub ends.
    #[error("the hub ends: what was done holds when it starts again")]
    Ending,
}

impl Reloads {
    /// Takes a provider out of service until an admin enables it again, or the config's section of it is changed. It is out when
    /// this returns.
    ///
    /// # Errors
    /// When there is no such provider, or that could not be kept.
    pub async fn disable(&self, provider: &str, caller: Option<Uuid>) -> Result<ProviderName, ImposeError> {
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let (name, config) = self.wanted(provider)?;
        if !self.registry.imposed().disables(provider) {
            self.put(&name, &config, Overriding::Disabled, caller).await?;
        }
        Ok(name)
    }

    /// Lifts what [`disable`](Self::disable) did, and waits until the provider has loaded, but not longer than `wait`.
    ///
    /// # Errors
    /// When there is no such provider, the config disables it, or that could not be kept.
    pub async fn enable(&self, provider: &str, wait: Duration) -> Result<ProviderName, ImposeError> {
        let one_at_a_time = self.one_at_a_time.lock().await;
        let (name, config) = self.wanted(provider)?;
        if self.registry.imposed().disables(provider) {
            self.overrides.remove(name.clone(), OverrideKind::Disabled).await?;
            self.apply().await?;
        }
        if !config.enabled {
            return Err(ImposeError::ByConfig(name));
        }
        drop(one_at_a_time);
        let is_there = |entry: &Entry| matches!(entry, Entry::Ready { .. } | Entry::Failed(_));
        self.until(wait, |snapshot| snapshot.entry(provider).is_none_or(is_there)).await;
        Ok(name)
    }

    /// Has the component serve that served before, with what the config grants now, until the config's section of the provider is
    /// changed.
    ///
    /// # Errors
    /// When there is no such provider or component, that does not fit the config, or it could not be kept.
    pub async fn roll_back(
        &self,
        provider: &str,
        caller: Option<Uuid>,
        wait: Duration,
    ) -> Result<ProviderName, ImposeError> {
        let one_at_a_time = self.one_at_a_time.lock().await;
        let (name, config) = self.wanted(provider)?;
        let component = self.before(&name, &config).await?;
        self.put(&name, &config, Overriding::RolledBack { component: component.clone() }, caller).await?;
        drop(one_at_a_time);
        let serves = |entry: &Entry| match entry {
            Entry::Ready { revision, .. } => revision.component == component,
            Entry::Loading { .. } => false,
            Entry::Disabled(_) | Entry::Failed(_) => true,
        };
        self.until(wait, |snapshot| snapshot.entry(provider).is_none_or(serves)).await;
        Ok(name)
    }

    fn wanted(&self, provider: &str) -> Result<(ProviderName, ProviderConfig), ImposeError> {
        let snapshot = self.registry.snapshot();
        let found = snapshot.configs.get_key_value(provider);
        let (name, config) = found.ok_or_else(|| ImposeError::Unknown(provider.chars().take(100).collect()))?;
        Ok((name.clone(), config.clone()))
    }

    /// The component of before, which was tried with the config.
    async fn before(&self, name: &ProviderName, config: &ProviderConfig) -> Result<String, ImposeError> {
        let none = || ImposeError::NoneBefore(name.clone());
        let (Some(kept), Some(way_out)) = (self.registry.kept(), self.registry.way_out_in_use()) else {
            return Err(none());
        };
        let serving = self.registry.snapshot().revision(name).map(|revision| revision.component.clone());
        let provider = name.clone();
        let read = spawn_blocking(move || {
            let before = kept.before(&provider, &serving.unwrap_or_default()).ok()??;
            kept.read(&provider, &before)
        });
        let file = read.await.ok().flatten().ok_or_else(none)?;
        let digest = file.digest().to_owned();
        match load::revision(self.registry.sandbox_of(), name, config, file, way_out).await {
            Ok(_) => Ok(digest),
            Err(reason) => Err(ImposeError::Unfit { provider: name.clone(), reason: Box::new(reason) }),
        }
    }

    async fn put(
        &self,
        name: &ProviderName,
        config: &ProviderConfig,
        what: Overriding,
        caller: Option<Uuid>,
    ) -> Result<(), ImposeError> {
        // As both stores keep it.
        let at: DateTime<Utc> = Utc::now().trunc_subsecs(3);
        let put = Override { provider: name.clone(), what, section: section_id(config), caller, at };
        self.overrides.put(put).await?;
        self.apply().await
    }

    async fn apply(&self) -> Result<(), ImposeError> {
        let all = self.overrides.all().await?;
        if self.impose(all).await { Ok(()) } else { Err(ImposeError::Ending) }
    }

    async fn until(&self, wait: Duration, is_so: impl Fn(&Snapshot) -> bool) {
        let mut changes = self.registry.changes();
        let waiting = async { while !is_so(&self.registry.snapshot()) && changes.changed().await.is_ok() {} };
        // What takes longer is told as it is.
        let _ = timeout(wait, waiting).await;
    }
}

impl DisabledBy {
    /// Who can put it into service again, and how.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Config => "an admin can set `enabled: true` in provider-config.yaml",
            Self::Admin => "an admin has done that, and can lift it with `bulkhead providers enable`",
        }
    }
}
