//! Signed checkpoints for places outside the database: whoever cuts the end of the trail, or puts back an older copy, has to
//! answer them. `docs/audit-format.md` says what they look like.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use chrono::{SubsecRound as _, Utc};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    encoding::{Encoding, Member, Sink as _},
    entry::timestamp,
    event::MILLIS,
    key::{AuditKey, PublicKey},
    statement::{FORMAT, Tie},
};

/// Why a file is no list of checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("{}: the checkpoints cannot be read: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is nothing in it to compare a trail with.
    #[error("{} holds no checkpoint: name a file that a hub writes them to, or one made by `bulkhead audit checkpoint`", .0.display())]
    Empty(PathBuf),
}

/// A checkpoint as it leaves the hub: where chains stood at a time. Chains that it does not name end in one that it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    at: String,
    format: u32,
    heads: Vec<Tie>,
    key: String,
    signature: String,
}

impl Document {
    pub(super) fn sign(key: &AuditKey, heads: Vec<Tie>) -> Self {
        let at = timestamp(Utc::now().trunc_subsecs(MILLIS));
        let signature = HEXLOWER.encode(&key.sign(signed(&at, &heads).bytes()));
        Self { at, format: FORMAT, heads, key: key.public().to_string(), signature }
    }

    /// One line of JSON, without the line's end.
    pub(super) fn line(&self) -> String {
        // Texts, numbers and lists of them can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether one of these keys has signed it.
    fn is_genuine(&self, trusted: &[PublicKey]) -> bool {
        let Ok(signature) = HEXLOWER.decode(self.signature.as_bytes()) else { return false };
        let message = signed(&self.at, &self.heads);
        self.format == FORMAT
            && self
                .key
                .parse()
                .is_ok_and(|key: PublicKey| trusted.contains(&key) && key.has_signed(message.bytes(), &signature))
    }
}

/// What the signature covers.
fn signed(at: &str, heads: &[Tie]) -> Encoding {
    let heads = serde_json::to_string(heads).unwrap_or_default();
    let mut members = Encoding::new();
    members.add("at", Member::Text(at));
    members.add("heads", Member::Text(&heads));
    members.add("kind", Member::Text("checkpoint"));
    members
}

/// What checkpoints say, with the time at which it was first said.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    pub(super) heads: BTreeMap<(Uuid, i64, [u8; 32]), String>,
    /// What in the files is no genuine checkpoint, each in a sentence.
    pub(super) problems: Vec<String>,
}

impl Checkpoints {
    /// Reads files of checkpoints, one in each line.
    pub(super) fn read(files: &[PathBuf], trusted: &[PublicKey]) -> Result<Self, CheckpointError> {
        let mut checkpoints = Self::default();
        for file in files {
            checkpoints.add(file, trusted)?;
        }
        Ok(checkpoints)
    }

    fn add(&mut self, file: &Path, trusted: &[PublicKey]) -> Result<(), CheckpointError> {
        let unread = |source| CheckpointError::File { file: file.to_owned(), source };
        let mut is_empty = true;
        for (index, line) in BufReader::new(fs::File::open(file).map_err(unread)?).split(b'\n').enumerate() {
            let line = line.map_err(unread)?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            is_empty = false;
            let shown = format!("line {} of {}", index + 1, file.display());
            match serde_json::from_slice::<Document>(&line) {
                Ok(document) if document.is_genuine(trusted) => {
                    for Tie { head, seq, writer } in document.heads {
                        let first = self.heads.entry((writer, seq, head)).or_insert_with(|| document.at.clone());
                        // These texts are in the order of their times.
                        if document.at < *first {
                            first.clone_from(&document.at);
                        }
                    }
                }
                Ok(document) => self.problems.push(format!(
                    "{shown} is no genuine checkpoint: it was changed, or is signed with another key than those trusted here, \
                     {:.64}",
                    document.key
                )),
                Err(error) => self.problems.push(format!("{shown} is no checkpoint: {error}")),
            }
        }
        if is_empty { Err(CheckpointError::Empty(file.to_owned())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_genuine_until_anything_of_it_changes() {
        let folder = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        fs::create_dir_all(&folder).expect("a folder");
        let key = AuditKey::open(&folder).expect("a key");
        let tie = Tie { head: [7; 32], seq: 3, writer: Uuid::now_v7() };
        let document = Document::sign(&key, vec![tie.clone()]);
        let trusted = [key.public()];
        let file = folder.join("checkpoints");
        let read = |text: &str| {
            fs::write(&file, text).expect("written");
            Checkpoints::read(std::slice::from_ref(&file), &trusted)
        };
        let line = document.line();
        let genuine = read(&format!("{line}\n\n{line}\n")).expect("read");
        assert_eq!((genuine.heads.len(), genuine.problems.len()), (1, 0));
        for changed in [
            line.replace("\"seq\":3", "\"seq\":2"),
            line.replace(&document.at, "2020-01-01T00:00:00.000Z"),
            line.replace("0707", "0708"),
            line.replace("\"format\":1", "\"format\":2"),
            line.replace("}]", "}],\"more\":1"),
            line[..line.len() / 2].to_owned(),
        ] {
            let found = read(&changed).expect("read");
            assert!(found.heads.is_empty() && found.problems[0].starts_with("line 1 of"), "{changed}: {found:?}");
        }
        let other = read(&line).expect("read");
        assert_eq!(other.heads.keys().next(), Some(&(tie.writer, 3, [7; 32])));
        assert!(
            Checkpoints::read(std::slice::from_ref(&file), &[]).expect("read").heads.is_empty(),
            "nobody is trusted"
        );
        assert!(matches!(read("\n"), Err(CheckpointError::Empty(_))));
        fs::remove_dir_all(folder).expect("removed");
    }
}
