//! Names of secrets.

use serde::{Deserialize, Serialize};

/// A secret's name in the vault: 1 to 64 of `[a-z0-9_]`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SecretName {
    type Error = String;
    fn try_from(raw: String) -> Result<Self, String> {
        let starts = raw.starts_with(|c: char| c.is_ascii_lowercase());
        let made_of = raw.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if starts && made_of && raw.len() <= 64 {
            Ok(Self(raw))
        } else {
            Err("not a secret's name: use 1 to 64 of a-z, 0-9 and `_`, beginning with a letter".to_owned())
        }
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl std::str::FromStr for SecretName {
    type Err = String;
    fn from_str(raw: &str) -> Result<Self, String> {
        Self::try_from(raw.to_owned())
    }
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}
