//! What a request is about, for its errors.

use crate::scope::Scope;

/// What a request is about, for its errors.
#[derive(Debug, Clone)]
pub struct About {
    /// The least scope that the token needs.
    pub scope: Scope,
    /// What does not exist if Sentry says 404.
    pub target: Target,
}

/// What a request looks for.
#[derive(Debug, Clone)]
pub enum Target {
    /// Something that every organization has, so a 404 means that there is no such organization.
    Org,
    /// An issue, as the caller named it.
    Issue(String),
    /// An issue, as the caller named it, and an integration.
    Ticket(String, String),
}
