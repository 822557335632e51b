//! Honest databases: whatever hubs do, and however they end, verification accuses none of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{
    super::{
        Body,
        entry::Entry,
        event::{Event, Outcome},
        filter::{Filter, Parameter, Query, Scope},
        journal::Journal,
        purge::{Chosen, purge},
        usage::{Costs, Usage},
    },
    verify,
};
use crate::names::{Code, Kept, Role, Severity};

/// Marsaglia's xorshift: the same database for the same seed, but for ids and times.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.roll(choices.len() as u64);
        &choices[usize::try_from(index).expect("small")]
    }

    fn text(&mut self) -> String {
        let parts = ["a", "Ä", "\u{10348}", "\"", "\\", "\u{202e}", "{}", " ", "\u{7f}", "null"];
        (0..self.roll(6)).map(|_| *self.one_of(&parts)).collect()
    }

    fn body(&mut self) -> Option<Body> {
        let text = serde_json::Value::from(self.text());
        let documents = [
            format!("{{\"b\":{text},\"a\":[1.50,-0,12345678901234567890,1e-3,1E2]}}"),
            text.to_string(),
            "[[],{},null,true,\"\\u0000\"]".to_owned(),
            format!("\"{}\"", "x".repeat(5000)),
        ];
        let kept = *self.one_of(&[Kept::Full, Kept::Full, Kept::Digest, Kept::None]);
        Body::of(self.one_of(&documents).clone(), kept)
    }

    fn used(&mut self) -> Usage {
        let costs = [r#"{"USD":1}"#, r#"{"EUR":1000000000000000,"tokens":7}"#];
        let one = *self.one_of(&costs);
        let costs = (self.roll(3) == 0).then(|| Costs::read(one).expect("costs"));
        let requests = u32::try_from(self.roll(3)).expect("small");
        Usage { requests, bytes: self.roll(2) * self.roll(1 << 50), costs: costs.unwrap_or_default() }
    }

    fn event(&mut self) -> Event {
        let outcome = *self.one_of(&[Outcome::Ok, Outcome::Failed, Outcome::Denied, Outcome::Cancelled]);
        let optional = |dice: &mut Self| (dice.roll(2) > 0).then(|| dice.text());
        let ids = [Uuid::new_v4().to_string(), Uuid::new_v4().to_string().to_uppercase(), "7".repeat(64), self.text()];
        let event = Event {
            provider: optional(self),
            tool: optional(self),
            team: optional(self),
            error: optional(self),
            hostname: optional(self),
            revision: optional(self).or_else(|| Some("0f".repeat(32))),
            caller_id: (self.roll(2) > 0).then(Uuid::new_v4),
            caller_role: (self.roll(2) > 0).then_some(Role::OpsAdmin),
            error_code: (self.roll(4) == 0).then_some(Code::UnknownTool),
            used: self.used(),
            severity: (self.roll(4) == 0).then(|| *self.one_of(Severity::ALL)),
            payload: self.body(),
            result: self.body(),
            correlation_id: self.one_of(&ids).clone(),
            // Now and then one that the database refuses.
            times: u32::try_from(self.roll(20)).expect("small"),
            ..Event::sample(outcome)
        };
        event.into_kept()
    }
}

/// Hubs that share a data folder, until they are killed together.
struct Hubs {
    folder: PathBuf,
    number: u32,
    running: Vec<(Uuid, Journal)>,
    dead: Vec<Uuid>,
}

