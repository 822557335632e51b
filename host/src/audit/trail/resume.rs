//! Where somebody stands who follows the trail, as a text: how far the chain of each writer was seen. Of many writers those are
//! named that wrote last; of all others their number is there and how many entries they had together, which is enough to see
//! whether one of them has written since.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

/// Writers that are named. Others have ended long ago as a rule: each command that leaves a row is a writer.
pub(super) const NAMED_MAX: usize = 64;
/// The version of the text.
const VERSION: u8 = 1;
/// Version, number of others, their entries.
const HEAD: usize = 1 + 8 + 8;
/// Writer, number of its newest entry.
const NAMED: usize = 16 + 8;

/// How far each writer's chain was seen. `Last-Event-ID` brings it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeToken {
    /// Writers with the number of the newest entry that was seen, who wrote last in front.
    pub(super) named: Vec<(Uuid, i64)>,
    /// How many others there were.
    pub(super) others: i64,
    /// Their entries.
    pub(super) entries: i64,
}

/// A text that is no resume token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is what the stream says as `id`, unchanged")]
pub struct NoResumeToken;

impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(HEAD + NAMED * self.named.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.others.to_be_bytes());
        bytes.extend_from_slice(&self.entries.to_be_bytes());
        for (writer, seq) in &self.named {
            bytes.extend_from_slice(writer.as_bytes());
            bytes.extend_from_slice(&seq.to_be_bytes());
        }
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for ResumeToken {
    type Err = NoResumeToken;

    fn from_str(text: &str) -> Result<Self, NoResumeToken> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NoResumeToken)?;
        let ([VERSION, counts @ ..], true) = (&bytes[..], bytes.len() >= HEAD) else { return Err(NoResumeToken) };
        let (counts, named) = counts.split_at(HEAD - 1);
        let number = |bytes: &[u8]| {
            let number = bytes.try_into().map(i64::from_be_bytes).ok();
            number.filter(|number| *number >= 0).ok_or(NoResumeToken)
        };
        if !named.len().is_multiple_of(NAMED) || named.len() > NAMED * NAMED_MAX {
            return Err(NoResumeToken);
        }
        let writer = |named: &[u8]| {
            let (writer, seq) = named.split_at(16);
            Ok((Uuid::from_slice(writer).map_err(|_| NoResumeToken)?, number(seq)?))
        };
        let (others, entries) = counts.split_at(8);
        Ok(Self {
            named: named.chunks(NAMED).map(writer).collect::<Result<_, _>>()?,
            others: number(others)?,
            entries: number(entries)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_anything_else_is_none() {
        let named = |count: usize| (1..).map(|n| (Uuid::now_v7(), n)).take(count).collect();
        for count in [0, 1, NAMED_MAX] {
            let token = ResumeToken { named: named(count), others: 3, entries: 9 };
            assert_eq!(token.to_string().parse(), Ok(token));
        }
        let token = ResumeToken { named: named(1), others: 0, entries: 0 };
        let text = token.to_string();
        let many = ResumeToken { named: named(NAMED_MAX + 1), ..token.clone() }.to_string();
        let negative = ResumeToken { entries: -1, ..token.clone() }.to_string();
        let before = ResumeToken { named: vec![(Uuid::nil(), -1)], ..token }.to_string();
        let other = text.replacen("AQ", "Ag", 1);
        for wrong in [
            "",
            "x",
            "AQ",
            "\u{e9}",
            &text[..text.len() - 4],
            &format!("{text}AAAA"),
            &other,
            &many,
            &negative,
            &before,
        ] {
            assert_eq!(wrong.parse::<ResumeToken>(), Err(NoResumeToken), "{wrong}");
        }
    }
}
