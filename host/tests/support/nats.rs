//! A real NATS server with JetStream for one test: on 127.0.0.1, with a folder of its own, gone when dropped.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
};

use async_nats::{
    ConnectOptions,
    jetstream::{self, consumer::pull},
};
use futures::StreamExt as _;
use serde_json::Value;

use super::{
    hub::{Folder, eventually},
    tools::test_tool,
};

pub const USER: &str = "hub";
// token-rule: sample, a server of the test's own
pub const PASSWORD: &str = "not-a-secret-of-anybody";
pub const STREAM: &str = "EVENTS";

/// A running server.
pub struct Nats {
    folder: Folder,
    port: u16,
    server: Option<Child>,
}

/// A message as the stream has it.
#[derive(Debug)]
pub struct Stored {
    pub subject: String,
    pub message_id: String,
    pub event: Value,
}

impl Nats {
    pub async fn start() -> Self {
        let mut nats = Self::stopped();
        nats.run().await;
        nats
    }

    /// One that does not run yet, but has a port.
    pub fn stopped() -> Self {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
        Self { folder: Folder::new(), port, server: None }
    }

    /// Starts the server again where it was.
    pub async fn run(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        let mut command = Command::new(test_tool("nats", "bin/nats-server"));
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "--user", USER, "--pass", PASSWORD]);
        command.arg("-sd").arg(self.folder.path().join("store"));
        self.server = Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("the server starts"));
        eventually("the server answers", async || self.connected().await).await;
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// The section of the config that has a hub deliver here.
    pub fn config(&self) -> String {
        format!(
            "events:\n  to: {{ nats: {{ server: 'nats://127.0.0.1:{}', stream: {STREAM}, user: {USER}, secret: nats_password }} }}\n",
            self.port
        )
    }

    async fn connected(&self) -> Option<jetstream::Context> {
        let options = ConnectOptions::new().user_and_password(USER.to_owned(), PASSWORD.to_owned());
        let client = options.max_reconnects(1).connect(format!("127.0.0.1:{}", self.port)).await.ok()?;
        Some(jetstream::new(client))
    }

    /// What the stream has, once that is as much as this.
    pub async fn stored(&self, count: u64) -> Vec<Stored> {
        eventually(&format!("{count} events are stored"), async || {
            let stream = self.connected().await?.get_stream(STREAM).await.ok()?;
            let last = stream.get_info().await.ok()?.state.last_sequence;
            if last < count {
                return None;
            }
            let mut stored = Vec::new();
            for sequence in 1..=last {
                let message = stream.get_raw_message(sequence).await.ok()?;
                stored.push(Stored {
                    subject: message.subject.to_string(),
                    message_id: message.headers.get("Nats-Msg-Id").map(ToString::to_string).unwrap_or_default(),
                    event: serde_json::from_slice(&message.payload).expect("JSON"),
                });
            }
            Some(stored)
        })
        .await
    }

    /// What a durable consumer of that name gets next, acknowledged.
    pub async fn consume(&self, durable: &str, count: usize) -> Vec<Value> {
        let context = self.connected().await.expect("a connection");
        let config = pull::Config { durable_name: Some(durable.to_owned()), ..pull::Config::default() };
        let stream = context.get_stream(STREAM).await.expect("a stream");
        let consumer = stream.get_or_create_consumer(durable, config).await.expect("a consumer");
        let mut messages = consumer.fetch().max_messages(count).messages().await.expect("messages");
        let mut consumed = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.expect("a message");
            consumed.push(serde_json::from_slice(&message.payload).expect("JSON"));
            message.double_ack().await.expect("acknowledged");
        }
        consumed
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
