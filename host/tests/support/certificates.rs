//! Certificate authorities, and what they sign, as files.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority of a test's own.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // By names OpenSSL tells who signed what.
        params.distinguished_name.push(DnType::CommonName, "the test's authority");
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for this machine and its key, PEM each.
    fn signed(&self, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("parameters");
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        (params.signed_by(&key, &self.issuer).expect("a certificate").pem(), key.serialize_pem())
    }

    /// A client of `reqwest` that trusts nobody but this authority.
    pub fn trusting(&self) -> reqwest::ClientBuilder {
        let certificate = reqwest::Certificate::from_pem(self.pem().as_bytes()).expect("a certificate");
        reqwest::Client::builder().no_proxy().tls_certs_only([certificate])
    }

    /// What a client shows that this authority knows.
    pub fn identity(&self) -> reqwest::Identity {
        let (certificate, key) = self.signed(ExtendedKeyUsagePurpose::ClientAuth);
        reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).expect("an identity")
    }

    /// Puts a server's certificate and key into a folder, and the authority's own certificate beside them.
    pub fn write(&self, folder: &Path) -> Files {
        let files = Files::of(folder);
        let (certificate, key) = self.signed(ExtendedKeyUsagePurpose::ServerAuth);
        fs::write(&files.certificate, certificate).expect("written");
        fs::write(&files.key, key).expect("written");
        fs::set_permissions(&files.key, Permissions::from_mode(0o600)).expect("set");
        fs::write(&files.authority, self.pem()).expect("written");
        files
    }
}

/// Where certificates are.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authority: PathBuf,
}

impl Files {
    fn of(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        Self { certificate: at("server.pem"), key: at("server.key"), authority: at("authority.pem") }
    }

    /// The hub's flags for them.
    pub fn flags(&self) -> [&str; 4] {
        ["--tls-cert", text(&self.certificate), "--tls-key", text(&self.key)]
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}
