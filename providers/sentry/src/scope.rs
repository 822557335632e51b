//! The permissions of an auth token, as the vendor's OpenAPI demands them per operation.

/// What a tool needs of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading issues and their events.
    ReadEvents,
    /// Changing issues and linking tickets to them.
    WriteEvents,
    /// Reading what belongs to the organization: projects, integrations.
    ReadOrg,
}

impl Scope {
    /// All of them, for the health check.
    pub const ALL: [Self; 3] = [Self::ReadEvents, Self::WriteEvents, Self::ReadOrg];

    /// The least scope that will do.
    pub fn name(self) -> &'static str {
        self.sufficient()[0]
    }

    /// The tools that it opens.
    pub fn tools(self) -> &'static str {
        match self {
            Self::ReadEvents => "issues.list or issue.get",
            Self::WriteEvents => "issue.update or issues.create",
            Self::ReadOrg => "projects.list or issues.create without `integration_id`",
        }
    }

    /// Whether a token with these scopes may do it.
    pub fn is_among(self, granted: &[String]) -> bool {
        granted.iter().any(|scope| self.sufficient().contains(&scope.as_str()))
    }

    /// Any of these will do; the least comes first.
    fn sufficient(self) -> &'static [&'static str] {
        match self {
            Self::ReadEvents => &["event:read", "event:write", "event:admin"],
            Self::WriteEvents => &["event:write", "event:admin"],
            Self::ReadOrg => &["org:read", "org:write", "org:admin"],
        }
    }
}
