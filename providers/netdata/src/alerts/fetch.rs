//! Asking each kind of source for alerts.

use std::collections::BTreeMap;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Number;
use bulkhead_sdk::time::rfc3339;

use super::alert::{Alert, Filter, Status};
use crate::agent::{Agent, send_v3};
use crate::cloud::Cloud;
use crate::names::word;

/// The newest API that the Agent has.
pub(super) fn agent(agent: &Agent<'_>, filter: Filter) -> Result<Vec<Alert>, CallError> {
    let mut request = agent.get("/api/v3/alerts").query_list("options", &["summary", "instances", "values", "minify"]);
    let words: Vec<_> = filter.statuses().iter().map(|status| word(*status)).collect();
    if !words.is_empty() {
        request = request.query_list("status", &words);
    }
    if let Some(answer) = send_v3(request)? {
        return Ok(answer.json::<Instances>()?.into_alerts());
    }
    let raised_only = filter.statuses().iter().all(|s| matches!(s, Status::Critical | Status::Warning));
    let request = agent.get("/api/v1/alarms");
    let request = if raised_only && filter != Filter::All { request } else { request.query("all", "true") };
    Ok(request.send()?.json::<Alarms>()?.into_alerts())
}

/// How many Cloud may return: more than any caller gets, so that the most severe are among them.
const CLOUD_LIMIT: u32 = 2_000;

/// A room in Netdata Cloud.
pub(super) fn cloud(cloud: &Cloud<'_>, filter: Filter) -> Result<Vec<Alert>, CallError> {
    let statuses: Vec<_> = filter.statuses().iter().map(|status| word(*status).to_uppercase()).collect();
    let mut body = json!({ "options": ["instances", "values", "summary"], "limit": CLOUD_LIMIT, "offset": 0 });
    if !statuses.is_empty() {
        body["status"] = json!(statuses);
    }
    Ok(cloud.post("v2", "alerts", &body).send()?.json::<Instances>()?.into_alerts())
}

/// The answer of `/api/v1/alarms`.
#[derive(Deserialize)]
struct Alarms {
    hostname: Option<String>,
    alarms: BTreeMap<String, Alarm>,
}

#[derive(Deserialize)]
struct Alarm {
    name: String,
    status: String,
    value: Option<Number>,
    units: Option<String>,
    chart: Option<String>,
    info: Option<String>,
    last_status_change: Option<i64>,
    warn: Option<String>,
    crit: Option<String>,
}

impl Alarms {
    fn into_alerts(self) -> Vec<Alert> {
        let hostname = self.hostname;
        let alert = |alarm: Alarm| Alert {
            name: alarm.name,
            status: Status::of(&alarm.status),
            value: alarm.value,
            units: text(alarm.units),
            chart: text(alarm.chart),
            context: None,
            node: hostname.clone(),
            info: text(alarm.info),
            since: since(alarm.last_status_change),
            warning_when: text(alarm.warn),
            critical_when: text(alarm.crit),
        };
        self.alarms.into_values().map(alert).collect()
    }
}

/// The answer of v3 and Cloud, whose names are short on purpose.
#[derive(Deserialize)]
struct Instances {
    #[serde(default)]
    alert_instances: Vec<Instance>,
    #[serde(default)]
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    ni: Option<u64>,
    nm: Option<String>,
}

#[derive(Deserialize)]
struct Instance {
    /// Index of the node.
    ni: Option<u64>,
    /// Name.
    nm: String,
    /// Status; without the option `instances` there is none.
    st: Option<String>,
    /// Value now.
    v: Option<Number>,
    units: Option<String>,
    /// Chart.
    ch: Option<String>,
    /// Context.
    ctx: Option<String>,
    /// Summary, then details.
    sum: Option<String>,
    info: Option<String>,
    /// Time of the last transition, in seconds.
    tr_t: Option<i64>,
}

impl Instances {
    fn into_alerts(self) -> Vec<Alert> {
        let nodes = self.nodes;
        let node = |index: Option<u64>| {
            let found = nodes.iter().find(|node| index.is_some() && node.ni == index);
            found.and_then(|node| node.nm.clone())
        };
        let alert = |instance: Instance| Alert {
            name: instance.nm,
            status: instance.st.as_deref().map_or(Status::Undefined, Status::of),
            value: instance.v,
            units: text(instance.units),
            chart: text(instance.ch),
            context: text(instance.ctx),
            node: node(instance.ni),
            info: text(instance.info).or_else(|| text(instance.sum)),
            since: since(instance.tr_t),
            warning_when: None,
            critical_when: None,
        };
        self.alert_instances.into_iter().map(alert).collect()
    }
}

fn since(seconds: Option<i64>) -> Option<String> {
    let seconds = u64::try_from(seconds?).ok().filter(|seconds| *seconds > 0)?;
    Some(rfc3339(seconds.saturating_mul(1000)))
}

/// Netdata escapes HTML inside its JSON, and writes the empty string for nothing.
fn text(escaped: Option<String>) -> Option<String> {
    let plain = unescape(&escaped?);
    (!plain.is_empty()).then_some(plain)
}

/// `&amp;` comes last, so that an escaped escape is undone once only.
fn unescape(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2F;", "/"),
        ("&amp;", "&"),
    ];
    named.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn html_is_undone_once() {
        assert_eq!(unescape("$this &gt; 0 &amp;&amp; $a &lt; 1"), "$this > 0 && $a < 1");
        assert_eq!(unescape("&amp;lt;"), "&lt;");
    }
}
