//! Rows that somebody else has written, as genuine as can be without the key.

use bulkhead::audit::AuditKey;

use super::{
    Case,
    database::{FIRST, KILLED, LAST, Run, SESSION, SIGNED, Trail},
};
use crate::support::hub::Folder;

/// A run that there is not.
const NEW: &str = "0192f3c4-d5e6-7f80-91a2-b3c4d5e6f708";

/// Each of them.
pub fn cases(trail: &Trail) -> Vec<Case> {
    [inserted(trail), replayed(trail), signatures(trail), statements(trail)].into_iter().flatten().collect()
}

/// Copies of rows of which everything is genuine but where they stand, and their ids.
fn copies(table: &str, which: &str, run: &str, seq: &str) -> String {
    let id = if table.starts_with("run_") { ", id = gen_random_uuid()" } else { "" };
    // What is made from another column cannot be written.
    let generated = if table == "run_events" { "ALTER TABLE run_events ALTER COLUMN caller_id DROP EXPRESSION IF EXISTS;" } else { "" };
    format!(
        "{generated} CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE {which}; \
         UPDATE copied SET writer = '{run}', seq = {seq}{id}; INSERT INTO {table} SELECT * FROM copied; DROP TABLE copied;"
    )
}

fn copy(table: &str, from: &Run, seq: i64, to: &Run, place: i64) -> String {
    copies(table, &from.at(seq), &to.id.to_string(), &place.to_string())
}

fn register() -> String {
    format!("INSERT INTO audit_writers (writer) VALUES ('{NEW}');")
}

fn inserted(trail: &Trail) -> Vec<Case> {
    let [first, killed, last] = [FIRST, KILLED, LAST].map(|run| &trail.runs[run]);
    let (note, intent) = (first.notes[0], killed.intents[0]);
    let checkpoint = *first.statements.last().expect("one");
    let unsigned = "are not signed: they were added".to_owned();
    vec![
        Case::new(
            "an event is added to an older run",
            [first.id.to_string(), unsigned.clone()],
            copy("run_events", first, note, first, first.end + 1),
        ),
        Case::new(
            "an event is added to the newest run",
            [last.id.to_string(), unsigned.clone()],
            copy("run_events", first, note, last, last.end + 1),
        ),
        Case::new(
            "an event is added in the place of a statement",
            [format!("there are two entries 1 of hub run {}", first.id)],
            copy("run_events", first, note, first, 1),
        ),
        Case::new(
            "an event is added before the first",
            [format!("entry 0 of hub run {} was added", first.id)],
            copy("run_events", first, note, first, 0),
        ),
        Case::new(
            "an event is added to a run that there is not",
            [format!("hub run {NEW}, which never started")],
            copies("run_events", &first.at(note), NEW, "1"),
        ),
        Case::new(
            "an intent is forged",
            [killed.id.to_string(), unsigned.clone()],
            copy("run_intents", killed, intent, killed, killed.end + 1),
        ),
        Case::new(
            "an intent is forged, with a signature of another",
            [killed.id.to_string(), "are not signed by its key".to_owned()],
            copy("run_intents", killed, intent, killed, killed.end + 1)
                + &copy("audit_batches", killed, killed.batches[0], killed, killed.end + 1),
        ),
        Case::new(
            "a checkpoint is forged",
            [last.id.to_string(), unsigned],
            copy("audit_statements", first, checkpoint, last, last.end + 1),
        ),
        Case::new(
            "a second start is forged",
            [format!("of hub run {} is a `start`", last.id)],
            copy("audit_statements", last, 1, last, last.end + 1),
        ),
        Case::new(
            "a signature is added",
            ["but there is a signature of it".to_owned(), last.id.to_string()],
            copy("audit_batches", last, last.end, last, last.end + 1),
        ),
        Case::new("a run without entries is registered", [format!("hub run {NEW} has no entries")], register()),
        Case::new(
            "a tie is added that no statement says",
            [first.id.to_string(), "does not name entry".to_owned()],
            format!("INSERT INTO audit_ties VALUES ('{}', {}, '{}', 2)", first.id, first.end, last.id),
        ),
        Case::new(
            "a tie is added of a run that there is not",
            ["one of which is not there"],
            format!("INSERT INTO audit_ties VALUES ('{NEW}', 1, '{}', 1)", last.id),
        ),
    ]
}

