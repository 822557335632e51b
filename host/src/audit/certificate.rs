//! Keys that follow each other: the old one signs the new. Whoever trusts one trusts those that came after it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::{
    encoding::{Encoding, Member, Sink as _},
    key::{AuditKey, PublicKey},
};
use crate::store::{lock::FileLock, private_file};

/// The certificates of keys that followed others, in the data folder.
pub const FILE: &str = "audit.keys";
/// How long another command that makes a key is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an old key says of the one that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Certificate {
    at: String,
    by: String,
    key: String,
    signature: String,
}

impl Certificate {
    fn sign(old: &AuditKey, new: &PublicKey) -> Self {
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let (by, key) = (old.public().to_string(), new.to_string());
        let signature = HEXLOWER.encode(&old.sign(signed(&at, &by, &key).bytes()));
        Self { at, by, key, signature }
    }

    /// Who has signed, and what, if that is so.
    fn keys(&self) -> Option<(PublicKey, PublicKey)> {
        let (by, key): (PublicKey, PublicKey) = (self.by.parse().ok()?, self.key.parse().ok()?);
        let signature = HEXLOWER.decode(self.signature.as_bytes()).ok()?;
        by.has_signed(signed(&self.at, &self.by, &self.key).bytes(), &signature).then_some((by, key))
    }
}

fn signed(at: &str, by: &str, key: &str) -> Encoding {
    let mut members = Encoding::new();
    members.add("at", Member::Text(at));
    members.add("by", Member::Text(by));
    members.add("key", Member::Text(key));
    members.add("kind", Member::Text("key"));
    members
}

/// Puts a new key in the place of that in `data`, signed by it. Hubs that run go on with the old one until they end.
///
/// # Errors
/// When a file cannot be read or written.
pub fn renew(data: &Path) -> io::Result<AuditKey> {
    // One after the other: a key without its certificate is trusted by nobody.
    let _alone = FileLock::acquire(&data.join("audit.key.lock"), PATIENCE)?;
    let old = AuditKey::open(data)?;
    let (seed, new) = AuditKey::fresh()?;
    let mut certificates = read(data)?;
    certificates.push(Certificate::sign(&old, &new.public()));
    // First: a certificate of a key that nobody has does no harm.
    private_file::replace(&path(data), &serde_json::to_vec(&certificates).map_err(io::Error::other)?)?;
    private_file::replace(&AuditKey::path(data), &seed)?;
    Ok(new)
}

/// The certificates in a data folder, oldest first; none if its key is the first.
pub(super) fn read(data: &Path) -> io::Result<Vec<Certificate>> {
    let Some(bytes) = private_file::read(&path(data))? else { return Ok(Vec::new()) };
    let unreadable =
        |error| io::Error::other(format!("`{FILE}` is not as the hub wrote it: put back the hub's own ({error})"));
    serde_json::from_slice(&bytes).map_err(unreadable)
}

fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// Adds the keys that trusted ones have signed.
pub(super) fn trust_signed(trusted: &mut Vec<PublicKey>, certificates: &[Certificate]) {
    // Oldest first: one pass is enough.
    for (by, key) in certificates.iter().filter_map(Certificate::keys) {
        if trusted.contains(&by) && !trusted.contains(&key) {
            trusted.push(key);
        }
    }
}

/// The key, and those that came before it.
pub(super) fn with_predecessors(key: PublicKey, certificates: &[Certificate]) -> Vec<PublicKey> {
    let mut keys = vec![key];
    for (by, key) in certificates.iter().rev().filter_map(Certificate::keys) {
        if keys.contains(&key) && !keys.contains(&by) {
            keys.push(by);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_goes_from_a_key_to_those_after_it_and_not_back() {
        let data = std::env::temp_dir().join(format!("bulkhead-test-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&data).expect("a folder");
        let first = AuditKey::open(&data).expect("a key").public();
        let second = renew(&data).expect("a key").public();
        let third = renew(&data).expect("a key").public();
        assert_eq!(AuditKey::open(&data).expect("a key").public(), third);
        let certificates = read(&data).expect("read");
        let trusted = |key: PublicKey, certificates: &[Certificate]| {
            let mut trusted = vec![key];
            trust_signed(&mut trusted, certificates);
            trusted
        };
        assert_eq!(trusted(first, &certificates), [first, second, third]);
        assert_eq!(trusted(second, &certificates), [second, third]);
        assert_eq!(trusted(third, &certificates), [third]);
        assert_eq!(with_predecessors(third, &certificates), [third, second, first]);
        let mut forged = certificates.clone();
        forged[0].key = PublicKey::to_string(&third);
        assert_eq!(trusted(first, &forged), [first]);
        assert_eq!(with_predecessors(second, &forged), [second]);
        std::fs::remove_dir_all(&data).expect("removed");
    }
}
