//! From a name to its addresses.

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::host::HostName;
use super::hosts_file;

/// The addresses of a name, in the order in which to try them.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up. Which addresses may be used is not its business.
pub trait Resolve: Send + Sync + 'static {
    /// Looks `name` up. Any error means that the name does not resolve now.
    fn resolve(&self, name: &HostName) -> Resolving;
}

/// The machine's own resolver: its hosts file, then whatever the operating system is set up to ask.
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
    hosts_file: PathBuf,
    ask: fn(&str) -> io::Result<Vec<IpAddr>>,
}

/// Lookups of one gate that run at a time. The operating system's occupy threads that the whole hub shares and cannot be
/// cancelled.
pub(super) const MAX_LOOKUPS: usize = 8;

impl Default for SystemResolver {
    fn default() -> Self {
        Self::with(PathBuf::from(HOSTS_FILE), ask_system)
    }
}

impl SystemResolver {
    /// With another hosts file, and something else to ask than the operating system.
    pub(super) fn with(hosts_file: PathBuf, ask: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        Self { lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)), hosts_file, ask }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &HostName) -> Resolving {
        let (lookups, hosts_file, ask) = (Arc::clone(&self.lookups), self.hosts_file.clone(), self.ask);
        let name = name.clone();
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = move || {
                // Held until the thread is free again, even if nobody waits for the answer any more.
                let _permit = permit;
                let listed = hosts_file::look_up(&hosts_file, &name)?;
                // With a dot at its end a name is absolute (RFC 1034, 3.1): the search domains of `resolv.conf` are not
                // appended, and `api.example.com` is never `api.example.com.corp.example`.
                if listed.is_empty() { ask(&format!("{name}.")) } else { Ok(listed) }
            };
            tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
        })
    }
}

/// The machine's own table of names. It has to be read here: the operating system looks into it only for names without a
/// dot at their end.
const HOSTS_FILE: &str = "/etc/hosts";

fn ask_system(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect())
}
