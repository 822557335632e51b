//! Rows that are deleted, moved, swapped, or changed in a way that is no flipped bit.

use rusqlite::Connection;

use super::{
    Case,
    database::{FIRST, KILLED, LAST, SESSION, Trail, at, cut, remove},
};

/// Each of them.
pub fn cases(trail: &Trail) -> Vec<Case> {
    [deleted(trail), moved(trail), changed(trail)].into_iter().flatten().collect()
}

fn deleted(trail: &Trail) -> Vec<Case> {
    let [first, session, killed] = [FIRST, SESSION, KILLED].map(|run| trail.run(run));
    let [end, end_of_killed] = [FIRST, KILLED].map(|run| trail.end(run));
    let events = trail.notes(FIRST);
    let (one, seq) = (events[1], events[1] - at(FIRST, 0));
    let intent = trail.positions(FIRST, "run_intents")[0];
    let batches = trail.positions(FIRST, "audit_batches");
    let before_last = batches[batches.len() - 2] - at(FIRST, 0);
    let on_first = |what: &str, told: String, sql: String| Case::sql(what, [told, first.to_string()], sql);
    vec![
        on_first(
            "one event is deleted",
            format!("entry {seq} of hub run"),
            format!("DELETE FROM run_events WHERE position = {one}"),
        ),
        on_first(
            "an intent is deleted",
            format!("entry {} of hub run", intent - at(FIRST, 0)),
            format!("DELETE FROM run_intents WHERE position = {intent}"),
        ),
        on_first(
            "an intent and its event are deleted",
            "missing".to_owned(),
            format!(
                "DELETE FROM run_events WHERE id = (SELECT id FROM run_intents WHERE position = {intent}); \
                 DELETE FROM run_intents WHERE position = {intent}"
            ),
        ),
        on_first(
            "a start is deleted",
            "entry 1 of hub run".to_owned(),
            format!("DELETE FROM audit_statements WHERE position = {}", at(FIRST, 1)),
        ),
        on_first(
            "a signature is deleted",
            "are not signed by its key".to_owned(),
            format!("DELETE FROM audit_batches WHERE position = {}", batches[1]),
        ),
        on_first(
            "all signatures of a run are deleted",
            "are not signed".to_owned(),
            format!("DELETE FROM audit_batches WHERE position >> 40 = {FIRST}"),
        ),
        on_first(
            "the last entries are deleted, but not their signature",
            "but there is a signature of it".to_owned(),
            format!("DELETE FROM audit_statements WHERE position = {}", at(FIRST, end)),
        ),
        on_first("the end of an older run is cut", "missing: it was removed".to_owned(), cut(FIRST, before_last + 1)),
        on_first("a run is cut behind its start", "missing: it was removed".to_owned(), cut(FIRST, 2)),
        on_first("a run is emptied", "has no entries".to_owned(), cut(FIRST, 0)),
        on_first("a run is removed whole", "is missing: run".to_owned(), remove(FIRST)),
        Case::sql("a session is removed whole", [format!("hub run {session} is missing")], remove(SESSION)),
        Case::sql("a killed run is removed whole", [format!("hub run {killed} is missing")], remove(KILLED)),
        Case::sql(
            "the intent of an interrupted operation is deleted with its signature",
            [format!("entry {end_of_killed} of hub run {killed}, which run {} saw there, is missing", trail.run(LAST))],
            cut(KILLED, end_of_killed),
        ),
        Case::sql(
            "a day is removed: all runs but the last two",
            // The others were seen by this one.
            [format!("hub run {killed} is missing")],
            [FIRST, SESSION, KILLED].map(remove).concat(),
        ),
        Case::sql(
            "the rows of a day are removed",
            [first.to_string(), session.to_string(), "missing".to_owned()],
            format!(
                "DELETE FROM run_events WHERE recorded_at < (SELECT recorded_at FROM audit_statements WHERE position = {})",
                at(KILLED, 1)
            ),
        ),
        Case::sql(
            "all events are deleted",
            [first.to_string(), session.to_string()],
            "DELETE FROM run_events".to_owned(),
        ),
        Case::sql("all runs are forgotten", ["which never started".to_owned()], "DELETE FROM audit_writers".to_owned()),
        on_first(
            "one run is forgotten",
            "is missing: run".to_owned(),
            format!("DELETE FROM audit_writers WHERE number = {FIRST}"),
        ),
        on_first(
            "the list of ties is emptied",
            "was removed from the list of ties".to_owned(),
            "DELETE FROM audit_ties".to_owned(),
        ),
        on_first(
            "a tie is deleted",
            "was removed from the list of ties".to_owned(),
            format!("DELETE FROM audit_ties WHERE position >> 40 = {FIRST}"),
        ),
    ]
}

