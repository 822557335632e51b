//! What admins see of the hub and do to it, and what is on record of it.

mod overrides;
mod reloads;

use serde_json::Value;

use crate::support::hub::Hub;

/// What `GET /admin/providers` tells of a provider.
async fn listed(hub: &Hub, token: &str, provider: &str) -> Value {
    let list = hub.get("/admin/providers", Some(token)).await;
    assert_eq!(list.status, 200, "{list:?}");
    let list = list.json();
    let found = list["providers"].as_array().expect("providers").iter().find(|one| one["provider"] == provider);
    found.cloned().unwrap_or_else(|| panic!("{provider}: {list}"))
}
