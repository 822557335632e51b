//! The trail when things go wrong: a database that is held, full, moved or changed, hubs that crash, folders that vanish.
//! No operation goes without a row.

mod files;
pub(super) mod kills;
mod outages;
mod starts;

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read as _},
    process::{Child, Stdio},
    time::Duration,
};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{
    hub::{Hub, Reply, eventually},
    testbed::Testbed,
    upstream::Upstream,
};

/// The database for somebody else than the hub.
fn tamper(hub: &Hub) -> Connection {
    let connection = Connection::open(hub.data().join("ops.db")).expect("a database");
    connection.busy_timeout(Duration::from_secs(5)).expect("set");
    connection
}

/// A testbed that may reach the upstream.
fn reaching(upstream: &Upstream) -> String {
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    Testbed { with: &[&hosts], timeout_ms: 30_000, ..Testbed::default() }.yaml()
}

fn verified(hub: &Hub) -> String {
    let output = hub.program().args(["audit", "verify"]).output().expect("it runs");
    let report = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    report
}

/// That nothing was recorded, nothing told, and when to come again.
fn assert_not_recorded(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("not_recorded")), "{reply:?}");
    assert!(reply.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{reply:?}");
}

/// Calls a tool until that works, and gives the answer.
async fn recovered(hub: &Hub, token: &str) -> Reply {
    let works =
        async || Some(hub.call(token, "testbed/calls.count", &json!({})).await).filter(|reply| reply.status == 200);
    eventually("the hub recovers", works).await
}

/// The rows of an id.
fn rows_of(hub: &Hub, id: &str) -> Vec<Value> {
    hub.events().into_iter().filter(|event| event["id"] == id).collect()
}

/// Another hub with the same data folder.
struct Second {
    child: Child,
    url: String,
}

impl Second {
    /// Starts it; it may be that it does not come to listening.
    fn spawn(hub: &Hub) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(hub.folder().join("second.log")).expect("a log");
        let mut command = hub.program();
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it starts")
    }

    /// Waits until it listens.
    fn listening(mut child: Child, hub: &Hub) -> Self {
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        let (mut line, mut ready) = (String::new(), String::new());
        said.read_line(&mut line).expect("a line");
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            let mut log = String::new();
            File::open(hub.folder().join("second.log")).expect("a log").read_to_string(&mut log).expect("text");
            panic!("it did not start: {log}");
        };
        // Its providers have loaded.
        said.read_line(&mut ready).expect("a line");
        Self { child, url: url.to_owned() }
    }

    fn start(hub: &Hub) -> Self {
        Self::listening(Self::spawn(hub), hub)
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