fn replayed(trail: &Trail) -> Vec<Case> {
    let [first, session, last] = [FIRST, SESSION, LAST].map(|run| &trail.runs[run]);
    let last_batch = first.batches[first.batches.len() - 2] + 1;
    let replay = |from: i64, run: &str, to: i64| {
        let which = format!("writer = '{}' AND seq >= {from}", first.id);
        SIGNED.map(|table| copies(table, &which, run, &format!("seq - {from} + {to}"))).concat()
    };
    let unsigned = "are not signed by its key".to_owned();
    vec![
        Case::new(
            "a whole run is there again under another id",
            [NEW.to_owned(), unsigned.clone()],
            register() + &replay(1, NEW, 1),
        ),
        Case::new(
            "the last batch of a run is there again behind it",
            [first.id.to_string(), unsigned.clone()],
            replay(last_batch, &first.id.to_string(), first.end + 1),
        ),
        Case::new(
            "a batch of another run is added to the newest",
            [last.id.to_string(), unsigned],
            replay(last_batch, &last.id.to_string(), last.end + 1),
        ),
        Case::new(
            "one run's rows stand in the place of another's",
            [session.id],
            session.cut(0) + &replay(1, &session.id.to_string(), 1),
        ),
    ]
}

fn signatures(trail: &Trail) -> Vec<Case> {
    let first = &trail.runs[FIRST];
    let set = |what: &str, set: String| {
        let sql = format!("UPDATE audit_batches SET {set} WHERE {}", first.at(first.batches[1]));
        Case::new(what, [first.id.to_string(), "are not signed by its key".to_owned()], sql)
    };
    let of_another =
        |column: &str| format!("(SELECT {column} FROM audit_batches WHERE {})", first.at(first.batches[2]));
    vec![
        set("a head is replaced by another", format!("head = {}", of_another("head"))),
        set("a head is zero", "head = decode(repeat('00', 32), 'hex')".to_owned()),
        set("a signature is replaced by another", format!("signature = {}", of_another("signature"))),
        set("a signature is nothing", "signature = ''".to_owned()),
        set("a signature is zero", "signature = decode(repeat('00', 64), 'hex')".to_owned()),
        set(
            "head and signature are another batch's",
            format!("head = {}, signature = {}", of_another("head"), of_another("signature")),
        ),
    ]
}

fn statements(trail: &Trail) -> Vec<Case> {
    let last = &trail.runs[LAST];
    let folder = Folder::new();
    let other = AuditKey::open(folder.path()).expect("a key").public().to_string();
    let set = |what: &str, told: &str, set: &str| {
        let sql = format!("UPDATE audit_statements SET {set} WHERE {}", last.at(1));
        Case::new(what, [last.id.to_string(), told.to_owned()], sql)
    };
    let with = |path: &str, value: &str| format!("body = replace(jsonb_set(body::jsonb, '{{{path}}}', '{value}')::text, ' ', '')");
    vec![
        set("a start names another key", &other, &with("key", &format!("\"{other}\""))),
        set("a start names no key", "not trusted", &with("key", "\"none\"")),
        set("a start ties nothing", "was changed", &with("ties", "[]")),
        set("a start is of another format", "format 2", &with("format", "2")),
        set("a start has a member more", "was changed", &with("zone", "\"here\"")),
        set("a start is no JSON", "cannot be read", "body = 'start'"),
        set("a start is a checkpoint", "is a `checkpoint`", "kind = 'checkpoint'"),
        set("a start is of an unknown kind", "its kind is unknown", "kind = 'pause'"),
    ]
}
