//! Rows that somebody else has written, as genuine as can be without the key.

use bulkhead::audit::AuditKey;

use super::{
    Case,
    database::{FIRST, KILLED, LAST, SESSION, Trail, at},
};
use crate::support::hub::Folder;

/// A run that there is not.
const NEW: i64 = 9;

/// Each of them.
pub fn cases(trail: &Trail) -> Vec<Case> {
    [inserted(trail), replayed(trail), signatures(trail), statements(trail)].into_iter().flatten().collect()
}

/// A copy of a row of which everything is genuine but where it stands, and its id.
fn copy(table: &str, from: i64, to: i64) -> String {
    let id = if ["run_events", "run_intents"].contains(&table) { "SET id = randomblob(16)," } else { "SET" };
    format!(
        "CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE position = {from}; \
         UPDATE copied {id} position = {to}; INSERT INTO {table} SELECT * FROM copied; DROP TABLE copied;"
    )
}

fn register(run: i64) -> String {
    format!("INSERT INTO audit_writers (number, writer) VALUES ({run}, x'0192f3c4d5e67f8091a2b3c4d5e6f708');")
}

const REGISTERED: &str = "0192f3c4-d5e6-7f80-91a2-b3c4d5e6f708";

fn inserted(trail: &Trail) -> Vec<Case> {
    let [first, killed, last] = [FIRST, KILLED, LAST].map(|run| trail.run(run).to_string());
    let [end, end_of_killed, end_of_last] = [FIRST, KILLED, LAST].map(|run| at(run, trail.end(run)));
    let event = trail.notes(FIRST)[0];
    let intent = trail.positions(KILLED, "run_intents")[0];
    let checkpoint = *trail.positions(FIRST, "audit_statements").last().expect("one");
    let batch = trail.positions(KILLED, "audit_batches")[0];
    let unsigned = || "are not signed: they were added".to_owned();
    vec![
        Case::sql("an event is added to an older run", [first.clone(), unsigned()], copy("run_events", event, end + 1)),
        Case::sql(
            "an event is added to the newest run",
            [last.clone(), unsigned()],
            copy("run_events", event, end_of_last + 1),
        ),
        Case::sql(
            "an event is added in the place of a statement",
            [format!("there are two entries 1 of hub run {first}")],
            copy("run_events", event, at(FIRST, 1)),
        ),
        Case::sql(
            "an event is added before the first",
            [format!("entry 0 of hub run {first} was added")],
            copy("run_events", event, at(FIRST, 0)),
        ),
        Case::sql(
            "an event is added before all runs",
            ["which never started".to_owned()],
            copy("run_events", event, -7),
        ),
        Case::sql(
            "an event is added to a run that there is not",
            [format!("hub run {NEW}, which never started")],
            copy("run_events", event, at(NEW, 1)),
        ),
        Case::sql("an intent is forged", [killed.clone(), unsigned()], copy("run_intents", intent, end_of_killed + 1)),
        Case::sql(
            "an intent is forged, with a signature of another",
            [killed.clone(), "are not signed by its key".to_owned()],
            copy("run_intents", intent, end_of_killed + 1) + &copy("audit_batches", batch, end_of_killed + 1),
        ),
        Case::sql(
            "a checkpoint is forged",
            [last.clone(), unsigned()],
            copy("audit_statements", checkpoint, end_of_last + 1),
        ),
        Case::sql(
            "a second start is forged",
            [format!("of hub run {last} is a `start`")],
            copy("audit_statements", at(LAST, 1), end_of_last + 1),
        ),
        Case::sql(
            "a signature is added",
            ["but there is a signature of it".to_owned(), last],
            copy("audit_batches", end_of_last, end_of_last + 1),
        ),
        Case::sql(
            "a run without entries is registered",
            [format!("hub run {REGISTERED} has no entries")],
            register(NEW),
        ),
        Case::sql("a run of before all is registered", [format!("hub run {REGISTERED} has no entries")], register(-3)),
        Case::sql(
            "a tie is added that no statement says",
            [first, "does not name entry".to_owned()],
            format!("INSERT INTO audit_ties VALUES ({}, {})", end, at(LAST, 1) + 1),
        ),
        Case::sql(
            "a tie is added of a run that there is not",
            ["one of which is not there".to_owned()],
            format!("INSERT INTO audit_ties VALUES ({}, {})", at(NEW, 1), at(LAST, 1)),
        ),
    ]
}

