//! The ways into the hub.

/// Where a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// `POST /providers/…`.
    Rest,
    /// MCP over Streamable HTTP.
    Mcp,
    /// MCP over stdio.
    Stdio,
    /// The hub's own health monitor.
    Probe,
}

impl Surface {
    /// The surface's name in the audit trail.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Mcp => "mcp",
            Self::Stdio => "stdio",
            Self::Probe => "probe",
        }
    }
}
