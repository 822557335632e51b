//! Places on the web, named by the config, to which the hub itself sends. It goes there by `outbound/` as everything does.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    config::Endpoint,
    outbound::{
        Acting, Allowlist, DnsError, Gate, GateError, GateOptions, Limits, Method, OutboundError, OutboundRequest,
        Reach,
    },
    vault::{Vault, VaultError},
};

/// How long one request may take.
const ANSWER: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes: nobody looks at it.
const ANSWER_MAX: u64 = 64 * 1024;

/// Why something did not get there. The messages never say more of the URL than its host.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The URL cannot be called.
    #[error("its URL cannot be called: {0}")]
    Url(String),
    /// The way out cannot be opened.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The DNS servers of the config cannot be used.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// Its token cannot be read.
    #[error("its token: {0}")]
    Secret(#[from] VaultError),
    /// Nobody has taken it.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// It was refused.
    #[error("it answers {0}")]
    Status(u16),
    /// A thread of the hub's has ended early.
    #[error("the hub is ending")]
    Ending,
}

/// How gates are made, by the config in use.
type Options = Box<dyn Fn() -> Result<GateOptions, DnsError> + Send + Sync>;

/// Opens the way to endpoints.
pub struct Endpoints {
    vault: Arc<Vault>,
    options: Options,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoints")
    }
}

impl Endpoints {
    /// With tokens from `vault`, and the certificate authorities and DNS servers of `options`.
    pub fn new(vault: Arc<Vault>, options: impl Fn() -> Result<GateOptions, DnsError> + Send + Sync + 'static) -> Self {
        Self { vault, options: Box::new(options) }
    }

    /// Opens the way to one, by the config in use. It is for a few requests; another one sees what has changed since.
    ///
    /// # Errors
    /// When its URL cannot be called, or TLS not be set up.
    pub async fn open(&self, endpoint: &Endpoint) -> Result<OpenEndpoint, EndpointError> {
        let origin = endpoint.url.url().origin().ascii_serialization();
        let allowlist = Allowlist::from_entries([origin.as_str()]).map_err(|errors| {
            EndpointError::Url(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let limits = Limits { max_response_bytes: ANSWER_MAX, ..Limits::default() };
        // Whoever runs the hub names it, and it may well be on a private network.
        let options = GateOptions { limits, reach: Reach::Anywhere, ..(self.options)()? };
        // Reads certificates from disk.
        let gate = tokio::task::spawn_blocking(move || Gate::new(allowlist, options));
        let gate = gate.await.map_err(|_| EndpointError::Ending)??;
        Ok(OpenEndpoint { gate, endpoint: endpoint.clone(), vault: Arc::clone(&self.vault) })
    }
}

/// The way to an endpoint, with connections of its own.
#[derive(Debug)]
pub struct OpenEndpoint {
    gate: Gate,
    endpoint: Endpoint,
    vault: Arc<Vault>,
}

impl OpenEndpoint {
    /// Sends a body, with headers beside that of the token. Once: whether it is tried again is the caller's to say.
    ///
    /// # Errors
    /// When nobody takes it: there is no answer within five seconds, or it has a status other than 200 to 299.
    pub async fn post(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Result<(), EndpointError> {
        let mut all: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if let Some(secret) = &self.endpoint.secret {
            let token = self.vault.credential(secret).await?;
            all.push(("authorization".to_owned(), format!("Bearer {}", *token)));
        }
        let url = self.endpoint.url.url().to_string();
        let request = OutboundRequest { method: Method::Post, url, headers: all, body: Some(body), timeout: None };
        let permitted = self.gate.permit(request, Acting::Anything)?;
        match self.gate.send(permitted, Instant::now() + ANSWER).await?.status {
            200..=299 => Ok(()),
            status => Err(EndpointError::Status(status)),
        }
    }
}
