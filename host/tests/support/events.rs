//! A client of Server-Sent Events, which reads them as browsers do (WHATWG HTML §9.2.6).

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::hub::Hub;

/// How long an event may take.
const SOON: Duration = Duration::from_secs(20);

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sse {
    /// `message` unless the server says otherwise.
    pub name: String,
    pub data: Value,
}

/// A stream.
pub struct EventSource {
    response: reqwest::Response,
    unread: String,
    /// What the server said last as `id`.
    pub last_id: String,
}

impl EventSource {
    /// Opens a stream, from where another one ended if that is given.
    pub async fn open(hub: &Hub, query: &str, token: &str, last_id: Option<&str>) -> Self {
        let mut opened = Self::answered(hub, query, token, last_id).await;
        assert_eq!(opened.status(), 200, "{:?}", opened.text().await);
        // The first lines tell where one stands: from then on nothing is missed.
        let first = opened.chunk().await.expect("a chunk").expect("a chunk");
        let mut source = Self { response: opened, unread: String::new(), last_id: String::new() };
        source.unread.push_str(std::str::from_utf8(&first).expect("text"));
        source.take_blocks_without_data();
        assert_ne!(source.last_id, "");
        source
    }

    /// The answer, whatever it is.
    pub async fn answered(hub: &Hub, query: &str, token: &str, last_id: Option<&str>) -> reqwest::Response {
        let mut request = hub.client().get(format!("{}/audit/stream?{query}", hub.url)).bearer_auth(token);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        request.send().await.expect("an answer")
    }

    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Sse> {
        loop {
            if let Some(event) = self.take() {
                return Some(event);
            }
            let chunk = timeout(SOON, self.response.chunk()).await.expect("an event in time").expect("a chunk")?;
            self.unread.push_str(std::str::from_utf8(&chunk).expect("whole characters"));
        }
    }

    /// The next so many events of the trail, by what `member` says of each.
    pub async fn members(&mut self, member: &str, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        while found.len() < count {
            let event = self.next().await.expect("an event");
            assert_eq!(event.name, "message", "{event:?}");
            found.push(event.data[member].as_str().unwrap_or_default().to_owned());
        }
        found
    }

    /// Whether nothing but signs of life comes for a while.
    pub async fn is_quiet(&mut self, wait: Duration) -> bool {
        timeout(wait, self.next()).await.is_err()
    }

    fn take_blocks_without_data(&mut self) {
        assert_eq!(self.take(), None);
    }

    /// Takes whole blocks off what was read, up to one that has data.
    fn take(&mut self) -> Option<Sse> {
        while let Some(end) = self.unread.find("\n\n") {
            let block: String = self.unread.drain(..end + 2).collect();
            let (mut name, mut data) = ("message".to_owned(), None::<String>);
            for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "id" => self.last_id = value.to_owned(),
                    "event" => name = value.to_owned(),
                    "data" => data = Some(data.map_or_else(|| value.to_owned(), |before| format!("{before}\n{value}"))),
                    "retry" => assert!(value.parse::<u32>().is_ok(), "{value}"),
                    other => panic!("there is no field `{other}`: {block}"),
                }
            }
            if let Some(data) = data {
                return Some(Sse { name, data: serde_json::from_str(&data).expect("JSON") });
            }
        }
        None
    }
}
