//! Whom the gate trusts: the system's certificate authorities, and those that the config adds.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_platform_verifier::Verifier;
use thiserror::Error;

/// A certificate authority to trust beside the system's, such as a company's own.
#[derive(Clone, Debug)]
pub struct RootCertificate(CertificateDer<'static>);

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
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(pem).map(|certificate| certificate.map(Self)).collect();
        certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or(RootCertificateError)
    }
}

/// TLS 1.2 and 1.3 (RFC 8446) with HTTP/2 or HTTP/1.1, and with tickets that nobody else uses. Reads the system's
/// certificates from disk.
pub(super) fn client(extra_roots: Vec<RootCertificate>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    // The system's own rules decide where there are some, as on macOS.
    let verifier = Verifier::new_with_extra_roots(extra_roots.into_iter().map(|root| root.0), Arc::clone(&provider))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        // Not the dangerous sort: it verifies.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