impl Hubs {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        fs::create_dir_all(folder.join("0")).expect("a folder");
        Self { folder, number: 0, running: Vec::new(), dead: Vec::new() }
    }

    fn data(&self) -> PathBuf {
        self.folder.join(self.number.to_string())
    }

    fn database(&self) -> PathBuf {
        self.data().join("ops.db")
    }

    fn start(&mut self) {
        let writer = Uuid::now_v7();
        let journal = Journal::open(&self.data(), &self.database().into(), writer).expect("a trail");
        self.running.push((writer, journal));
    }

    fn commit(&mut self, index: usize, dice: &mut Dice) {
        let mut entries = Vec::new();
        for _ in 0..=dice.roll(6) {
            let event = dice.event();
            match dice.roll(4) {
                // Announced, and ended, or not.
                0 => entries.push(Entry::Intent(Box::new(event.announced()))),
                1 => {
                    entries.push(Entry::Intent(Box::new(event.announced())));
                    entries.push(Entry::Event(Box::new(event)));
                }
                // Twice under one id.
                2 => entries.extend([(); 2].map(|()| Entry::Event(Box::new(event.clone())))),
                _ => entries.push(Entry::Event(Box::new(event))),
            }
        }
        self.running[index].1.commit(entries.iter()).expect("committed");
    }

    /// A power cut: what is on disk is all there is, with the `-wal` as it happens to be. Everybody is dead.
    fn power_cut(&mut self) {
        let (before, database) = (self.data(), self.database());
        self.number += 1;
        fs::create_dir_all(self.data()).expect("a folder");
        let wal = database.with_extension("db-wal");
        for file in [&database, &wal, &before.join("audit.key")].into_iter().filter(|file| file.exists()) {
            fs::copy(file, self.data().join(file.file_name().expect("a name"))).expect("copied");
        }
        self.dead.extend(self.running.drain(..).map(|(writer, _)| writer));
    }

    /// Something that can happen to hubs.
    fn step(&mut self, dice: &mut Dice) {
        let index = usize::try_from(dice.roll(self.running.len().max(1) as u64)).expect("small");
        match dice.roll(13) {
            _ if self.running.is_empty() => self.start(),
            0 if self.running.len() < 4 => self.start(),
            // One that ends, or is killed: its intents are for others to answer.
            1 => {
                let (writer, mut journal) = self.running.swap_remove(index);
                if dice.roll(2) > 0 {
                    journal.checkpoint(|_| true).expect("stated");
                }
                self.dead.push(writer);
            }
            2 => self.power_cut(),
            3 => {
                let lives = dice.roll(2) > 0;
                self.running[index].1.checkpoint(|_| lives).expect("stated");
            }
            4 | 5 => {
                // Also of one that lives, as after a misjudgement.
                let of = [self.dead.last().copied(), self.running.last().map(|(writer, _)| *writer)];
                for dead in of.into_iter().flatten().take(1 + usize::from(dice.roll(8) == 0)) {
                    self.running[index].1.answer(dead).expect("answered");
                }
            }
            6 => {
                let events: Vec<_> = (0..dice.roll(4)).map(|_| dice.event()).collect();
                for _ in 0..=dice.roll(2) {
                    self.running[index].1.commit_again(events.iter()).expect("committed");
                }
            }
            7 => self.purge(dice.one_of::<&str>(&["ok", "failed", "cancelled"])),
            _ => self.commit(index, dice),
        }
    }

    /// Somebody removes what calls were given and gave, beside hubs that run.
    fn purge(&self, outcome: &str) {
        let filter = Filter::read([(Parameter::Outcome, outcome)]).expect("a filter");
        let chosen = Chosen::Found(Box::new(Query::new(filter, Scope::Whole).expect("a query")));
        purge(&self.data(), &self.database().into(), &chosen, |_| Event::sample(Outcome::Ok)).expect("removed");
    }
}

impl Drop for Hubs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn problems(data: &Path) -> Vec<String> {
    verify(data, &data.join("ops.db").into(), &[], &[]).expect("verified").problems
}

#[test]
fn no_honest_database_is_accused() {
    let whole = std::env::var_os("BULKHEAD_CAMPAIGN").is_some();
    for seed in 1..=if whole { 1000 } else { 5 } {
        let (mut dice, mut hubs) = (Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 20)), Hubs::new());
        for _ in 0..20 + dice.roll(40) {
            hubs.step(&mut dice);
            if dice.roll(10) == 0 && hubs.database().exists() {
                assert_eq!(problems(&hubs.data()), Vec::<String>::new(), "seed {seed}, in the middle");
            }
        }
        hubs.running.clear();
        assert_eq!(problems(&hubs.data()), Vec::<String>::new(), "seed {seed}");
    }
}
