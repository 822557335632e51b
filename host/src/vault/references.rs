//! References: what a provider holds instead of a secret.
//!
//! A reference is a random placeholder that means something during one call only. The hub replaces it with the value in
//! outgoing header values, towards the secret's hosts, after the gate has decided where the request goes. Everywhere else
//! it is a meaningless text: it gives away nothing, and no other call can use it.

use std::{
    cmp::Reverse,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::HeaderValue;

use super::{
    cached::Vault,
    error::{SecretError, VaultError, created},
    grants::Grants,
    handed_out::HandedOut,
    placeholder::{PREFIX, Placeholder, filled, refused},
    scrub::Scrubber,
    value::SecretValue,
};
use crate::{
    config::SecretName,
    invocation::told,
    outbound::{OutboundError, OutboundResponse, Permitted, Target},
};

/// The secrets of one call. Its references mean nothing outside of it.
pub struct CallSecrets {
    vault: Arc<Vault>,
    grants: Arc<Grants>,
    used: Mutex<Vec<Arc<Used>>>,
}

/// A secret that this call has asked for. It keeps the value that it had then, whatever the vault says later.
pub(super) struct Used {
    name: SecretName,
    placeholder: Placeholder,
    value: Arc<HandedOut>,
}

impl fmt::Debug for CallSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallSecrets")
    }
}

impl CallSecrets {
    /// The secrets of a call to a provider with these grants.
    #[must_use]
    pub fn new(vault: Arc<Vault>, grants: Arc<Grants>) -> Self {
        Self { vault, grants, used: Mutex::default() }
    }

    /// A placeholder for the secret's value, the same each time.
    ///
    /// # Errors
    /// When the secret is not granted or not set, or the vault cannot be read.
    pub async fn reference(&self, name: &str) -> Result<String, SecretError> {
        let (name, _) = self.grants.get(name)?;
        Ok(self.use_secret(name).await?.reference())
    }

    /// The secret's value itself. From here on it is in the provider's memory, which ends with the call and is not wiped.
    ///
    /// # Errors
    /// As [`Self::reference`], and when the config does not grant `reveal`.
    pub async fn reveal(&self, name: &str) -> Result<String, SecretError> {
        let (name, grant) = self.grants.get(name)?;
        if !grant.reveals() {
            return Err(SecretError::NotGranted(format!(
                "`{name}` may only be used by reference: set `secrets.{name}.reveal: true` in the provider's config to let it read the value"
            )));
        }
        Ok(self.use_secret(name).await?.value.value().expose().to_owned())
    }

    async fn use_secret(&self, name: &SecretName) -> Result<Arc<Used>, SecretError> {
        if let Some(used) = self.find(|used| used.name == *name) {
            return Ok(used);
        }
        let value = self.vault.get(name).await.map_err(|error| match error {
            VaultError::NotSet(name) => SecretError::NotSet(told(&format!("secrets set {name}"))),
            VaultError::NotInSupabase(name) => SecretError::NotSet(created(&name)),
            _ => SecretError::Unavailable(error.to_string()),
        })?;
        Ok(self.take(Used::new(name.clone(), value)?))
    }

    pub(super) fn take(&self, used: Used) -> Arc<Used> {
        let mut all = self.used();
        // Requests at the same time may all have asked for it.
        if let Some(before) = all.iter().find(|before| before.name == used.name) {
            return Arc::clone(before);
        }
        let used = Arc::new(used);
        all.push(Arc::clone(&used));
        used
    }

    /// Gets ready for what `target` may answer: whoever has got a value, from anybody, may say it. A secret
    /// that is granted for it is looked for from now on, whether or not this call asks for a reference.
    ///
    /// # Errors
    /// When the vault cannot be read, so that nobody could tell what to look for.
    pub async fn expect_from(&self, target: &Target) -> Result<(), OutboundError> {
        for name in self.grants.of_target(target) {
            match self.use_secret(name).await {
                // What is not set any more is looked for as it was.
                Ok(_) | Err(SecretError::NotSet(_)) => {}
                Err(error) => {
                    let text = format!("nobody could tell whether the answer holds the secret `{name}`: {error}");
                    return Err(refused(&text));
                }
            }
        }
        Ok(())
    }

