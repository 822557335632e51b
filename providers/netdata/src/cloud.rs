//! Talking to Netdata Cloud.

use bulkhead_sdk::http::RequestBuilder;
use bulkhead_sdk::prelude::*;

use crate::settings::TOKEN;

/// A room in Netdata Cloud.
pub struct Cloud<'a> {
    cx: &'a Context,
    url: String,
    space: String,
    room: String,
}

impl<'a> Cloud<'a> {
    /// `space` and `room` are ids, from the settings pages of the space and the room.
    pub fn new(cx: &'a Context, url: &str, space: String, room: String) -> Self {
        Self { cx, url: url.trim_end_matches('/').to_owned(), space, room }
    }

    /// Starts a POST to an endpoint of the room, such as `data`; `api` is `v2` or `v3`, which differ by endpoint.
    pub fn post(&self, api: &str, endpoint: &str, body: &impl Serialize) -> RequestBuilder<'a> {
        self.cx
            .post(format!("{}/api/{api}/spaces", self.url))
            .segment(&self.space)
            .segment("rooms")
            .segment(&self.room)
            .segment(endpoint)
            .bearer_secret(TOKEN)
            .json(body)
            .explain(explain)
    }

    /// Starts a GET of the account that the token belongs to.
    pub fn account(&self) -> RequestBuilder<'a> {
        self.cx.get(format!("{}/api/v2/accounts/me", self.url)).bearer_secret(TOKEN).explain(explain)
    }

    /// How long Cloud may work on a query, in milliseconds: a little less than the call has left.
    pub fn timeout_ms(&self) -> u64 {
        let left = u64::try_from(self.cx.deadline().as_millis()).unwrap_or(u64::MAX);
        left.saturating_sub(500).clamp(500, 30_000)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    error_message: String,
}

fn explain(failure: &Failure<'_>) -> Option<CallError> {
    let Failure::Status(response) = failure else { return None };
    match response.status() {
        400 => {
            let said = response.json().map_or_else(|_| response.excerpt(), |refusal: Refusal| refusal.error_message);
            Some(CallError::invalid_input(format!(
                "Netdata Cloud refused the query: {said}. Change the input accordingly"
            )))
        }
        401 => Some(CallError::upstream_auth(format!(
            "Netdata Cloud does not accept the API token: make one under User Settings, API Tokens, and set it with \
             `bulkhead secrets set {TOKEN}`"
        ))),
        403 => Some(CallError::upstream_auth(format!(
            "the Netdata Cloud API token may not do this: make one with scope:all (scope:grafana-plugin cannot read alerts) \
             and set it with `bulkhead secrets set {TOKEN}`"
        ))),
        404 => Some(CallError::misconfigured(
            "Netdata Cloud does not know the space or the room: check providers.netdata.settings.cloud.space and .room",
        )),
        _ => None,
    }
}
