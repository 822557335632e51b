//! Where the metrics come from: what the settings say.

use bulkhead_sdk::prelude::*;

use crate::agent::Agent;
use crate::cloud::Cloud;
use crate::settings::Settings;

/// The one source that this provider reads.
pub enum Source<'a> {
    /// A single Agent, with all the nodes that stream to it.
    Agent(Agent<'a>),
    /// A room in Netdata Cloud.
    Cloud(Cloud<'a>),
}

impl<'a> Source<'a> {
    /// Reads the settings.
    pub fn of(cx: &'a Context) -> Result<Self, CallError> {
        let settings: Settings = cx.settings()?;
        match (settings.agent_url, settings.cloud) {
            (Some(url), None) => Ok(Self::Agent(Agent::new(cx, &url))),
            (None, Some(cloud)) => Ok(Self::Cloud(Cloud::new(cx, &cloud.url, cloud.space, cloud.room))),
            (None, None) => Err(CallError::misconfigured(
                "no Netdata is configured: set providers.netdata.settings to { agent_url: 'http://127.0.0.1:19999' }, or to \
                 { cloud: { space: SPACE_ID, room: ROOM_ID } }",
            )),
            (Some(_), Some(_)) => Err(CallError::misconfigured(
                "providers.netdata.settings names both agent_url and cloud: keep one of them",
            )),
        }
    }
}
