//! Holds each entry against its chain, and each chain against its signatures.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    super::{
        certificate::trust_signed,
        entry::{Entry, Sealed},
        key::PublicKey,
        ledger::Found,
        seal::{Head, is_signed},
        statement::{FORMAT, Moved, Statement},
    },
    purges::Purges,
    report::Report,
    rollups::Rollups,
    ties::{Heads, Ties},
};
use crate::names::StatementKind;

/// The chains of a trail, one after the other.
pub(super) struct Chains {
    trusted: Vec<PublicKey>,
    ties: Ties,
    rollups: Rollups,
    purges: Purges,
    /// Writers that are registered, and of which no entry was met yet.
    empty: BTreeSet<Uuid>,
    /// What archives hold that are not there, which is told once and not of each entry.
    absent: Vec<Moved>,
    current: Option<Chain>,
}

/// The chain that is being walked.
struct Chain {
    writer: Uuid,
    /// Where the entries lead.
    at: Head,
    /// The last signed head.
    signed: Head,
    /// The key that its first entry names, if that is trusted.
    key: Option<PublicKey>,
    recorded_at: DateTime<Utc>,
    /// Whether an entry since the last signature could not be read, or is missing, which is told already.
    is_broken: bool,
}

impl Chains {
    pub(super) fn new(trusted: Vec<PublicKey>, heads: Heads) -> Self {
        Self {
            trusted,
            ties: Ties::new(heads),
            rollups: Rollups::default(),
            purges: Purges::default(),
            empty: BTreeSet::new(),
            absent: Vec::new(),
            current: None,
        }
    }

    /// These are in an archive that cannot be read: that they are not met is no news.
    pub(super) fn are_absent(&mut self, moved: Vec<Moved>) {
        self.absent.extend(moved);
    }

    fn lacks_some_of(&self, writer: Uuid) -> bool {
        self.absent.iter().any(|moved| moved.writer == writer)
    }

    pub(super) fn visit(&mut self, found: Found, report: &mut Report) {
        match found {
            Found::Writer(writer) => {
                report.writers += 1;
                self.ties.writer(writer);
                self.empty.insert(writer);
            }
            Found::Tie { writer, seq, by, by_seq } => self.ties.listed((writer, seq), (by, by_seq)),
            Found::Stray(what) => report.problem(what),
            // What the rows of an archive come to that is not there, nobody knows.
            Found::Rollup { writer, .. } if self.lacks_some_of(writer) => self.rollups.skip(writer),
            Found::Rollup { writer, key, sums } => self.rollups.listed(writer, *key, &sums, report),
            Found::Entry { writer, seq, entry } => self.entry(writer, seq, entry, report),
            Found::Batch { writer, seq, head, signature } => self.batch(writer, seq, &head, &signature, report),
        }
    }

    /// Behind the last entry of all.
    pub(super) fn end(&mut self, report: &mut Report) {
        self.end_chain(report);
        // A writer is registered with its first batch.
        for writer in std::mem::take(&mut self.empty) {
            report.problem(format!("hub run {writer} has no entries: all of them were removed"));
        }
        self.ties.end(report);
        self.rollups.end(report);
        self.purges.end(report);
    }

    fn entry(&mut self, writer: Uuid, seq: i64, entry: Result<Sealed<Entry>, String>, report: &mut Report) {
        if self.current.as_ref().is_none_or(|chain| chain.writer != writer) {
            self.end_chain(report);
            self.empty.remove(&writer);
        }
        let chain = self.current.get_or_insert_with(|| Chain::new(writer));
        if seq != chain.at.seq + 1 {
            if !chain.lacks_only(&self.absent, seq) {
                report.problem(chain.gap(seq));
            }
            chain.is_broken = true;
        }
        report.rows += u64::from(matches!(&entry, Ok(Sealed { entry: Entry::Event(_), .. }) | Err(_)));
        match entry {
            Ok(sealed) => {
                if let Entry::Event(event) = &sealed.entry {
                    self.rollups.event(&sealed.place, event);
                }
                self.purges.entry(&sealed);
                chain.take(&sealed, &mut self.trusted, &mut self.ties, report);
            }
            Err(why) => {
                report.problem(format!("entry {seq} of hub run {writer} was changed: {why}"));
                chain.is_broken = true;
                chain.at.seq = seq;
            }
        }
    }

