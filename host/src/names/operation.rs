//! What can be asked of the hub, by name.

use super::word::words;

words! {
    /// What was asked, as the audit trail names it.
    pub enum OperationKind: "operation" {
        /// Call a tool.
        CallTool = "call_tool",
        /// Read a resource.
        ReadResource = "read_resource",
        /// Render a prompt.
        GetPrompt = "get_prompt",
        /// Check a provider's health.
        CheckHealth = "check_health",
        /// Show who one is.
        Authenticate = "authenticate",
        /// Something of REST that is none of the above.
        HttpRequest = "http_request",
        /// Get the OpenAPI document.
        OpenApi = "openapi",
        /// List tools, resources or prompts over MCP.
        McpList = "mcp_list",
        /// A message of MCP that is none of the above.
        McpMessage = "mcp_message",
        /// Make a token with the hub's own key.
        MintToken = "mint_token",
        /// Put a secret into the vault.
        SetSecret = "set_secret",
        /// Take one out of it.
        RemoveSecret = "remove_secret",
        /// Search the audit trail.
        AuditList = "audit_list",
        /// Show one call of the audit trail.
        AuditShow = "audit_show",
        /// Export what the audit trail holds.
        AuditExport = "audit_export",
        /// Follow the audit trail as it is recorded.
        AuditStream = "audit_stream",
        /// Move what is old of the audit trail into archives.
        AuditArchive = "audit_archive",
        /// Sum up what was used.
        AuditUsage = "audit_usage",
        /// Copy the audit trail to another store.
        AuditCopy = "audit_copy",
        /// Remove bodies from the audit trail.
        AuditPurge = "audit_purge",
        /// List providers with what they are granted.
        ListProviders = "list_providers",
        /// Read the config and every component anew.
        Reload = "reload",
        /// Take a provider out of service.
        DisableProvider = "disable_provider",
        /// Put it into service again.
        EnableProvider = "enable_provider",
        /// Have a provider's component serve that served before.
        RollBackProvider = "roll_back_provider",
        /// The hub tells of itself, by an event.
        Tell = "tell",
        /// Show what waits in the outbox, and what was delivered.
        EventsList = "events_list",
        /// Have events delivered anew.
        EventsReplay = "events_replay",
        /// Make a backup.
        Backup = "backup",
        /// Go on from a backup.
        Restore = "restore",
        /// Have another program take the hub's place.
        Upgrade = "upgrade",
        /// The hub's own row of what it refused while nothing could be recorded.
        Refuse = "refuse",
    }
}

words! {
    /// What a provider has that is asked for by name.
    pub enum ItemKind: "kind of item" {
        /// A tool.
        Tool = "tool",
        /// A resource.
        Resource = "resource",
        /// A prompt.
        Prompt = "prompt",
    }
}
