//! Whose a name is: one index, made with each snapshot, that lists and lookups share, so that what is listed is what is
//! read.
//!
//! Names with their provider in front (`hello-rs.hello-plan`, `hello-rs__hello-plan`, `hello-rs+hello://greeting`) are told
//! apart by their form alone: a provider's name has no `.`, no `_` and no `+`, so the first of these ends it. Bare names
//! (`hello-plan`, `hello://greeting`) mean the one provider that the config names them for, whatever those with `all` have
//! or may have. One with `all` has a bare name only while no other can have it: whether one is disabled, loading, failed or
//! down never gives what it has to another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::offer::Offer;
use crate::{
    config::ProviderConfig,
    names::{ProviderName, ResourceUri, UriPattern, WireForm},
};

/// How many choices an ambiguous name is answered with.
const CHOICES_MAX: usize = 8;

/// What the index needs to know of a provider, whatever state it is in.
#[derive(Debug)]
pub(super) struct Stand<'a> {
    pub(super) config: &'a ProviderConfig,
    /// What it offers, if that is known.
    pub(super) offer: Option<Arc<Offer>>,
}

/// A resource or prompt, as it is listed.
#[derive(Debug)]
pub struct Listed {
    /// Whose it is.
    pub provider: ProviderName,
    /// What it is called: a resource's URI or template as callers ask for it, a prompt's name within its provider.
    pub name: String,
    /// Which of the offer's it is.
    pub position: usize,
}

/// Why a name means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nobody has it.
    Unknown,
    /// Several may have it: these names are clear.
    Ambiguous(Vec<String>),
}

/// Who may have what.
#[derive(Debug, Default)]
struct Claims {
    /// By what is claimed: the providers that the config names it for.
    named: HashMap<String, BTreeSet<ProviderName>>,
    /// By what is claimed: the providers that have it, or whose config names it.
    of: HashMap<String, BTreeSet<ProviderName>>,
    /// Those that are granted everything of an offer that nobody knows: not loaded, or disabled.
    perhaps: BTreeSet<ProviderName>,
}

impl Claims {
    fn name(&mut self, claimed: String, provider: &ProviderName) {
        self.named.entry(claimed.clone()).or_default().insert(provider.clone());
        self.offer(claimed, provider);
    }

    fn offer(&mut self, claimed: String, provider: &ProviderName) {
        self.of.entry(claimed).or_default().insert(provider.clone());
    }

    /// The one provider that the config names it for.
    fn only_named(&self, claimed: &str) -> Option<&ProviderName> {
        let named = self.named.get(claimed)?;
        named.first().filter(|_| named.len() == 1)
    }

    /// The one provider that can have it.
    fn only_claimant(&self, claimed: &str) -> Result<&ProviderName, Lost> {
        let Some(known) = self.of.get(claimed) else { return Err(Lost::Unknown) };
        let mut all = known.union(&self.perhaps);
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Lost::Ambiguous(known.union(&self.perhaps).map(ToString::to_string).collect())),
        }
    }
}

/// Whose each name is.
#[derive(Debug, Default)]
pub struct Index {
    providers: BTreeSet<ProviderName>,
    /// Tools and prompts by their flat wire names.
    flat: HashMap<String, String>,
    /// URIs and templates that the config gives to one provider, by scheme and authority.
    given: HashMap<String, Vec<(UriPattern, ProviderName)>>,
    /// Those that the config names for a provider, by scheme and authority.
    named: HashMap<String, Vec<UriPattern>>,
    /// By scheme and authority.
    spaces: Claims,
    /// By bare name.
    prompt_names: Claims,
    resources: Vec<Listed>,
    prompts: Vec<Listed>,
}

