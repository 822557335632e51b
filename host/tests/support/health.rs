//! What the hub says of its providers.

use serde_json::Value;

/// What `GET /health` says is wrong with a provider.
pub fn error_of(health: &Value, provider: &str) -> String {
    let providers = health["providers"].as_array().expect("providers");
    let found = providers.iter().find(|one| one["provider"] == provider && one["status"] != "loading");
    found.and_then(|one| one["error"].as_str()).unwrap_or_default().to_owned()
}
