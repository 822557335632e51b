//! Sealing apart from storing: a batch of entries, each hashed into its writer's chain, and the head signed.

use chrono::{DateTime, SubsecRound as _, Utc};
use data_encoding::HEXLOWER;
use uuid::Uuid;

use super::{
    body::Digest,
    encoding::{Encoding, Member, Sink as _, head},
    entry::{Entry, Place, Sealed},
    event::MILLIS,
    key::{AuditKey, PublicKey, Signature},
};

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The number of the last entry; 0 before the first.
    pub(super) seq: i64,
    pub(super) hash: Digest,
}

impl Head {
    /// Before the first entry.
    pub(super) const NONE: Self = Self { seq: 0, hash: [0; 32] };

    /// The head after one more entry.
    pub(super) fn after(&self, encoding: &Encoding) -> Self {
        Self { seq: self.seq + 1, hash: head(&self.hash, &encoding.leaf()) }
    }
}

/// Entries that are committed together.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) writer: Uuid,
    /// Where the chain stood before.
    pub(super) previous: Head,
    /// At least one.
    pub(super) entries: Vec<Sealed<&'a Entry>>,
    /// Where it stands after the last of them.
    pub(super) head: Head,
    pub(super) signature: Signature,
}

/// Seals entries that follow `previous`, which was recorded at `last`.
pub(super) fn seal<'a>(
    key: &AuditKey,
    writer: Uuid,
    previous: Head,
    last: DateTime<Utc>,
    entries: impl Iterator<Item = &'a Entry>,
) -> Batch<'a> {
    // A clock that is set back does not set the trail back.
    let recorded_at = Utc::now().trunc_subsecs(MILLIS).max(last);
    let mut at = previous;
    let sealed = entries.map(|entry| {
        let place = Place { writer, seq: at.seq + 1, recorded_at };
        at = at.after(&entry.encoding(&place));
        Sealed { place, entry }
    });
    let entries: Vec<_> = sealed.collect();
    let signature = key.sign(signed(writer, &previous, &at).bytes());
    Batch { writer, previous, entries, head: at, signature }
}

/// Whether this batch was signed with the key: everything between the two heads.
pub(super) fn is_signed(key: &PublicKey, writer: Uuid, previous: &Head, head: &Head, signature: &[u8]) -> bool {
    key.has_signed(signed(writer, previous, head).bytes(), signature)
}

/// What the signature of a batch covers.
fn signed(writer: Uuid, previous: &Head, head: &Head) -> Encoding {
    let mut members = Encoding::new();
    members.add("first", Member::Number(previous.seq + 1));
    members.add("head", Member::Text(&HEXLOWER.encode(&head.hash)));
    members.add("kind", Member::Text("batch"));
    members.add("seq", Member::Number(head.seq));
    members.add("writer", Member::Text(writer.hyphenated().encode_lower(&mut Uuid::encode_buffer())));
    members
}

#[cfg(test)]
mod tests {
    use super::{
        super::event::{Event, Outcome},
        *,
    };

    #[test]
    fn a_batch_verifies_and_one_with_anything_else_in_it_does_not() {
        let data = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&data).expect("a folder");
        let (key, writer) = (AuditKey::open(&data).expect("a key"), Uuid::now_v7());
        let entries = [
            Entry::Event(Box::new(Event::sample(Outcome::Ok))),
            Entry::Event(Box::new(Event::sample(Outcome::Failed))),
        ];
        let future = Utc::now().trunc_subsecs(MILLIS) + chrono::TimeDelta::hours(1);
        let batch = seal(&key, writer, Head::NONE, future, entries.iter());
        assert!(batch.entries.iter().all(|sealed| sealed.place.recorded_at == future), "time goes on or stands");
        assert_eq!(batch.head.seq, 2);
        let other = Head { hash: [1; 32], ..batch.head };
        let verifies =
            |previous: &Head, head: &Head| is_signed(&key.public(), writer, previous, head, &batch.signature);
        assert!(verifies(&Head::NONE, &batch.head));
        assert!(!verifies(&Head::NONE, &other) && !verifies(&Head { seq: 1, ..Head::NONE }, &batch.head));
        assert!(!is_signed(&key.public(), Uuid::now_v7(), &Head::NONE, &batch.head, &batch.signature));
        assert_eq!(AuditKey::open(&data).expect("a key").public(), key.public(), "the key stays");
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        std::fs::remove_dir_all(&data).expect("removed");
    }
}
