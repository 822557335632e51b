//! Loads one provider: read, compile, check, describe, hold against the config. Any error leaves everything as it was.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::available_parallelism,
    time::Instant,
};

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use tokio::sync::{Mutex, Semaphore};

use super::{error::LoadError, offer::Offer, revision::Revision};
use crate::{
    config::{ConfigError, HostEntry, ProviderConfig},
    health::Breakers,
    names::ProviderName,
    outbound::{Allowlist, DnsError, DnsResolver, DnsServer, Gate, GateOptions, OwnAddress, RootCertificate},
    sandbox::{Compiled, Sandbox},
    store::small_file,
    vault::Grants,
};

/// The largest component, in bytes. Python's are about 20 MB.
const COMPONENT_MAX: u64 = 64 * 1024 * 1024;

/// A component's bytes and what identifies them.
pub(super) struct ComponentFile {
    bytes: Vec<u8>,
    /// SHA-256, hex.
    digest: String,
}

impl ComponentFile {
    /// SHA-256, hex.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Identifies the revision that this component would be with this config: SHA-256, hex, over everything that makes it.
    pub(super) fn revision_id(&self, config: &ProviderConfig, way_out: &WayOut) -> String {
        // What is derived for `Debug` tells every part of a config, and quotes its texts.
        let made_of = format!("{} {config:?} {}", self.digest, way_out.id());
        HEXLOWER.encode(digest::digest(&digest::SHA256, made_of.as_bytes()).as_ref())
    }
}

/// Identifies what the config wants of a provider: SHA-256, hex, of all that it says, whatever it looks like in the file.
pub(super) fn section_id(config: &ProviderConfig) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, format!("{config:?}").as_bytes()).as_ref())
}

/// Reads a component. Blocking.
pub(super) fn read(folder: &Path, component: &Path) -> Result<ComponentFile, LoadError> {
    let unreadable = |source| LoadError::File { path: component.to_owned(), source };
    let bytes = small_file::read(&folder.join(component), COMPONENT_MAX).map_err(unreadable)?;
    let digest = HEXLOWER.encode(digest::digest(&digest::SHA256, &bytes).as_ref());
    Ok(ComponentFile { bytes, digest })
}

/// The largest file of certificate authorities, in bytes. All those of a browser are 0.2 MiB.
const ROOTS_MAX: u64 = 4 * 1024 * 1024;

/// Reads the certificate authorities that are trusted beside the system's. Blocking.
pub(super) fn extra_roots(folder: &Path, file: Option<&PathBuf>) -> Result<Roots, ConfigError> {
    let Some(file) = file else { return Ok(Roots::default()) };
    let pem = small_file::read(&folder.join(file), ROOTS_MAX).map_err(|error| ConfigError::File {
        file: format!("the config: outbound.extra_ca: `{}`", file.display()),
        reason: error.to_string(),
    })?;
    let certificates = RootCertificate::from_pem(&pem).map_err(|error| ConfigError::Content {
        file: "the config".to_owned(),
        line: String::new(),
        path: "outbound.extra_ca: ".to_owned(),
        reason: format!("`{}` cannot be used: {error}", file.display()),
    })?;
    Ok(Roots { certificates, id: HEXLOWER.encode(digest::digest(&digest::SHA256, &pem).as_ref()) })
}

/// Certificate authorities beside the system's, and what identifies them.
#[derive(Debug, Clone, Default)]
pub(super) struct Roots {
    pub(super) certificates: Vec<RootCertificate>,
    pub(super) id: String,
}

/// What every provider's way out has in common.
#[derive(Debug, Clone, Default)]
pub(super) struct WayOut {
    pub(super) roots: Roots,
    pub(super) dns_servers: Vec<DnsServer>,
    pub(super) own_address: OwnAddress,
}

impl WayOut {
    /// What a revision's id has of it. The hub's own address never changes.
    fn id(&self) -> String {
        format!("{} {:?}", self.roots.id, self.dns_servers)
    }

    /// A gate's, but for what is its own.
    pub(super) fn options(self) -> Result<GateOptions, DnsError> {
        let mut options = GateOptions {
            extra_roots: self.roots.certificates,
            own_address: self.own_address,
            ..GateOptions::default()
        };
        if !self.dns_servers.is_empty() {
            options.resolver = Arc::new(DnsResolver::new(&self.dns_servers)?);
        }
        Ok(options)
    }
}

/// Makes a revision of a component that has been read.
pub(super) async fn revision(
    sandbox: &Arc<Sandbox>,
    name: &ProviderName,
    config: &ProviderConfig,
    file: ComponentFile,
    way_out: WayOut,
) -> Result<Revision, LoadError> {
    let started = Instant::now();
    let grants = Grants::of(config).map_err(LoadError::Allowlist)?;
    let (id, component) = (file.revision_id(config, &way_out), file.digest.clone());
    let (compiled, outbound) = prepare(sandbox, file, config, way_out).await?;
    let description = sandbox.describe(&compiled).await?;
    let offer = {
        let (name, config) = (name.clone(), config.clone());
        tokio::task::spawn_blocking(move || Offer::of(&name, description, &config))
    };
    let offer = offer.await.map_err(|error| LoadError::Interrupted(error.to_string()))??;
    let upstreams = config.allowed_hosts.iter().map(HostEntry::target);
    Ok(Revision {
        name: name.clone(),
        breakers: Arc::new(Breakers::new(name.clone(), config.breaker, upstreams)),
        id,
        component,
        section: section_id(config),
        took: started.elapsed(),
        settings: serde_json::Value::Object(config.settings.clone()).to_string(),
        config: config.clone(),
        offer: Arc::new(offer),
        compiled,
        outbound: Arc::new(outbound),
        grants: Arc::new(grants),
        searches: Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))),
        checking: Mutex::default(),
    })
}

/// Compiles the component and opens its way out.
async fn prepare(
    sandbox: &Arc<Sandbox>,
    file: ComponentFile,
    config: &ProviderConfig,
    way_out: WayOut,
) -> Result<(Compiled, Gate), LoadError> {
    let allowlist =
        Allowlist::from_entries(config.allowed_hosts.iter().map(HostEntry::as_str)).map_err(LoadError::Allowlist)?;
    let mut options = way_out.options()?;
    options.queries = config.queries.iter().map(|query| query.url().clone()).collect();
    // Reads certificates from disk.
    let gate = tokio::task::spawn_blocking(move || Gate::new(allowlist, options));
    let gate = gate.await.map_err(|error| LoadError::Interrupted(error.to_string()))??;
    Ok((sandbox.compile(file.bytes, config.sandbox).await?, gate))
}
