//! The HTTP client of one gate.

use std::sync::Arc;

use thiserror::Error;

use super::limits::Limits;
use super::resolver::GuardedResolver;

/// Sent unless the provider sets its own `user-agent`.
const USER_AGENT: &str = concat!("bulkhead/", env!("CARGO_PKG_VERSION"));

/// A certificate authority to trust beside the system's, such as a company's own.
#[derive(Clone, Debug)]
pub struct RootCertificate(reqwest::Certificate);

/// The text holds no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no certificate found: give PEM text with '-----BEGIN CERTIFICATE-----' blocks")]
pub struct RootCertificateError;

impl RootCertificate {
    /// All the certificates in PEM text (RFC 7468), at least one. Their content is checked when the gate is built.
    ///
    /// # Errors
    /// [`RootCertificateError`] if there is none, or a block is broken.
    pub fn from_pem(pem: &[u8]) -> Result<Vec<Self>, RootCertificateError> {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| RootCertificateError)?;
        if certificates.is_empty() {
            Err(RootCertificateError)
        } else {
            Ok(certificates.into_iter().map(Self).collect())
        }
    }
}

/// Builds a client that can only connect where `resolver` leads, with a pool and TLS sessions of its own.
pub(super) fn build(
    limits: &Limits,
    extra_roots: Vec<RootCertificate>,
    resolver: GuardedResolver,
) -> Result<reqwest::Client, reqwest::Error> {
    let max_header_bytes = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    reqwest::Client::builder()
        .dns_resolver(Arc::new(resolver))
        // A proxy would resolve and connect in our place, past every check.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Off even if another crate turns the features on: a small answer must not unpack into a large one.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .tls_certs_merge(extra_roots.into_iter().map(|root| root.0))
        .user_agent(USER_AGENT)
        .connect_timeout(limits.connect_timeout)
        .pool_idle_timeout(limits.idle_timeout)
        .pool_max_idle_per_host(limits.max_idle_per_host)
        .http1_max_headers(limits.max_headers)
        .http2_max_header_list_size(max_header_bytes)
        .build()
}
