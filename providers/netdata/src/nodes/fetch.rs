//! Asking each kind of source for its nodes.

use std::collections::BTreeMap;

use bulkhead_sdk::prelude::*;

use super::node::{Node, State};
use crate::agent::{Agent, send_v3};
use crate::cloud::Cloud;

/// By name and id together, because names alone need not be unique.
type ByKey = BTreeMap<String, Node>;

/// The newest API that the Agent has.
pub(super) fn agent(agent: &Agent<'_>, filter: &str) -> Result<ByKey, CallError> {
    let request = agent.get("/api/v3/nodes").query("scope_nodes", filter).query_list("options", &["minify"]);
    match send_v3(request)? {
        Some(answer) => Ok(answer.json::<Nodes>()?.by_key()),
        None => Ok(agent.get("/api/v1/info").send()?.json::<Info>()?.by_key()),
    }
}

/// A room in Netdata Cloud, which takes ids to choose nodes by, but no names.
pub(super) fn cloud(cloud: &Cloud<'_>) -> Result<ByKey, CallError> {
    let all = json!({ "scope": { "nodes": [] } });
    Ok(cloud.post("v3", "nodes", &all).send()?.json::<Nodes>()?.by_key())
}

/// The answer of v3 and Cloud, whose names are short on purpose.
#[derive(Deserialize)]
struct Nodes {
    /// Cloud may write null for an empty room.
    nodes: Option<Vec<Known>>,
}

#[derive(Deserialize)]
struct Known {
    /// The machine's id; Cloud may leave it out.
    mg: Option<String>,
    /// The node's id in Cloud; an Agent that is not connected to it has none.
    nd: Option<String>,
    /// Name.
    nm: Option<String>,
    state: Option<String>,
    /// Version.
    v: Option<String>,
    os: Option<Os>,
}

#[derive(Deserialize)]
struct Os {
    nm: Option<String>,
    v: Option<String>,
}

impl Nodes {
    fn by_key(self) -> ByKey {
        let node = |known: Known| {
            let id = known.mg.or(known.nd).unwrap_or_default();
            let node = Node {
                name: known.nm.unwrap_or_else(|| id.clone()),
                state: known.state.as_deref().and_then(State::of),
                version: text(known.v),
                os: known.os.and_then(|os| system(os.nm, os.v)),
            };
            (key(&node.name, &id), node)
        };
        self.nodes.into_iter().flatten().map(node).collect()
    }
}

/// The answer of `/api/v1/info`: much about the Agent's own node, little about those that stream to it.
#[derive(Deserialize)]
struct Info {
    /// The id of the Agent's own node.
    uid: String,
    version: Option<String>,
    os_name: Option<String>,
    os_version: Option<String>,
    container_os_name: Option<String>,
    container_os_version: Option<String>,
    /// Names; the Agent's own is among them.
    mirrored_hosts: Vec<String>,
    /// In the same order.
    #[serde(default)]
    mirrored_hosts_status: Vec<Mirrored>,
}

#[derive(Deserialize)]
struct Mirrored {
    guid: String,
    reachable: Option<bool>,
}

impl Info {
    fn by_key(self) -> ByKey {
        // In a container that does not see its host's system, the container's own is what there is.
        let os =
            system(self.os_name, self.os_version).or_else(|| system(self.container_os_name, self.container_os_version));
        let version = text(self.version);
        let mut statuses = self.mirrored_hosts_status.into_iter();
        let node = |name: String| {
            let status = statuses.next();
            let own = status.as_ref().is_some_and(|status| status.guid == self.uid);
            // The Agent keeps the past of a node that is gone, which v3 calls stale.
            let state = |reachable| if reachable { State::Live } else { State::Stale };
            let node = Node {
                state: status.as_ref().and_then(|status| status.reachable).map(state),
                version: version.clone().filter(|_| own),
                os: os.clone().filter(|_| own),
                name,
            };
            (key(&node.name, &status.map_or_else(String::new, |status| status.guid)), node)
        };
        self.mirrored_hosts.into_iter().map(node).collect()
    }
}

fn key(name: &str, id: &str) -> String {
    format!("{name} {id}")
}

fn system(name: Option<String>, version: Option<String>) -> Option<String> {
    match (text(name)?, text(version)) {
        (name, Some(version)) => Some(format!("{name} {version}")),
        (name, None) => Some(name),
    }
}

/// Netdata writes the empty string or "unknown" for nothing.
fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty() && text != "unknown")
}