    /// Puts values in place of references in a permitted request's headers. Whatever goes where a secret may go asks for a whole
    /// answer that can be searched, whether or not this call has the secret: others may have sent it there, under any name.
    ///
    /// The values are then in memory of the HTTP client's, which does not wipe it.
    ///
    /// # Errors
    /// When a reference stands where none may: in the URL, the body, towards a host that the secret is not for, or when
    /// it is not one of this call's; and when the request asks one who may know a value for a piece of an answer.
    pub fn fill(&self, request: &mut Permitted) -> Result<(), OutboundError> {
        // Told so that a provider's author sees the mistake. One that is encoded or cut would get through, as the text
        // that it is.
        let elsewhere = request.url().as_str().contains(PREFIX)
            || request.headers().any(|(name, _)| name.as_str().contains(PREFIX))
            || request.body().is_some_and(|body| memchr::memmem::find(body, PREFIX.as_bytes()).is_some());
        if elsewhere {
            let text = "a secret reference may only stand in a header value, not in its name, the URL or the body";
            return Err(refused(text));
        }
        let target = request.target().clone();
        for (_, value) in request.headers_mut() {
            if let Some(filled) = filled(value.as_bytes(), |placeholder| self.value_for(placeholder, &target))? {
                let mut secret = HeaderValue::from_bytes(&filled)
                    .map_err(|_| refused("the secret's value cannot be carried in a header"))?;
                secret.set_sensitive(true);
                *value = secret;
            }
        }
        if self.grants.of_target(&target).next().is_some() {
            request.to_be_searched()?;
        }
        Ok(())
    }

    /// The value that `placeholder` stands for, if it may go to `target`.
    fn value_for(&self, placeholder: &[u8], target: &Target) -> Result<SecretValue, OutboundError> {
        let used = self
            .find(|used| used.placeholder.as_str().as_bytes() == placeholder)
            .ok_or_else(|| refused("a secret reference is valid only during the call that asked for it"))?;
        if self.grants.permit(&used.name, target) {
            Ok(used.value.value().clone())
        } else {
            Err(refused(&format!("the secret `{}` is not for this host: see `secrets.{0}.hosts`", used.name)))
        }
    }

    /// Takes every value that is granted out of an answer: its headers, each and all together, and its body.
    pub fn scrub_response(&self, response: &mut OutboundResponse) {
        for value in self.all() {
            let scrubber = value.scrubber();
            // There is nothing else that a header could be called.
            response.headers.retain(|(name, _)| !scrubber.is_in(name));
            for (_, value) in &mut response.headers {
                scrubber.text(value);
            }
            scrub_together(scrubber, &mut response.headers);
            scrubber.bytes(&mut response.body);
        }
    }

    /// Takes every value that is granted out of a text, which may be JSON and then stays JSON.
    pub fn scrub(&self, text: &mut String) {
        for value in self.all() {
            value.scrubber().text(text);
        }
    }

    /// Takes every value that is granted out of bytes that need not be text.
    pub fn scrub_bytes(&self, bytes: &mut Vec<u8>) {
        for value in self.all() {
            value.scrubber().bytes(bytes);
        }
    }

    fn find(&self, wanted: impl Fn(&Used) -> bool) -> Option<Arc<Used>> {
        self.used().iter().find(|used| wanted(used)).map(Arc::clone)
    }

    /// What to look for: the values used so far, and all others that the vault has handed out of what is granted, to
    /// anybody: replaced and removed ones too. The longest first, of which another one may be a part.
    fn all(&self) -> Vec<Arc<HandedOut>> {
        let mut all: Vec<_> = self.used().iter().map(|used| Arc::clone(&used.value)).collect();
        for value in self.grants.names().flat_map(|name| self.vault.handed_out(name)) {
            if !all.iter().any(|other| Arc::ptr_eq(other, &value)) {
                all.push(value);
            }
        }
        all.sort_by_key(|value| Reverse(value.value().expose().len()));
        all
    }

    fn used(&self) -> MutexGuard<'_, Vec<Arc<Used>>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    pub(super) fn new(name: SecretName, value: Arc<HandedOut>) -> Result<Self, SecretError> {
        Ok(Self { placeholder: Placeholder::new()?, name, value })
    }

    pub(super) fn reference(&self) -> String {
        self.placeholder.as_str().to_owned()
    }
}

/// Takes the value out where it goes from one header into another: as they came, and in the order of their names and the
/// numbers at their ends; values alone, and names with values.
fn scrub_together(scrubber: &Scrubber, headers: &mut Vec<(String, String)>) {
    let numbered = |name: &str| {
        let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        (stem.to_owned(), name[stem.len()..].parse::<u64>().ok())
    };
    let mut by_name: Vec<_> = headers.iter_mut().collect();
    by_name.sort_by_cached_key(|(name, _)| numbered(name));
    scrubber.across(&mut by_name.into_iter().map(|(_, value)| value).collect::<Vec<_>>());
    scrubber.across(&mut headers.iter_mut().map(|(_, value)| value).collect::<Vec<_>>());
    let names: Vec<_> = headers.iter().map(|(name, _)| name.clone()).collect();
    scrubber.across(&mut headers.iter_mut().flat_map(|(name, value)| [name, value]).collect::<Vec<_>>());
    // A name that held a piece is no name any more.
    let mut names = names.into_iter();
    headers.retain(|(name, _)| names.next().is_some_and(|before| before == *name));
}
