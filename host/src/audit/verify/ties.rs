//! Holds what statements say of other chains against those chains.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    super::{entry::timestamp, seal::Head, statement::Tie},
    report::Report,
};

/// Heads that checkpoints name, each with the time of the first that does.
pub(super) type Heads = BTreeMap<(Uuid, i64, [u8; 32]), String>;

/// Which entry of which chain.
type At = (Uuid, i64);

/// What chains say of each other. A chain may be walked before or after those that name its head.
pub(super) struct Ties {
    writers: BTreeSet<Uuid>,
    /// Heads that were stated, by whom.
    stated: Vec<(Tie, At)>,
    /// Those of which the database has a list beside the statements.
    listed: BTreeSet<(At, At)>,
    /// Heads that checkpoints from outside the database name.
    outside: Heads,
    /// What restores from backups declare: when each backup was made, and when it was restored.
    gaps: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    /// The entries that are named, with the signed head there once it has been met. Others need not be remembered.
    heads: BTreeMap<At, Option<[u8; 32]>>,
}

impl Ties {
    pub(super) fn new(outside: Heads) -> Self {
        let heads = outside.keys().map(|(writer, seq, _)| ((*writer, *seq), None)).collect();
        Self { writers: BTreeSet::new(), stated: Vec::new(), listed: BTreeSet::new(), outside, gaps: Vec::new(), heads }
    }

    pub(super) fn writer(&mut self, writer: Uuid) {
        self.writers.insert(writer);
    }

    pub(super) fn listed(&mut self, at: At, by: At) {
        self.listed.insert((at, by));
        self.heads.insert(at, None);
    }

    pub(super) fn stated(&mut self, ties: Vec<Tie>, by: At) {
        self.stated.extend(ties.into_iter().map(|tie| (tie, by)));
    }

    pub(super) fn restored(&mut self, backed_up_at: DateTime<Utc>, restored_at: DateTime<Utc>, report: &mut Report) {
        report.declared(format!(
            "on {} the trail was restored from the backup of {}: what was recorded between these is not in it",
            timestamp(restored_at),
            timestamp(backed_up_at)
        ));
        self.gaps.push((backed_up_at, restored_at));
    }

    /// Whether somebody has declared that what was seen at that time is not there.
    fn is_declared(&self, at: &str) -> bool {
        at.parse().is_ok_and(|at: DateTime<Utc>| self.gaps.iter().any(|(from, until)| (*from..=*until).contains(&at)))
    }

    pub(super) fn head(&mut self, writer: Uuid, head: Head) {
        if let Some(named) = self.heads.get_mut(&(writer, head.seq)) {
            *named = Some(head.hash);
        }
    }

    pub(super) fn end(&mut self, report: &mut Report) {
        for (Tie { head, seq, writer }, (by, by_seq)) in std::mem::take(&mut self.stated) {
            let is_listed = self.listed.remove(&((writer, seq), (by, by_seq)));
            report.problems_if(match self.heads.get(&(writer, seq)) {
                _ if !self.writers.contains(&writer) => {
                    Some(format!("hub run {writer} is missing: run {by} saw it there, up to entry {seq}"))
                }
                _ if !is_listed => Some(format!(
                    "that run {by} names entry {seq} of hub run {writer} was removed from the list of ties"
                )),
                Some(Some(found)) if *found == head => None,
                Some(Some(_)) => Some(format!(
                    "entry {seq} of hub run {writer} is not the one that run {by} saw there: it was changed"
                )),
                _ => Some(format!(
                    "entry {seq} of hub run {writer}, which run {by} saw there, is missing: it was removed"
                )),
            });
        }
        self.end_outside(report);
        for ((writer, seq), (by, by_seq)) in std::mem::take(&mut self.listed) {
            report.problem(format!("statement {by_seq} of hub run {by} does not name entry {seq} of hub run {writer}, as the list of ties says"));
        }
    }

    fn end_outside(&mut self, report: &mut Report) {
        for ((writer, seq, head), at) in std::mem::take(&mut self.outside) {
            let found = self.heads.get(&(writer, seq)).copied().flatten();
            if found.is_none() && self.is_declared(&at) {
                report.declared_missing += 1;
                report.declared(format!(
                    "entry {seq} of hub run {writer}, which the checkpoint of {at} saw, is not there, as a restore declares"
                ));
                continue;
            }
            report.problems_if(match self.heads.get(&(writer, seq)) {
                _ if !self.writers.contains(&writer) => Some(format!(
                    "hub run {writer} is missing: the checkpoint of {at} saw it, up to entry {seq}. It was removed, or an older \
                     copy of the database was put back"
                )),
                Some(Some(found)) if *found == head => None,
                Some(Some(_)) => {
                    Some(format!("entry {seq} of hub run {writer} is not the one that the checkpoint of {at} saw: it was changed"))
                }
                _ => Some(format!(
                    "entry {seq} of hub run {writer}, which the checkpoint of {at} saw, is missing: it was removed, or an older \
                     copy of the database was put back"
                )),
            });
        }
    }
}
