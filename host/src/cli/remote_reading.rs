//! `bulkhead audit list`, `show`, `export`, `usage` and `tail` against a running hub: what its REST routes tell whoever has the token.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use super::{
    filters::{ExportOptions, ListOptions, ShowOptions, TailOptions, UsageOptions},
    remote::{Ended, RemoteHub},
    table,
};
use crate::{audit::Summary, text::plain};

/// How soon a stream that broke off is opened again.
const COME_BACK: Duration = Duration::from_secs(2);
/// The longest line of a stream that is taken, in bytes.
const LINE_MAX: usize = 16 * 1024 * 1024;

pub(super) fn list(hub: &RemoteHub, list: &ListOptions) -> anyhow::Result<ExitCode> {
    let mut query = list.filter.parameters()?;
    query.push(("limit".to_owned(), list.limit.to_string()));
    query.push(("total".to_owned(), list.total.to_string()));
    query.extend(list.cursor.map(|cursor| ("cursor".to_owned(), cursor.to_string())));
    let page = hub.get("/audit/events", &query)?;
    let events =
        page["events"].as_array().context("the hub's answer is no page of events: is --hub the URL of a hub?")?;
    let events: Vec<_> = events.iter().filter_map(Value::as_object).cloned().collect();
    table::events(&events, list.json)?;
    match (&page["total"], &page["total_is_exact"]) {
        (Value::Number(total), Value::Bool(false)) => eprintln!("more than {total} in all"),
        (Value::Number(total), _) => eprintln!("{total} in all"),
        _ => {}
    }
    if let Some(next) = page["next"].as_str() {
        eprintln!("there are more: --cursor {}", plain::text(next, 200));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show(hub: &RemoteHub, show: &ShowOptions) -> anyhow::Result<ExitCode> {
    table::call(&hub.get(&format!("/audit/events/{}", show.id), &[])?, show.json)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn export(hub: &RemoteHub, asked: &ExportOptions) -> anyhow::Result<ExitCode> {
    let mut query = asked.filter.parameters()?;
    query.push(("format".to_owned(), asked.format.to_string()));
    let mut out = io::stdout().lock();
    let ended = hub.read("/audit/export", &query, &[], |chunk| Ok(out.write_all(chunk)?))?;
    out.flush()?;
    match ended {
        Ended::Whole => Ok(ExitCode::SUCCESS),
        Ended::Early(why) => bail!("the export broke off, what was written is not whole: {why}"),
    }
}

pub(super) fn usage(hub: &RemoteHub, asked: &UsageOptions) -> anyhow::Result<Summary> {
    let answer = hub.get("/audit/usage", &asked.parameters()?)?;
    let (Some(sums), Some(is_whole)) = (answer["usage"].as_array(), answer["is_whole"].as_bool()) else {
        bail!("the hub's answer is no usage: is --hub the URL of a hub?")
    };
    Ok(Summary { sums: sums.iter().filter_map(Value::as_object).cloned().collect(), is_whole })
}

/// Goes on until it is ended.
pub(super) fn tail(hub: &RemoteHub, tail: &TailOptions) -> anyhow::Result<ExitCode> {
    let query = tail.filter.parameters()?;
    let mut reader = EventReader::default();
    loop {
        let last_id = reader.last_id.clone();
        let from: Vec<_> = last_id.iter().map(|id| ("last-event-id", id.as_str())).collect();
        let ended = hub.read("/audit/stream", &query, &from, |chunk| {
            let events = reader.take(chunk)?;
            Ok(table::lines(&events, tail.json)?)
        })?;
        reader.unread.clear();
        if let (Ended::Early(why), None) = (&ended, &reader.last_id) {
            bail!("{why}");
        }
        // Where it stood is where it goes on.
        thread::sleep(COME_BACK);
    }
}

/// Reads Server-Sent Events (WHATWG HTML §9.2.6).
#[derive(Debug, Default)]
struct EventReader {
    unread: Vec<u8>,
    last_id: Option<String>,
    name: String,
    data: String,
}

impl EventReader {
    /// Takes what has come, and gives the events of the trail in it.
    fn take(&mut self, chunk: &[u8]) -> anyhow::Result<Vec<Map<String, Value>>> {
        self.unread.extend_from_slice(chunk);
        if self.unread.len() > LINE_MAX {
            bail!("a line of the stream is longer than {LINE_MAX} bytes: is --hub the URL of a hub?");
        }
        let mut events = Vec::new();
        while let Some(end) = memchr::memchr(b'\n', &self.unread) {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\r', '\n']))?);
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> anyhow::Result<Option<Map<String, Value>>> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                return Self::dispatched(&name, &data);
            }
            "id" => self.last_id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push_str(value),
            _ => {}
        }
        Ok(None)
    }

    fn dispatched(name: &str, data: &str) -> anyhow::Result<Option<Map<String, Value>>> {
        if data.is_empty() {
            return Ok(None);
        }
        let data: Map<String, Value> = serde_json::from_str(data).context("the hub's stream is none of a trail")?;
        match name {
            "" | "message" => return Ok(Some(data)),
            "dropped" => {
                let entries = data.get("entries").and_then(Value::as_i64).unwrap_or_default();
                eprintln!("{entries} entries were passed over: `bulkhead audit list` shows them");
            }
            // It is opened again, and refused then if the token is over.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_however_it_is_cut() {
        let text = "retry: 2000\n: here\nid: a\n\nid: b\ndata: {\"n\":1}\n\nevent: end\r\ndata: {\"reason\":\"renew\"}\r\n\r\nid:c\ndata:{\"n\":2}\n\n";
        for size in 1..text.len() {
            let mut reader = EventReader::default();
            let mut seen = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                seen.extend(reader.take(chunk).expect("read").into_iter().map(|event| event["n"].clone()));
            }
            assert_eq!((seen, reader.last_id.as_deref()), (vec![1.into(), 2.into()], Some("c")), "{size}");
        }
        assert!(EventReader::default().take(b"data: <html>\n\n").is_err());
    }
}
