//! The ways into the hub.

use super::word::words;

words! {
    /// Where a call came in.
    pub enum Surface: "surface" {
        /// `POST /providers/…`.
        Rest = "rest",
        /// MCP over Streamable HTTP.
        Mcp = "mcp",
        /// MCP over stdio.
        Stdio = "stdio",
        /// The program's own commands, by whoever may run them on the machine.
        Cli = "cli",
        /// The hub's own health monitor.
        Probe = "probe",
        /// Nowhere: the hub tells of itself.
        Hub = "hub",
    }
}
