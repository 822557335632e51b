//! The provider's settings and its secret.

use bulkhead_sdk::prelude::*;

/// The secret that holds an API token.
pub const KEY: &str = "socket_api_key";

/// What the config says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The organization that the tools work in.
    pub org: Option<String>,
    #[serde(default = "production")]
    /// Where the API answers.
    pub api_url: String,
}

fn production() -> String {
    "https://api.socket.dev/v0".to_owned()
}