fn replayed(trail: &Trail) -> Vec<Case> {
    let [first, session, last] = [FIRST, SESSION, LAST].map(|run| trail.run(run).to_string());
    let (end, end_of_last) = (trail.end(FIRST), trail.end(LAST));
    let replay = |from: i64, first: i64, to: i64| {
        ["run_events", "run_intents", "audit_statements", "audit_batches"]
            .map(|table| {
                let id = if table.starts_with("run_") { ", id = randomblob(16)" } else { "" };
                format!(
                    "CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE position >> 40 = {from} AND position >= {first}; \
                     UPDATE copied SET position = position - {first} + {to}{id}; INSERT INTO {table} SELECT * FROM copied; \
                     DROP TABLE copied;"
                )
            })
            .concat()
    };
    let batches = trail.positions(FIRST, "audit_batches");
    let last_batch = batches[batches.len() - 2] + 1;
    vec![
        Case::sql(
            "a whole run is there again under another id",
            [REGISTERED.to_owned(), "are not signed by its key".to_owned()],
            register(NEW) + &replay(FIRST, at(FIRST, 1), at(NEW, 1)),
        ),
        Case::sql(
            "the last batch of a run is there again behind it",
            [first, "are not signed by its key".to_owned()],
            replay(FIRST, last_batch, at(FIRST, end + 1)),
        ),
        Case::sql(
            "a batch of another run is added to the newest",
            [last, "are not signed by its key".to_owned()],
            replay(FIRST, last_batch, at(LAST, end_of_last + 1)),
        ),
        Case::sql(
            "one run's rows stand in the place of another's",
            [session],
            super::database::cut(SESSION, 0) + &replay(FIRST, at(FIRST, 1), at(SESSION, 1)),
        ),
    ]
}

fn signatures(trail: &Trail) -> Vec<Case> {
    let first = trail.run(FIRST).to_string();
    let batches = trail.positions(FIRST, "audit_batches");
    let (one, another) = (batches[1], batches[2]);
    let set = |what: &str, set: String| {
        let sql = format!("UPDATE audit_batches SET {set} WHERE position = {one}");
        Case::sql(what, [first.clone(), "are not signed by its key".to_owned()], sql)
    };
    let of_another = |column: &str| format!("(SELECT {column} FROM audit_batches WHERE position = {another})");
    vec![
        set("a head is replaced by another", format!("head = {}", of_another("head"))),
        set("a head is nothing", "head = x''".to_owned()),
        set("a head is zero", "head = zeroblob(32)".to_owned()),
        set("a signature is replaced by another", format!("signature = {}", of_another("signature"))),
        set("a signature is nothing", "signature = x''".to_owned()),
        set("a signature is zero", "signature = zeroblob(64)".to_owned()),
        set(
            "head and signature are another batch's",
            format!("head = {}, signature = {}", of_another("head"), of_another("signature")),
        ),
    ]
}

fn statements(trail: &Trail) -> Vec<Case> {
    let last = trail.run(LAST).to_string();
    let start = at(LAST, 1);
    let folder = Folder::new();
    let other = AuditKey::open(folder.path()).expect("a key").public().to_string();
    let set = |what: &str, told: &str, set: &str| {
        let sql = format!("UPDATE audit_statements SET {set} WHERE position = {start}");
        Case::sql(what, [last.clone(), told.to_owned()], sql)
    };
    vec![
        set("a start names another key", &other, &format!("body = json_set(body, '$.key', '{other}')")),
        set("a start names no key", "not trusted", "body = json_set(body, '$.key', 'none')"),
        set("a start ties nothing", "was changed", "body = json_set(body, '$.ties', json('[]'))"),
        set("a start is of another format", "format 2", "body = json_set(body, '$.format', 2)"),
        set("a start has a member more", "was changed", "body = json_set(body, '$.zone', 'here')"),
        set("a start is no JSON", "cannot be read", "body = 'start'"),
        set("a start is a checkpoint", "is a `checkpoint`", "kind = 'checkpoint'"),
        set("a start is of an unknown kind", "its kind is unknown", "kind = 'pause'"),
    ]
}
