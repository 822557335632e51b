//! The files that TLS is made of, and the settings that they come to.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{VerifierBuilderError, WebPkiClientVerifier},
};

use crate::store::{private_file, small_file};

/// Certificates are some kilobytes; a bundle of authorities is a quarter of this. Bytes.
const CERTIFICATES_MAX: u64 = 1024 * 1024;
/// What may be spoken, the best first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where certificate, key and the authority of clients are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate with its chain, PEM (`--tls-cert`).
    pub certificate: PathBuf,
    /// Its private key, PEM, which only the hub's user may read (`--tls-key`).
    pub key: PathBuf,
    /// Who signs the certificates of clients, PEM (`--tls-client-ca`). With it, a client without one does not get through
    /// the handshake; a token is needed all the same.
    pub client_ca: Option<PathBuf>,
}

/// Why files are of no use for TLS. The messages name flags, never paths.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the file of `{flag}` cannot be read: {error}")]
    Unreadable {
        /// Which.
        flag: &'static str,
        /// Why.
        error: io::Error,
    },
    /// A file holds something else.
    #[error("the file of `{0}` is not what it should be: put PEM there, which begins with `-----BEGIN {1}`")]
    NotPem(&'static str, &'static str),
    /// Certificate and key cannot be used together, or one of them at all.
    #[error(
        "the certificate of `--tls-cert` and the key of `--tls-key` cannot be used: {0}: put a pair there that belongs together"
    )]
    Pair(#[from] rustls::Error),
    /// The authority of clients cannot be used.
    #[error("the authority of `--tls-client-ca` cannot be used: {0}")]
    ClientCa(#[from] VerifierBuilderError),
}

const CERT: &str = "--tls-cert";
const KEY: &str = "--tls-key";
const CLIENT_CA: &str = "--tls-client-ca";

impl TlsFiles {
    /// Reads the files and makes settings of them.
    ///
    /// # Errors
    /// When one cannot be read, or they cannot be used.
    pub(super) fn load(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut authorities = RootCertStore::empty();
                for authority in certificates(CLIENT_CA, path)? {
                    authorities.add(authority)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(certificates(CERT, &self.certificate)?, self.private_key()?)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let unreadable = |error| TlsError::Unreadable { flag: KEY, error };
        let text = private_file::read(&self.key).map_err(unreadable)?;
        let text = text.ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
        PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::NotPem(KEY, "PRIVATE KEY"))
    }

    /// What tells whether a file has changed, without reading it.
    pub(super) fn look(&self) -> Look {
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        Look(files.map(|path| fs::metadata(path?).ok().map(|metadata| Seen::of(&metadata))))
    }
}

fn certificates(flag: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = small_file::read(path, CERTIFICATES_MAX).map_err(|error| TlsError::Unreadable { flag, error })?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let wrong = || TlsError::NotPem(flag, "CERTIFICATE");
    all.ok().filter(|all| !all.is_empty()).ok_or_else(wrong)
}

/// How the files look: nothing where one is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look([Option<Seen>; 3]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            // Also when the mode changed: a key that others could read may be usable now.
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
