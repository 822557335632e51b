//! Names of providers and tools, parsed once where they enter.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest provider name, in characters.
const PROVIDER_MAX: usize = 32;
/// The longest tool name, in characters.
const TOOL_MAX: usize = 96;
/// The longest name some MCP clients accept (`^[a-zA-Z0-9_-]{1,64}$`).
const FLAT_MAX: usize = 64;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a provider name.
    #[error("`{0}` is not a provider name: use 1 to 32 of a-z, 0-9 and `-`, beginning with a letter")]
    Provider(String),
    /// Not a tool name.
    #[error("`{0}` is not a tool name: use dot-separated words of a-z, 0-9, `_` and `-`, 96 characters at most")]
    Tool(String),
    /// The flat form is too long for the clients it is made for.
    #[error("`{0}` is longer than 64 characters, which some MCP clients refuse: shorten the tool's or provider's name")]
    FlatTooLong(String),
}

/// A provider's name: 1 to 32 of `[a-z0-9-]`, beginning with a letter, so that it can be part of a URL path, an MCP tool
/// name and a URI scheme.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderName(String);

impl ProviderName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProviderName {
    type Error = NameError;
    fn try_from(raw: String) -> Result<Self, NameError> {
        let starts = raw.starts_with(|c: char| c.is_ascii_lowercase());
        let fits = raw.len() <= PROVIDER_MAX;
        if starts && fits && raw.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            Ok(Self(raw))
        } else {
            Err(NameError::Provider(raw))
        }
    }
}

/// A tool's name within its provider: dot-separated words of `[a-z0-9_-]`, at most 96 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolName(String);

impl ToolName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ToolName {
    type Error = NameError;
    fn try_from(raw: String) -> Result<Self, NameError> {
        let word = |w: &str| !w.is_empty() && w.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if raw.len() <= TOOL_MAX && raw.split('.').all(word) { Ok(Self(raw)) } else { Err(NameError::Tool(raw)) }
    }
}

/// How MCP clients see a provider's tool or prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireForm {
    /// `hello-rs.echo.v1`, the name everywhere else too.
    Dotted,
    /// `hello-rs__echo_v1`, for clients that refuse dots.
    Flat,
}

impl WireForm {
    /// The wire name of `item` (a tool's or prompt's name) of `provider`.
    #[must_use]
    pub fn name(self, provider: &ProviderName, item: &str) -> String {
        match self {
            Self::Dotted => format!("{provider}.{item}"),
            Self::Flat => format!("{provider}__{}", item.replace('.', "_")),
        }
    }

    /// Checks that `item` of `provider` has a flat name which every client accepts.
    ///
    /// # Errors
    /// When the flat name is longer than 64 characters.
    pub fn check_flat(provider: &ProviderName, item: &str) -> Result<String, NameError> {
        let flat = Self::Flat.name(provider, item);
        if flat.len() <= FLAT_MAX { Ok(flat) } else { Err(NameError::FlatTooLong(flat)) }
    }
}

macro_rules! text_form {
    ($($name:ty),*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self { name.0 }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(raw: &str) -> Result<Self, NameError> { Self::try_from(raw.to_owned()) }
        }
    )* };
}
text_form!(ProviderName, ToolName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_names_are_safe_in_paths_uris_and_tool_names() {
        for good in ["a", "hello-rs", "x1"] {
            assert!(good.parse::<ProviderName>().is_ok(), "{good}");
        }
        for bad in ["", "1a", "-a", "Hello", "a.b", "a_b", "a/b", "ä", &"a".repeat(33)] {
            assert!(bad.parse::<ProviderName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tool_names_are_dotted_words() {
        for good in ["echo.v1", "scan.repo", "a_b-c"] {
            assert!(good.parse::<ToolName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a..b", "a.", "A", "a b", "a/b", &"a".repeat(97)] {
            assert!(bad.parse::<ToolName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn wire_names_have_two_forms() {
        let provider: ProviderName = "hello-rs".parse().expect("a name");
        assert_eq!(WireForm::Dotted.name(&provider, "echo.v1"), "hello-rs.echo.v1");
        assert_eq!(WireForm::check_flat(&provider, "echo.v1").expect("short"), "hello-rs__echo_v1");
        assert!(WireForm::check_flat(&provider, &"x".repeat(60)).is_err());
    }
}
