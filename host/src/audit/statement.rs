//! What the hub states of the trail itself, as entries of the same chains.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::Error as _};
use uuid::Uuid;

use super::{body::Digest, certificate::Certificate};
use crate::names::StatementKind;

/// The version of the format that chains are written in (`docs/audit-format.md`).
pub(super) const FORMAT: u32 = 1;

/// A statement as it is stored: its body is canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    kind: StatementKind,
    body: String,
}

/// Where another chain stands. Whoever removes that chain, or cuts it, has to answer this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Tie {
    #[serde(with = "hex")]
    pub(super) head: Digest,
    pub(super) seq: i64,
    pub(super) writer: Uuid,
}

/// The body of a `start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    /// Of the keys before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) certificates: Vec<Certificate>,
    pub(super) format: u32,
    /// The program's version.
    pub(super) hub: String,
    /// The public key that signs this chain.
    pub(super) key: String,
    pub(super) ties: Vec<Tie>,
}

/// The body of a `checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) ties: Vec<Tie>,
}

/// The body of an `archive`: these rows are in that file and need not be in the database any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Archived {
    pub(super) chains: Vec<Moved>,
    /// Its name in the folder of archives.
    pub(super) file: String,
    /// Of the file as it is packed.
    #[serde(with = "hex")]
    pub(super) sha256: Digest,
}

/// What of a chain an archive holds: events and their intents. Statements and signatures stay, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved {
    /// How many entries.
    pub(super) entries: i64,
    /// The first of them, by its number in the chain.
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) writer: Uuid,
}

/// The body of a `purge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Purge {
    pub(super) bodies: Vec<PurgedBody>,
}

/// The body of a `restore`: what was recorded between that time and this statement need not be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restore {
    /// When the backup was made, as RFC 3339.
    pub(super) backed_up_at: String,
}

/// A body that is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct PurgedBody {
    pub(super) body: Side,
    /// Of which entry of which chain.
    pub(super) seq: i64,
    pub(super) writer: Uuid,
}

/// Which of an operation's bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    /// The input.
    Payload,
    /// The output.
    Result,
}

impl Side {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Result => "result",
        }
    }
}

impl Statement {
    pub(super) fn archive(archived: &Archived) -> Self {
        Self { kind: StatementKind::Archive, body: written(archived) }
    }

    pub(super) fn start(start: &Start) -> Self {
        Self { kind: StatementKind::Start, body: written(start) }
    }

    pub(super) fn checkpoint(checkpoint: &Checkpoint) -> Self {
        Self { kind: StatementKind::Checkpoint, body: written(checkpoint) }
    }

    pub(super) fn purge(purge: &Purge) -> Self {
        Self { kind: StatementKind::Purge, body: written(purge) }
    }

    pub(super) fn restore(restore: &Restore) -> Self {
        Self { kind: StatementKind::Restore, body: written(restore) }
    }

    /// As it was read back.
    pub(super) fn read(kind: StatementKind, body: String) -> Self {
        Self { kind, body }
    }

    pub(super) fn kind(&self) -> StatementKind {
        self.kind
    }

    pub(super) fn body(&self) -> &str {
        &self.body
    }

    /// The chains that it ties, if it can be read.
    pub(super) fn ties(&self) -> serde_json::Result<Vec<Tie>> {
        match self.kind {
            StatementKind::Start => self.as_start().map(|start| start.ties),
            StatementKind::Checkpoint => serde_json::from_str::<Checkpoint>(&self.body).map(|stated| stated.ties),
            StatementKind::Archive => self.as_archived().map(|_| Vec::new()),
            StatementKind::Purge => self.purged().map(|_| Vec::new()),
            StatementKind::Restore => self.backed_up_at().map(|_| Vec::new()),
        }
    }

    /// The bodies that it says were removed, if it can be read.
    pub(super) fn purged(&self) -> serde_json::Result<Vec<PurgedBody>> {
        match self.kind {
            StatementKind::Purge => serde_json::from_str::<Purge>(&self.body).map(|stated| stated.bodies),
            StatementKind::Start | StatementKind::Checkpoint | StatementKind::Archive | StatementKind::Restore => {
                Ok(Vec::new())
            }
        }
    }

    /// When the backup was made that the trail was restored from, if it says that it was.
    pub(super) fn backed_up_at(&self) -> serde_json::Result<Option<DateTime<Utc>>> {
        if self.kind != StatementKind::Restore {
            return Ok(None);
        }
        let Restore { backed_up_at } = serde_json::from_str(&self.body)?;
        backed_up_at.parse().map(Some).map_err(serde_json::Error::custom)
    }

    /// The body of an `archive`.
    pub(super) fn as_archived(&self) -> serde_json::Result<Archived> {
        serde_json::from_str(&self.body)
    }

    /// The body of a `start`.
    pub(super) fn as_start(&self) -> serde_json::Result<Start> {
        serde_json::from_str(&self.body)
    }
}

/// Members stand in the order of their names, in the structures too, and none is a fraction: so this is canonical.
fn written(body: &impl Serialize) -> String {
    // Texts, numbers and lists of them can always be written.
    serde_json::to_string(body).unwrap_or_default()
}

mod hex {
    use data_encoding::HEXLOWER;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::audit::body::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("a digest has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_statement_is_canonical_and_reads_back() {
        let ties = vec![Tie { head: [7; 32], seq: 3, writer: Uuid::now_v7() }];
        let start = Start {
            certificates: Vec::new(),
            format: FORMAT,
            hub: "1.2.3".to_owned(),
            key: "k".to_owned(),
            ties: ties.clone(),
        };
        let checkpoint = Checkpoint { ties: ties.clone() };
        for statement in [Statement::start(&start), Statement::checkpoint(&checkpoint)] {
            assert_eq!(json::canonical_of_any(statement.body()).expect("JSON"), statement.body());
            assert_eq!(statement.ties().expect("read"), ties);
        }
        assert_eq!(Statement::start(&start).as_start().expect("read"), start);
        let moved = Moved { entries: 2, first: 2, last: 7, writer: Uuid::now_v7() };
        let archived = Archived { chains: vec![moved], file: "a.db.gz".to_owned(), sha256: [9; 32] };
        let statement = Statement::archive(&archived);
        assert_eq!(json::canonical_of_any(statement.body()).expect("JSON"), statement.body());
        assert_eq!((statement.as_archived().expect("read"), statement.ties().expect("read")), (archived, Vec::new()));
        assert!(Statement::read(StatementKind::Checkpoint, "{}".to_owned()).ties().is_err());
    }
}
