//! Loads one provider: read, compile, check, describe, hold against the config. Any error leaves everything as it was.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;

use super::{Revision, error::LoadError, offer::Offer};
use crate::{
    audit::hex,
    call::ProviderName,
    config::{HostEntry, ProviderConfig},
    outbound::{Allowlist, DnsError, DnsResolver, DnsServer, Gate, GateOptions, OwnAddress, RootCertificate},
    sandbox::{Compiled, Sandbox},
    store::private_file,
    vault::Grants,
};

/// The largest component, in bytes. Python's are about 20 MB.
const COMPONENT_MAX: u64 = 64 * 1024 * 1024;

/// A component's bytes and what identifies them.
pub(super) struct ComponentFile {
    pub(super) bytes: Vec<u8>,
    pub(super) id: String,
}

/// Reads a component. Blocking.
pub(super) fn read(folder: &Path, component: &Path) -> Result<ComponentFile, LoadError> {
    let unreadable = |source| LoadError::File { path: component.to_owned(), source };
    let path = folder.join(component);
    // Of what is no file, opening may wait for ever, and reading never end.
    if !fs::metadata(&path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(COMPONENT_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > COMPONENT_MAX {
        return Err(unreadable(io::Error::other("larger than 64 MiB")));
    }
    let id = hex(digest::digest(&digest::SHA256, &bytes).as_ref());
    Ok(ComponentFile { bytes, id })
}

/// Reads the certificate authorities that are trusted beside the system's. Blocking.
pub(super) fn extra_roots(folder: &Path, file: Option<&PathBuf>) -> Result<Roots, String> {
    let Some(file) = file else { return Ok(Roots::default()) };
    let unusable = |reason: String| format!("`{}` cannot be used: {reason}", file.display());
    let pem = private_file::read_small(&folder.join(file)).map_err(|error| unusable(error.to_string()))?;
    let certificates = RootCertificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
    Ok(Roots { certificates, id: hex(digest::digest(&digest::SHA256, &pem).as_ref()) })
}

/// Certificate authorities beside the system's, and what identifies them.
#[derive(Clone, Default)]
pub(super) struct Roots {
    pub(super) certificates: Vec<RootCertificate>,
    pub(super) id: String,
}

/// What every provider's way out has in common.
#[derive(Clone)]
pub(super) struct WayOut {
    pub(super) roots: Roots,
    pub(super) dns_servers: Vec<DnsServer>,
    pub(super) own_address: OwnAddress,
}

impl WayOut {
    /// What a revision remembers of it, to see whether a later one is another. The hub's own address never changes.
    pub(super) fn id(&self) -> String {
        format!("{} {:?}", self.roots.id, self.dns_servers)
    }

    fn options(self) -> Result<GateOptions, DnsError> {
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
    let grants = Grants::of(config).map_err(LoadError::Allowlist)?;
    let id = file.id.clone();
    let way_out_id = way_out.id();
    let (compiled, outbound) = prepare(sandbox, file, config, way_out).await?;
    let description = sandbox.describe(&compiled).await?;
    let offer = {
        let (name, config) = (name.clone(), config.clone());
        tokio::task::spawn_blocking(move || Offer::of(&name, description, &config))
    };
    let offer = offer.await.map_err(|error| LoadError::Interrupted(error.to_string()))??;
    Ok(Revision {
        name: name.clone(),
        id,
        settings: serde_json::Value::Object(config.settings.clone()).to_string(),
        config: config.clone(),
        offer,
        compiled,
        outbound: Arc::new(outbound),
        way_out_id,
        grants: Arc::new(grants),
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
    let options = way_out.options()?;
    // Reads certificates from disk.
    let gate = tokio::task::spawn_blocking(move || Gate::new(allowlist, options));
    let gate = gate.await.map_err(|error| LoadError::Interrupted(error.to_string()))??;
    Ok((sandbox.compile(file.bytes, config.sandbox).await?, gate))
}
