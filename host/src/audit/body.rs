//! Input and output of an operation, as they are kept.

use std::borrow::Cow;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{json, names::Kept, text::plain};

/// How much of a long document the preview shows, in characters.
const PREVIEW: usize = 2048;

/// SHA-256.
pub(super) type Digest = [u8; 32];

/// A document of an operation. What the trail is sealed over is its digest, so the text can be removed later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    digest: Digest,
    text: Text,
}

/// What there is of a body beside its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    /// All of it.
    Kept(Content),
    /// The config wants no more than the digest.
    NotKept,
    /// It was removed.
    Removed,
}

/// What is removed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// JSON, in which what cannot be seen is escaped.
    pub(super) text: String,
    /// What makes a short text impossible to guess from its digest.
    pub(super) salt: [u8; 16],
}

impl Body {
    /// As much of a document that the hub has written as is to be kept, within the cap (see [`excerpt`]).
    #[must_use]
    pub fn of(written: String, kept: Kept) -> Option<Self> {
        if kept == Kept::None {
            return None;
        }
        // Random bits of this thread's own generator, without a system call.
        let salt = Uuid::new_v4().into_bytes();
        let canonical = json::canonical(written);
        let digest = digest_of(&salt, &canonical);
        let is_full = kept == Kept::Full;
        let text = if is_full { Text::Kept(Content { text: plain::json(canonical), salt }) } else { Text::NotKept };
        Some(Self { digest, text })
    }

    /// As it was read back from a store that keeps texts as they are. One that the hub would have written otherwise is not its
    /// own; an error tells what is wrong.
    pub(super) fn read_as_written(text: String, salt: [u8; 16]) -> Result<Self, String> {
        let canonical = json::canonical_of_any(&text).map_err(|error| format!("is not JSON: {error}"))?;
        let digest = digest_of(&salt, &canonical);
        if plain::json(canonical) != text {
            return Err("is not written as the hub writes it".to_owned());
        }
        Ok(Self { digest, text: Text::Kept(Content { text, salt }) })
    }

    /// As it was read back from a store that keeps documents and not texts: spacing and order are the store's.
    pub(super) fn read(document: &str, salt: [u8; 16]) -> Result<Self, String> {
        let canonical = json::canonical_of_any(document).map_err(|error| format!("is not JSON: {error}"))?;
        let digest = digest_of(&salt, &canonical);
        Ok(Self { digest, text: Text::Kept(Content { text: plain::json(canonical), salt }) })
    }

    /// One of which only the digest is there, by the config's will or because the rest was removed.
    pub(super) fn of_digest(digest: Digest, by_config: bool) -> Self {
        Self { digest, text: if by_config { Text::NotKept } else { Text::Removed } }
    }

    /// What the trail is sealed over.
    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What there is beside it.
    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    /// How much of it was to be kept, as it is sealed: nothing is said of what is kept whole.
    pub(super) fn kept(&self) -> Option<Kept> {
        (self.text == Text::NotKept).then_some(Kept::Digest)
    }
}

fn digest_of(salt: &[u8; 16], canonical: &str) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(salt);
    context.update(canonical.as_bytes());
    let mut digest = Digest::default();
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// A document for the record: itself if it has so many bytes at most, otherwise `{"bytes","preview","sha256","truncated"}`.
#[must_use]
pub fn excerpt<'a>(document: impl Into<Cow<'a, str>>, max_bytes: usize) -> String {
    let document = document.into();
    if document.len() <= max_bytes {
        return document.into_owned();
    }
    let digest = digest::digest(&digest::SHA256, document.as_bytes());
    let short: Value = json!({
        "truncated": true,
        "bytes": document.len(),
        "sha256": HEXLOWER.encode(digest.as_ref()),
        "preview": document.chars().take(PREVIEW).collect::<String>(),
    });
    short.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_back_as_it_was_written_and_in_no_other_way() {
        let document = "{\"a\":1.50,\"b\":\"x\u{202e}\"}".to_owned();
        let body = Body::of(document.clone(), Kept::Full).expect("kept");
        let Text::Kept(Content { text, salt }) = body.text().clone() else { panic!("{body:?}") };
        assert_eq!(text, r#"{"a":1.5,"b":"x\u202e"}"#);
        let digest_only = Body::of(document.clone(), Kept::Digest).expect("kept");
        assert_eq!((digest_only.text(), digest_only.kept()), (&Text::NotKept, Some(Kept::Digest)));
        assert_ne!(digest_only.digest(), body.digest(), "the salt is another");
        assert_eq!(Body::of(document, Kept::None), None);
        let digest = *body.digest();
        assert_eq!(Body::read_as_written(text.clone(), salt), Ok(body));
        let stored = r#"{"b": "x\u202e", "a": 1.50}"#;
        assert_eq!(Body::read(stored, salt), Body::read_as_written(text.clone(), salt), "what keeps documents");
        for other in
            [text.replace("202e", "202E"), text.replace(',', ", "), text.replace("1.5", "1.50"), "{".to_owned()]
        {
            assert!(Body::read_as_written(other, salt).is_err(), "the same JSON, but not its own, or none");
        }
        assert_ne!(Body::read_as_written(text.replace("1.5", "2.5"), salt).map(|body| *body.digest()), Ok(digest));
    }

    #[test]
    fn long_documents_keep_a_digest_and_a_preview() {
        assert_eq!(excerpt("{}".to_owned(), 4096), "{}");
        let long = format!("\"{}\"", "x".repeat(4096));
        assert_eq!(excerpt(long.clone(), 4098), long);
        let short: Value = serde_json::from_str(&excerpt(long.clone(), 4097)).expect("JSON");
        assert_eq!(short["bytes"], long.len());
        assert_eq!(short["preview"].as_str().map(str::len), Some(PREVIEW));
        assert_eq!(short["sha256"].as_str().map(str::len), Some(64));
    }
}
