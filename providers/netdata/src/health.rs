//! Whether the source answers and accepts our token.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;

use crate::agent::send_v3;
use crate::source::Source;

/// One cheap request that needs the same permission as the tools.
pub fn check(cx: &Context) -> Health {
    match probe(cx) {
        Ok(()) => Health::ok(),
        // It is there but busy or limiting us: some calls will work.
        Err(error) if matches!(error.code, ErrorCode::UpstreamRateLimited | ErrorCode::UpstreamTimeout) => {
            Health::degraded(error.message)
        }
        Err(error) => Health::down(error.message),
    }
}

fn probe(cx: &Context) -> Result<(), CallError> {
    let answer = match Source::of(cx)? {
        // Unlike /api/v3/info, this one is refused where bearer protection is on and the token is wrong.
        Source::Agent(agent) => match send_v3(agent.get("/api/v3/versions"))? {
            Some(answer) => answer,
            None => agent.get("/api/v1/info").send()?,
        },
        Source::Cloud(cloud) => cloud.account().send()?,
    };
    answer.json::<Value>().map(|_| ())
}