impl Index {
    pub(super) fn of<'a>(stands: impl IntoIterator<Item = (&'a ProviderName, Stand<'a>)>) -> Self {
        let stands: BTreeMap<_, _> = stands.into_iter().collect();
        let mut index = Self::default();
        for (name, stand) in &stands {
            index.claim(name, stand);
        }
        for (name, stand) in &stands {
            index.list(name, stand);
        }
        index
    }

    fn claim(&mut self, name: &ProviderName, stand: &Stand<'_>) {
        self.providers.insert(name.clone());
        let config = stand.config;
        for pattern in &config.resources_for {
            self.given.entry(pattern.space()).or_default().push((pattern.clone(), name.clone()));
        }
        for pattern in config.resources_for.iter().chain(config.resources.listed()) {
            self.spaces.name(pattern.space(), name);
            self.named.entry(pattern.space()).or_default().push(pattern.clone());
        }
        config.prompts.listed().iter().for_each(|prompt| self.prompt_names.name(prompt.to_string(), name));
        if let Some(offer) = &stand.offer {
            offer.resources.iter().for_each(|resource| self.spaces.offer(resource.pattern.space(), name));
            offer.prompts.iter().for_each(|prompt| self.prompt_names.offer(prompt.name.clone(), name));
            for item in offer.item_names() {
                self.flat.insert(WireForm::Flat.name(name, item), item.to_owned());
            }
            return;
        }
        // Disabled or not: what it has is not known, and must not become another's meanwhile.
        if config.resources.is_all() {
            self.spaces.perhaps.insert(name.clone());
        }
        if config.prompts.is_all() {
            self.prompt_names.perhaps.insert(name.clone());
        }
    }

    fn list(&mut self, name: &ProviderName, stand: &Stand<'_>) {
        let Some(offer) = &stand.offer else { return };
        for (position, resource) in offer.resources.iter().enumerate() {
            let shown = self.shown_pattern(name, &resource.pattern);
            self.resources.push(Listed { provider: name.clone(), name: shown, position });
        }
        for (position, prompt) in offer.prompts.iter().enumerate() {
            self.prompts.push(Listed { provider: name.clone(), name: prompt.name.clone(), position });
        }
    }

    /// Every resource and template that can be read, by provider.
    #[must_use]
    pub fn resources(&self) -> &[Listed] {
        &self.resources
    }

    /// Every prompt that can be asked for, by provider.
    #[must_use]
    pub fn prompts(&self) -> &[Listed] {
        &self.prompts
    }

    /// The provider and the item of a wire name, in either form; `None` for a name without a provider in front. What the
    /// provider does not have is split all the same, so that the refusal can say what was asked for.
    fn split(&self, wire_name: &str) -> Option<(String, String)> {
        let end = wire_name.find(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '-'))?;
        let (provider, rest) = wire_name.split_at(end);
        if let Some(item) = rest.strip_prefix('.') {
            return Some((provider.to_owned(), item.to_owned()));
        }
        let item = rest.strip_prefix("__")?;
        let known = self.flat.get(wire_name).map_or(item, String::as_str);
        Some((provider.to_owned(), known.to_owned()))
    }

    /// The provider and the tool of a wire name.
    ///
    /// # Errors
    /// When the name has no provider in front.
    pub fn tool(&self, wire_name: &str) -> Result<(String, String), Lost> {
        self.split(wire_name).ok_or(Lost::Unknown)
    }

    /// The provider and the prompt of a wire name, or of a bare name that means only one provider.
    ///
    /// # Errors
    /// When nobody has it, or several may.
    pub fn prompt(&self, name: &str) -> Result<(String, String), Lost> {
        if let Some(named) = self.split(name) {
            return Ok(named);
        }
        let owner = self.prompt_names.only_named(name).map_or_else(|| self.prompt_names.only_claimant(name), Ok);
        let owner = owner.map_err(|lost| lost.named(|provider| format!("{provider}.{name}")))?;
        Ok((owner.to_string(), name.to_owned()))
    }

    /// The provider of a resource, and the URI that it knows it by: `provider+uri`, or a bare URI that means only one
    /// provider.
    ///
    /// # Errors
    /// When nobody has it, or several may.
    pub fn resource(&self, asked: &str) -> Result<(ProviderName, ResourceUri), Lost> {
        let scheme = asked.split(':').next().unwrap_or_default();
        if let Some((provider, _)) = scheme.split_once('+') {
            let provider = self.providers.get(provider).ok_or(Lost::Unknown)?;
            let uri = ResourceUri::parse(&asked[provider.as_str().len() + 1..]).map_err(|_| Lost::Unknown)?;
            return Ok((provider.clone(), uri));
        }
        let uri = ResourceUri::parse(asked).map_err(|_| Lost::Unknown)?;
        let owner = self.owner(&uri).map_err(|lost| lost.named(|provider| format!("{provider}+{uri}")))?;
        Ok((owner.clone(), uri))
    }

    /// Whose a bare URI is.
    fn owner(&self, uri: &ResourceUri) -> Result<&ProviderName, Lost> {
        if !uri.may_be_bare() {
            return Err(Lost::Unknown);
        }
        let space = uri.space();
        let given = self.given.get(&space).and_then(|given| given.iter().find(|(pattern, _)| pattern.matches(uri)));
        if let Some((_, provider)) = given {
            return Ok(provider);
        }
        let is_named = || self.named.get(&space).into_iter().flatten().any(|pattern| pattern.matches(uri));
        let named = self.spaces.only_named(&space).filter(|_| is_named());
        named.map_or_else(|| self.spaces.only_claimant(&space), Ok)
    }

    /// A URI of a provider's as callers can ask for it: bare where that is this provider's, otherwise `provider+uri`.
    #[must_use]
    pub fn shown(&self, provider: &ProviderName, uri: &ResourceUri) -> String {
        if self.owner(uri).is_ok_and(|owner| owner == provider) { uri.to_string() } else { format!("{provider}+{uri}") }
    }

    /// The same for a URI or a template: bare only if whatever it expands to is.
    fn shown_pattern(&self, provider: &ProviderName, pattern: &UriPattern) -> String {
        let space = pattern.space();
        let given = self.given.get(&space).into_iter().flatten();
        let is_given = given.clone().any(|(other, owner)| owner == provider && other == pattern);
        let is_named = || {
            let named = self.named.get(&space).is_some_and(|named| named.contains(pattern));
            named && self.spaces.only_named(&space) == Some(provider)
        };
        let is_alone = || self.spaces.only_claimant(&space).is_ok_and(|owner| owner == provider);
        if pattern.may_be_bare() && (is_given || is_named() || is_alone()) {
            pattern.to_string()
        } else {
            format!("{provider}+{pattern}")
        }
    }
}

impl Lost {
    /// Its choices as names that are clear.
    fn named(self, name: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Ambiguous(providers) => {
                Self::Ambiguous(providers.iter().take(CHOICES_MAX).map(|provider| name(provider)).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests;
