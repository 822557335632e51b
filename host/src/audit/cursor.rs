//! Where a page of the trail ends, as an opaque text.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use super::entry::Place;

/// The version of the text.
const VERSION: u8 = 1;
/// Version, time, writer, number.
const LENGTH: usize = 1 + 8 + 16 + 8;

/// Behind which event a page begins. Pages go from newer events to older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(super) Place);

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is what an answer says under `next`, unchanged")]
pub struct NoCursor;

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place { writer, seq, recorded_at } = self.0;
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(VERSION);
        bytes.extend_from_slice(&recorded_at.timestamp_millis().to_be_bytes());
        bytes.extend_from_slice(writer.as_bytes());
        bytes.extend_from_slice(&seq.to_be_bytes());
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

impl std::str::FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NoCursor)?;
        let ([VERSION, rest @ ..], LENGTH) = (&bytes[..], bytes.len()) else { return Err(NoCursor) };
        let (recorded_at, rest) = rest.split_at(8);
        let (writer, seq) = rest.split_at(16);
        let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).map_err(|_| NoCursor);
        Ok(Self(Place {
            recorded_at: DateTime::<Utc>::from_timestamp_millis(number(recorded_at)?).ok_or(NoCursor)?,
            writer: Uuid::from_slice(writer).map_err(|_| NoCursor)?,
            seq: Some(number(seq)?).filter(|seq| *seq > 0).ok_or(NoCursor)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_none() {
        let place = Place {
            writer: Uuid::now_v7(),
            seq: 7,
            recorded_at: DateTime::from_timestamp_millis(1_795_000_000_123).expect("a time"),
        };
        let text = Cursor(place).to_string();
        assert_eq!(text.parse(), Ok(Cursor(place)));
        let seq_of_none = Cursor(Place { seq: 0, ..place }).to_string();
        let (cut, longer, other) = (&text[1..], format!("{text}AAAA"), text.replacen("AQ", "Ag", 1));
        for wrong in ["", "x", "'; DROP TABLE", "\u{e9}", cut, &longer, &format!("{text}="), &other, &seq_of_none] {
            assert_eq!(wrong.parse::<Cursor>(), Err(NoCursor), "{wrong}");
        }
    }
}
