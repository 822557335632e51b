//! The stable codes of errors: programs rely on them, so a code never changes its meaning and none is used again.

use serde::Serialize;

use super::word::words;

words! {
    /// What went wrong, for programs: the same in REST, MCP, the log and the audit trail.
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Code: "code of an error" {
        // Who calls.
        /// There is no token.
        TokenMissing = "token_missing",
        /// The token is none.
        TokenMalformed = "token_malformed",
        /// The token is signed in a way that is not taken.
        TokenAlgorithm = "token_algorithm",
        /// The token's signature is wrong.
        TokenSignature = "token_signature",
        /// The token has expired.
        TokenExpired = "token_expired",
        /// The token is not valid yet.
        TokenNotYetValid = "token_not_yet_valid",
        /// The token is another issuer's.
        TokenIssuer = "token_issuer",
        /// The token is for somebody else.
        TokenAudience = "token_audience",
        /// The issuer's keys cannot be fetched.
        IssuerUnavailable = "issuer_unavailable",
        // Whether it may.
        /// The caller's role is too low.
        RoleTooLow = "role_too_low",
        /// The request was sent to a name that is not the hub's.
        HostRefused = "host_refused",
        /// A page of another site sent the request.
        OriginRefused = "origin_refused",
        /// A quota is used up.
        RateLimited = "rate_limited",
        /// The caller has as much under way as it may.
        TooManyCalls = "too_many_calls",
        /// Too much of what the caller asks for is refused.
        TooManyRefused = "too_many_refused",
        /// The caller asks for too many health checks.
        TooManyChecks = "too_many_checks",
        // What is asked for.
        /// There is no such provider.
        UnknownProvider = "unknown_provider",
        /// There is no such tool.
        UnknownTool = "unknown_tool",
        /// There is no such resource.
        UnknownResource = "unknown_resource",
        /// There is no such prompt.
        UnknownPrompt = "unknown_prompt",
        /// Several may have the name.
        AmbiguousName = "ambiguous_name",
        /// The provider is disabled, down or not loaded.
        ProviderUnavailable = "provider_unavailable",
        /// The provider's upstream keeps failing, so it is sent nothing.
        CircuitOpen = "circuit_open",
        /// The provider is still loading.
        Loading = "loading",
        // The request.
        /// Nothing is at this path; or the provider says that there is no such thing.
        NotFound = "not_found",
        /// The path does not answer this method.
        MethodNotAllowed = "method_not_allowed",
        /// The path is no text.
        PathMalformed = "path_malformed",
        /// The request's target is too long.
        TargetTooLong = "target_too_long",
        /// The request has too many headers.
        TooManyHeaders = "too_many_headers",
        /// The request does not name one host.
        HostMalformed = "host_malformed",
        /// A header is there twice and says different things.
        HeaderRepeated = "header_repeated",
        /// A header says something else than the message.
        HeaderMismatch = "header_mismatch",
        /// The client does not take what the hub answers in.
        NotAcceptable = "not_acceptable",
        /// The message is not sent as JSON.
        MediaTypeUnsupported = "media_type_unsupported",
        /// The protocol's version is not known.
        VersionUnsupported = "version_unsupported",
        /// The client lacks what the method needs.
        CapabilityMissing = "capability_missing",
        /// MCP has no such method here.
        MethodUnknown = "method_unknown",
        /// The parameters are not the method's.
        ParamsInvalid = "params_invalid",
        /// A request has no id.
        IdMissing = "id_missing",
        /// A request of that id is under way.
        IdInUse = "id_in_use",
        /// The message is refused for another reason.
        MessageRefused = "message_refused",
        // The input.
        /// It is too large.
        InputTooLarge = "input_too_large",
        /// It took too long to arrive.
        InputTooSlow = "input_too_slow",
        /// It comes in a coding.
        InputEncoded = "input_encoded",
        /// It is JSON beyond a limit.
        InputTooComplex = "input_too_complex",
        /// It is not JSON.
        InputMalformed = "input_malformed",
        /// It has a number that would be rounded.
        InputNumber = "input_number",
        /// It does not match the schema.
        InputInvalid = "input_invalid",
        // The run.
        /// It did not end in time.
        Timeout = "timeout",
        /// The caller went away.
        Cancelled = "cancelled",
        /// The hub ended in the middle of it.
        Interrupted = "interrupted",
        /// The provider crashed.
        ProviderCrashed = "provider_crashed",
        /// The provider has as many calls as it may.
        ProviderBusy = "provider_busy",
        /// The provider says that it does not work.
        ProviderDown = "provider_down",
        /// The provider's memory is used up.
        MemoryLimit = "memory_limit",
        /// The provider's tables are full.
        TableLimit = "table_limit",
        /// The provider has too many instances within it.
        CoreInstanceLimit = "core_instance_limit",
        /// The provider's stack is used up.
        StackLimit = "stack_limit",
        /// The provider hands over too much at once.
        HandOverLimit = "hand_over_limit",
        /// The provider holds too many handles.
        HandleLimit = "handle_limit",
        /// The provider sends too many requests.
        RequestLimit = "request_limit",
        /// The provider's requests are too large.
        RequestSizeLimit = "request_size_limit",
        /// The responses to the provider are too large.
        ResponseSizeLimit = "response_size_limit",
        /// The provider's output is too large.
        OutputLimit = "output_limit",
        /// The provider logs too much.
        LogLimit = "log_limit",
        /// The provider has too many events.
        EventLimit = "event_limit",
        /// The provider's output does not match its schema.
        OutputInvalid = "output_invalid",
        // What the provider says.
        /// It does not take the input.
        InvalidInput = "invalid_input",
        /// What is asked for contradicts what there is.
        Conflict = "conflict",
        /// The upstream does not take the provider's credentials.
        UpstreamAuth = "upstream_auth",
        /// The upstream's quota is used up.
        UpstreamRateLimited = "upstream_rate_limited",
        /// The upstream failed.
        UpstreamFailed = "upstream_failed",
        /// The upstream cannot be reached.
        UpstreamUnreachable = "upstream_unreachable",
        /// The upstream did not answer in time.
        UpstreamTimeout = "upstream_timeout",
        /// The provider's config is wrong.
        Misconfigured = "misconfigured",
        /// The provider failed.
        ProviderFailed = "provider_failed",
        // The config.
        /// The config cannot be used.
        ConfigRefused = "config_refused",
        /// A provider cannot be loaded as configured.
        LoadFailed = "load_failed",
        /// What an admin asks for cannot be done to the provider.
        OverrideRefused = "override_refused",
        /// What admins do to providers cannot be kept.
        OverrideNotKept = "override_not_kept",
        // The trail.
        /// As many read the audit trail as may at once.
        TrailBusy = "trail_busy",
        /// A search took too long.
        SearchTooLong = "search_too_long",
        /// The audit trail cannot be read.
        TrailUnreadable = "trail_unreadable",
        // The hub.
        /// Nothing can be recorded, so nothing is answered.
        NotRecorded = "not_recorded",
        /// The hub failed.
        Internal = "internal",
    }
}