    fn batch(&mut self, writer: Uuid, seq: i64, head: &[u8], signature: &[u8], report: &mut Report) {
        let absent = &self.absent;
        let is_of_this =
            |chain: &&mut Chain| chain.writer == writer && (chain.at.seq == seq || chain.lacks_only(absent, seq + 1));
        let Some(chain) = self.current.as_mut().filter(is_of_this) else {
            report.problem(format!("entry {seq} of hub run {writer} is missing, but there is a signature of it"));
            return;
        };
        chain.is_broken |= chain.at.seq < seq;
        let signed = Head { seq, hash: head.try_into().unwrap_or_default() };
        let is_genuine = chain.key.is_some_and(|key| is_signed(&key, writer, &chain.signed, &signed, signature));
        let first = chain.signed.seq + 1;
        if !is_genuine && chain.key.is_some() {
            report.problem(format!(
                "entries {first} to {seq} of hub run {writer} are not signed by its key: something was changed or removed there"
            ));
        } else if !chain.is_broken && chain.at != signed {
            report.problem(if first == seq {
                format!("entry {seq} of hub run {writer} was changed")
            } else {
                format!("something in entries {first} to {seq} of hub run {writer} was changed")
            });
        }
        // What is signed is what was: so one change is not told of all that follows.
        (chain.at, chain.signed, chain.is_broken) = (signed, signed, false);
        self.ties.head(writer, signed);
    }

    fn end_chain(&mut self, report: &mut Report) {
        if let Some(chain) = self.current.take()
            && chain.at.seq != chain.signed.seq
        {
            let (first, last) = (chain.signed.seq + 1, chain.at.seq);
            report.problem(format!(
                "entries {first} to {last} of hub run {} are not signed: they were added, or their signature was removed",
                chain.writer
            ));
        }
    }
}

impl Chain {
    fn new(writer: Uuid) -> Self {
        Self {
            writer,
            at: Head::NONE,
            signed: Head::NONE,
            key: None,
            recorded_at: DateTime::<Utc>::MIN_UTC,
            is_broken: false,
        }
    }

    /// Whether everything between the last entry and this one is in an archive that is not there.
    fn lacks_only(&self, absent: &[Moved], seq: i64) -> bool {
        let lacks = self.at.seq + 1..seq;
        let holds =
            |moved: &Moved| moved.writer == self.writer && moved.first <= lacks.start && lacks.end <= moved.last + 1;
        !lacks.is_empty() && absent.iter().any(holds)
    }

    fn gap(&self, seq: i64) -> String {
        let Self { writer, at, .. } = self;
        match seq - at.seq {
            2 => format!("entry {} of hub run {writer} is missing", seq - 1),
            distance if distance > 2 => {
                format!("entries {} to {} of hub run {writer} are missing", at.seq + 1, seq - 1)
            }
            _ if seq == 0 => format!("entry 0 of hub run {writer} was added: entries begin with 1"),
            _ => format!("there are two entries {seq} of hub run {writer}"),
        }
    }

    fn take(&mut self, sealed: &Sealed<Entry>, trusted: &mut Vec<PublicKey>, ties: &mut Ties, report: &mut Report) {
        let Sealed { place, entry } = sealed;
        let Self { writer, .. } = *self;
        if place.recorded_at < self.recorded_at {
            report.problem(format!("entry {} of hub run {writer} was recorded before the one before it", place.seq));
        }
        self.recorded_at = place.recorded_at;
        let seq = self.at.seq;
        self.at = self.at.after(&entry.encoding(place));
        self.at.seq = place.seq;
        match entry {
            Entry::Statement(statement) => {
                if (place.seq == 1) != (statement.kind() == StatementKind::Start) {
                    report.problem(format!("entry {} of hub run {writer} is a `{}`", place.seq, statement.kind()));
                }
                if statement.kind() == StatementKind::Start {
                    self.key = key(statement, trusted, writer, report);
                }
                if let Ok(Some(backed_up_at)) = statement.backed_up_at() {
                    ties.restored(backed_up_at, place.recorded_at, report);
                }
                match statement.ties() {
                    Ok(stated) => ties.stated(stated, (writer, place.seq)),
                    Err(error) => {
                        report.problem(format!("statement {} of hub run {writer} cannot be read: {error}", place.seq));
                    }
                }
            }
            Entry::Event(_) | Entry::Intent(_) if seq == 0 && place.seq == 1 => {
                report.problem(format!("hub run {writer} does not begin with a `start`"));
            }
            Entry::Event(_) | Entry::Intent(_) => {}
        }
    }
}

/// The key that a start names.
fn key(start: &Statement, trusted: &mut Vec<PublicKey>, writer: Uuid, report: &mut Report) -> Option<PublicKey> {
    let start = match start.as_start() {
        Ok(start) if start.format == FORMAT => start,
        Ok(start) => {
            report.problem(format!(
                "hub run {writer} is written in format {}, which this program does not know",
                start.format
            ));
            return None;
        }
        // Told with its ties.
        Err(_) => return None,
    };
    trust_signed(trusted, &start.certificates);
    let key = start.key.parse().ok().filter(|key| trusted.contains(key));
    if key.is_none() {
        report.problem(format!(
            "hub run {writer} is signed with a key that is not trusted here, {:.64}: if it is one of yours, name it with --key",
            start.key
        ));
    }
    key
}