fn moved(trail: &Trail) -> Vec<Case> {
    let [first, session, last] = [FIRST, SESSION, LAST].map(|run| trail.run(run));
    let events = trail.notes(FIRST);
    let [a, b, c] = [events[0], events[1], events[2]];
    let (end, end_of_last) = (at(FIRST, trail.end(FIRST)), at(LAST, trail.end(LAST)));
    let place =
        |table: &str, from: i64, to: i64| format!("UPDATE {table} SET position = {to} WHERE position = {from};");
    let spare = at(99, 1);
    let swap =
        |table: &str, a: i64, b: i64| [place(table, a, spare), place(table, b, a), place(table, spare, b)].concat();
    let on_first = |what: &str, sql: String| Case::sql(what, [first.to_string()], sql);
    let batches = trail.positions(FIRST, "audit_batches");
    let all = |tables: &[&str], by: &str, run: i64| -> String {
        // Upwards, from the last on, so that none is in another's way.
        tables
            .iter()
            .map(|table| {
                format!(
                    "UPDATE {table} SET position = -position WHERE position >> 40 = {run}; \
                     UPDATE {table} SET position = -position {by} WHERE position < 0;"
                )
            })
            .collect()
    };
    let entries = ["run_events", "run_intents", "audit_statements"];
    vec![
        on_first("two events trade places", swap("run_events", a, b)),
        on_first("three events are reversed", swap("run_events", a, c)),
        on_first("two signatures trade places", swap("audit_batches", batches[1], batches[2])),
        Case::sql(
            "events of two runs trade places",
            [first.to_string(), last.to_string()],
            swap("run_events", a, trail.notes(LAST)[0]),
        ),
        on_first("an old row is moved behind the end of its run", place("run_events", a, end + 1)),
        Case::sql(
            "an old row is moved behind the end of all",
            [first.to_string(), last.to_string()],
            place("run_events", a, end_of_last + 1),
        ),
        on_first("an old row is moved far away", place("run_events", a, at(FIRST, 1 << 39))),
        Case::sql(
            "a row is moved before all others",
            [first.to_string(), "which never started".to_owned()],
            place("run_events", a, -5),
        ),
        on_first("all entries of a run are moved by one", all(&entries, "+ 1", FIRST)),
        on_first(
            "all entries and signatures of a run are moved by one",
            all(&[&entries[..], &["audit_batches"]].concat(), "+ 1", FIRST),
        ),
        Case::sql(
            "two runs trade their ids",
            [first.to_string(), session.to_string()],
            format!(
                "CREATE TEMP TABLE ids AS SELECT number, writer FROM audit_writers; \
                 UPDATE audit_writers SET writer = randomblob(16) WHERE number IN ({FIRST}, {SESSION}); \
                 UPDATE audit_writers SET writer = (SELECT writer FROM ids WHERE number = {FIRST} + {SESSION} - audit_writers.number) \
                 WHERE number IN ({FIRST}, {SESSION})"
            ),
        ),
        Case::sql(
            "a run has another id",
            [format!("hub run {first} is missing")],
            format!("UPDATE audit_writers SET writer = randomblob(16) WHERE number = {FIRST}"),
        ),
        Case::sql(
            "a run has an id that is none",
            ["has no UUID".to_owned()],
            format!("UPDATE audit_writers SET writer = x'0102' WHERE number = {FIRST}"),
        ),
        Case::sql(
            "a run has a number that no position can hold",
            [first.to_string()],
            format!("UPDATE audit_writers SET number = {} WHERE number = {FIRST}", (1_i64 << 24) + FIRST),
        ),
    ]
}

