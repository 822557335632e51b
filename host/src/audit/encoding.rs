//! The bytes that an entry is sealed over: version 1 of `docs/audit-format.md`.

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::body::Digest;

/// The version that this hub writes.
const VERSION: u8 = 1;
/// What a head is hashed with, so that no entry's encoding can be taken for one.
const HEAD: u8 = 2;

/// The value of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member<'a> {
    Text(&'a str),
    Number(i64),
}

/// What members are written to.
pub(super) trait Sink {
    /// One more member, with a name behind all before it.
    fn add(&mut self, name: &str, member: Member<'_>);
}

/// For people and programs: an object of the same members.
impl Sink for Map<String, Value> {
    fn add(&mut self, name: &str, member: Member<'_>) {
        let value = match member {
            Member::Text(text) => text.into(),
            Member::Number(number) => number.into(),
        };
        self.insert(name.to_owned(), value);
    }
}

/// An encoding in the making. Members are added in ascending order of their names.
#[derive(Debug)]
pub(super) struct Encoding {
    bytes: Vec<u8>,
    #[cfg(debug_assertions)]
    last: String,
}

impl Encoding {
    pub(super) fn new() -> Self {
        let mut bytes = Vec::with_capacity(768);
        bytes.push(VERSION);
        Self {
            bytes,
            #[cfg(debug_assertions)]
            last: String::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash of the entry.
    pub(super) fn leaf(&self) -> Digest {
        sha256(&[&self.bytes])
    }
}

impl Sink for Encoding {
    fn add(&mut self, name: &str, member: Member<'_>) {
        #[cfg(debug_assertions)]
        {
            assert!(*self.last < *name, "{name} after {}", self.last);
            name.clone_into(&mut self.last);
        }
        // Names are the hub's own, and short.
        self.bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        self.bytes.extend_from_slice(name.as_bytes());
        match member {
            Member::Text(text) => {
                self.bytes.push(b's');
                // Columns are cut long before.
                self.bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Member::Number(number) => {
                self.bytes.push(b'i');
                self.bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
}

/// The head after a leaf.
pub(super) fn head(previous: &Digest, leaf: &Digest) -> Digest {
    sha256(&[&[HEAD], previous, leaf])
}

fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = Digest::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// The vectors of `docs/audit-format.md`.
    #[test]
    fn the_bytes_are_those_of_the_published_format() {
        let mut encoding = Encoding::new();
        encoding.add("kind", Member::Text("event"));
        encoding.add("seq", Member::Number(2));
        assert_eq!(HEXLOWER.encode(encoding.bytes()), "01046b696e6473000000056576656e7403736571690000000000000002");
        let leaf = encoding.leaf();
        assert_eq!(HEXLOWER.encode(&leaf), "7890c2f6eaac0fe7a83c1219db79ff40aa7b6573035ce9cea88a02bd545bbd5f");
        assert_eq!(
            HEXLOWER.encode(&head(&Digest::default(), &leaf)),
            "fcc525e31fd460ad89832ce23f255065b29f88ecba5d208d568fa33b6ccb6131"
        );
    }
}
