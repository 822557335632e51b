//! `orgs.list`, and which organization the other tools use.

use std::collections::BTreeMap;

use bulkhead_sdk::prelude::*;

use crate::api::Api;
use crate::refusal::Need;

/// What `orgs.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// In alphabetical order.
    organizations: Vec<Organization>,
    /// The slug of the one that the other tools use; absent if the config must choose one first.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_use: Option<String>,
}

/// One organization.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Organization {
    /// Its name in URLs and in the hub's setting `org`.
    slug: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What it pays for, such as "enterprise".
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    organizations: BTreeMap<String, Organization>,
}

/// Answers `orgs.list`.
pub fn list(cx: &Context, _: NoInput) -> Result<Output, CallError> {
    let api = Api::of(cx)?;
    let organizations = fetch(&api)?;
    let only = match organizations.as_slice() {
        [one] => Some(one.slug.as_str()),
        _ => None,
    };
    let in_use = api.org().or(only).map(str::to_owned);
    Ok(Output { organizations, in_use })
}

/// The slug of the only organization that the key sees.
pub fn only(api: &Api<'_>) -> Result<String, CallError> {
    let mut organizations = fetch(api)?;
    match organizations.as_slice() {
        [_] => Ok(organizations.remove(0).slug),
        [] => Err(CallError::misconfigured(
            "Socket's API key sees no organization: make a token in an organization's settings and set it with \
             `bulkhead secrets set socket_api_key`",
        )),
        several => {
            let slugs: Vec<_> = several.iter().map(|organization| organization.slug.as_str()).collect();
            Err(CallError::misconfigured(format!(
                "Socket's API key sees several organizations: set providers.socket.settings.org to one of {}",
                slugs.join(", ")
            )))
        }
    }
}

fn fetch(api: &Api<'_>) -> Result<Vec<Organization>, CallError> {
    let answer: Answer = api.get("organizations", Need::TOKEN).send()?.json()?;
    let mut organizations: Vec<_> = answer.organizations.into_values().collect();
    organizations.sort_by(|a, b| a.slug.cmp(&b.slug));
    Ok(organizations)
}
