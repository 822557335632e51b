//! Whose something is.

/// Whose something is, as its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The provider of this name, as the caller gave it: there may be none.
    Provider(String),
    /// Nobody: the name leads to no provider.
    Nobody,
}

impl Owner {
    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        match self {
            Self::Provider(name) => Some(name),
            Self::Nobody => None,
        }
    }
}
