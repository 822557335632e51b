//! The provider's settings and its secret.

use bulkhead_sdk::prelude::*;

/// The secret that holds a Cloud API token, or the bearer token of a protected Agent.
pub const TOKEN: &str = "netdata_token";

/// What the config says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The one Agent.
    pub agent_url: Option<String>,
    /// A room of Netdata Cloud.
    pub cloud: Option<CloudSettings>,
}

/// A room of Netdata Cloud.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudSettings {
    /// The space's id.
    pub space: String,
    /// The room's id.
    pub room: String,
    #[serde(default = "production")]
    /// Where the Cloud answers.
    pub url: String,
}

fn production() -> String {
    "https://app.netdata.cloud".to_owned()
}