fn changed(trail: &Trail) -> Vec<Case> {
    let [first, killed] = [FIRST, KILLED].map(|run| trail.run(run).to_string());
    let payloads = trail.notes(FIRST);
    let [a, b] = [payloads[0], payloads[1]];
    let shared = trail.number("SELECT position FROM run_events WHERE times > 1 LIMIT 1");
    let on_first = |what: &str, set: &str| {
        let sql = format!("UPDATE run_events SET {set} WHERE position = {a}");
        Case::new(what, [first.clone()], move |database: &Connection| {
            assert_eq!(database.execute(&sql, []).expect(&sql), 1)
        })
    };
    let every = |what: &str, table: &str, set: &str| {
        Case::sql(what, [first.clone(), killed.clone()], format!("UPDATE {table} SET {set}"))
    };
    let digest = {
        let database = trail.look();
        let query = format!("SELECT payload, payload_salt FROM run_events WHERE position = {a}");
        let (text, salt): (String, Vec<u8>) =
            database.query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("a payload");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[&salt, text.as_bytes()].concat());
        digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<String>()
    };
    let removed = format!("payload = NULL, payload_salt = NULL, payload_digest = x'{digest}'");
    vec![
        on_first("a payload says something else", "payload = replace(payload, 'note', 'mode')"),
        on_first("a payload has white space", "payload = replace(payload, ':', ': ')"),
        on_first("a payload is no JSON", "payload = '{'"),
        on_first("a payload is empty", "payload = ''"),
        on_first("a payload is nested too deeply", "payload = printf('%.200c', '[') || printf('%.200c', ']')"),
        on_first("a payload and its salt are removed", "payload = NULL, payload_salt = NULL"),
        Case::sql(
            "a payload is removed, with its digest left, and nobody has said so",
            ["was removed, and nobody has said so".to_owned()],
            format!("UPDATE run_events SET {removed} WHERE position = {a}"),
        ),
        on_first("a salt is removed", "payload_salt = NULL"),
        on_first("a digest stands beside its payload", &format!("payload_digest = x'{digest}'")),
        on_first(
            "payload and result trade places",
            "payload = result, payload_salt = result_salt, result = payload, result_salt = payload_salt",
        ),
        Case::sql(
            "two events trade their payloads",
            [first.clone()],
            format!(
                "CREATE TEMP TABLE kept AS SELECT position, payload, payload_salt FROM run_events WHERE position IN ({a}, {b}); \
                 UPDATE run_events SET (payload, payload_salt) = (SELECT payload, payload_salt FROM kept WHERE position = {a} + {b} - run_events.position) \
                 WHERE position IN ({a}, {b})"
            ),
        ),
        on_first("somebody else has called", "caller_id = randomblob(16)"),
        on_first("nobody has called", "caller_id = NULL, caller_role = NULL"),
        on_first("it was another role", "caller_role = 'ops_viewer'"),
        on_first("it has another outcome", "outcome = 'denied'"),
        on_first("it has an outcome that there is not", "outcome = 'fine'"),
        on_first(
            "its id is written another way",
            "correlation_id = lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21))",
        ),
        on_first("it has the id that it has without one", "correlation_id = id"),
        on_first("it is of another request", "correlation_id = randomblob(16)"),
        on_first("its revision is written another way", "revision = lower(hex(revision))"),
        on_first("its time is none", "created_at = 9223372036854775807"),
        on_first("it took longer than there are numbers", "duration_ms = -1"),
        Case::sql(
            "denials that share a row are fewer",
            [trail.run(shared >> 40).to_string()],
            format!("UPDATE run_events SET times = 1 WHERE position = {shared}"),
        ),
        Case::sql(
            "failures are successes",
            [first.clone(), trail.run(LAST).to_string()],
            "UPDATE run_events SET outcome = 'ok', error = NULL, error_code = NULL".to_owned(),
        ),
        every("another clock: everything began an hour before", "run_events", "created_at = created_at - 3600000"),
        Case::sql(
            "another clock: everything was recorded an hour before",
            [first.clone(), killed.clone()],
            ["run_events", "run_intents", "audit_statements"]
                .map(|table| format!("UPDATE {table} SET recorded_at = recorded_at - 3600000;"))
                .concat(),
        ),
    ]
}
