//! How a line of the log is written: whatever was given to it is one line, bounded, and forges no other.
//!
//! This is where text and JSON are made, for the hub's own lines and those of every library: nothing that is logged has to
//! be made harmless before.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

use crate::text::plain;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

/// The longest value of a field that is written, in characters.
const VALUE_MAX: usize = 4096;
/// The same for what a provider emits as an event, for which the log is the only place: as much as one may have.
const EVENT_MAX: usize = 64 * 1024;
/// The target of lines that are events.
const EVENTS: &str = "event";
/// The name of the field that is the line's own text.
const MESSAGE: &str = "message";

/// Writes lines. Spans are not shown: the hub has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines(pub(super) LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let max = if event.metadata().target() == EVENTS { EVENT_MAX } else { VALUE_MAX };
        let mut seen = Seen { max, message: String::new(), fields: Vec::new() };
        event.record(&mut seen);
        let mut time = String::new();
        // Without a clock a line has no time, but is written.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        match self.0 {
            LogFormat::Json => writeln!(writer, "{}", seen.json(&time, level, target)),
            LogFormat::Text => {
                let level = if writer.has_ansi_escapes() { coloured(level) } else { format!("{level:>5}") };
                writeln!(writer, "{time} {level} {target}: {}", seen.text())
            }
        }
    }
}

fn coloured(level: Level) -> String {
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    format!("\x1b[{colour}m{level:>5}\x1b[0m")
}

/// What a line was given.
#[derive(Debug)]
struct Seen {
    /// The longest value, in characters.
    max: usize,
    message: String,
    fields: Vec<(&'static str, Given)>,
}

#[derive(Debug)]
enum Given {
    /// A number or a truth value.
    Value(Value),
    /// A text, which is written in quotes.
    Text(String),
    /// What something says of itself.
    Said(String),
}

impl Seen {
    fn put(&mut self, field: &Field, given: Given) {
        match given {
            Given::Text(text) | Given::Said(text) if field.name() == MESSAGE => self.message = text,
            given => self.fields.push((field.name(), given)),
        }
    }

    fn text(&self) -> String {
        let mut line = self.message.clone();
        for (name, given) in &self.fields {
            let space = if line.is_empty() { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = match given {
                Given::Value(value) => write!(line, "{space}{name}={value}"),
                // One that could be taken for more fields stands in quotes.
                Given::Said(said) if !said.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=')) => {
                    write!(line, "{space}{name}={said}")
                }
                Given::Text(text) | Given::Said(text) => {
                    write!(line, "{space}{name}=\"{}\"", text.replace('"', "\\\""))
                }
            };
        }
        line
    }

    fn json(self, time: &str, level: Level, target: &str) -> Value {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), time.into());
        line.insert("level".to_owned(), level.as_str().into());
        line.insert(MESSAGE.to_owned(), self.message.into());
        for (name, given) in self.fields {
            let value = match given {
                Given::Value(value) => value,
                Given::Text(text) | Given::Said(text) => text.into(),
            };
            line.insert(name.to_owned(), value);
        }
        line.insert("target".to_owned(), target.into());
        Value::Object(line)
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut said = Bounded { text: String::new(), room: 4 * self.max };
        // It stops when there is enough.
        let _ = write!(said, "{value:?}");
        self.put(field, Given::Said(plain::text(&said.text, self.max)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Given::Text(plain::text(value, self.max)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Given::Value(value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Given::Value(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Given::Value(value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Given::Value(value.into()));
    }
}

/// A text that takes no more than can be shown of it: what is logged may be a message of megabytes.
struct Bounded {
    text: String,
    /// In bytes.
    room: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let fits = part.floor_char_boundary(self.room);
        self.text.push_str(&part[..fits]);
        self.room -= fits;
        if fits < part.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt as layer, prelude::*};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, write: impl FnOnce()) -> String {
        let log = Log::default();
        let to = log.clone();
        let layer = layer::layer().event_format(Lines(format)).with_ansi(false).with_writer(move || to.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), write);
        let bytes = log.0.lock().expect("a lock").clone();
        String::from_utf8(bytes).expect("text")
    }

    const EVIL: &str =
        "1\n2026-11-21T00:00:00.000000Z  INFO bulkhead: call outcome=\"ok\"\r\u{1b}[2J\u{85}\u{2028}\u{202e}x";

    fn every_way() {
        let id = uuid::Uuid::nil();
        tracing::warn!(id = %EVIL, error = ?EVIL, text = EVIL, "said {EVIL}");
        tracing::warn!("{EVIL}");
        tracing::info!(%id, number = 7, yes = true, none = None::<&str>, name = "a name", "call");
    }

    #[test]
    fn whatever_is_logged_is_one_line_and_all_of_it_can_be_seen() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(format, every_way);
            assert_eq!(log.lines().count(), 3, "{log}");
            assert!(!log.replace('\n', "").contains(plain::is_hidden), "{log:?}");
        }
        let log = logged(LogFormat::Text, every_way);
        assert!(!log.contains("outcome=\"ok\" ") && !log.contains("id=1\\n2026-11-21T00:00:00.000000Z  "), "{log}");
        assert!(log.contains(r#"INFO bulkhead::telemetry::line::tests: call id=00000000-0000-0000-0000-000000000000 number=7 yes=true name="a name""#), "{log}");
    }

    #[test]
    fn a_line_of_json_is_one_object() {
        for line in logged(LogFormat::Json, every_way).lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert!(line["timestamp"].is_string() && line["target"] == "bulkhead::telemetry::line::tests", "{line}");
        }
        let log = logged(LogFormat::Json, || tracing::info!(number = 7, outcome = "ok", "call"));
        let line: Value = serde_json::from_str(&log).expect("JSON");
        assert_eq!((&line["message"], &line["number"], &line["outcome"]), (&"call".into(), &7.into(), &"ok".into()));
    }

    #[test]
    fn a_value_of_megabytes_is_cut() {
        let long = "x".repeat(8_000_000);
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(format, || tracing::info!(debug = ?Some(&long), display = %long, text = long, "{long}"));
            assert!(log.len() < 5 * VALUE_MAX, "{}", log.len());
        }
    }
}
