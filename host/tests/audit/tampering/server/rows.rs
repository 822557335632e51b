//! Rows that are deleted, moved, swapped, or changed in a way that is no flipped bit.

use super::{
    Case,
    database::{ENTRIES, FIRST, KILLED, LAST, SESSION, SIGNED, Trail},
};

/// Each of them.
pub fn cases(trail: &Trail) -> Vec<Case> {
    [deleted(trail), moved(trail), changed(trail)].into_iter().flatten().collect()
}

fn deleted(trail: &Trail) -> Vec<Case> {
    let [first, session, killed, last] = [FIRST, SESSION, KILLED, LAST].map(|run| &trail.runs[run]);
    let (note, intent) = (first.notes[1], first.intents[0]);
    let (last_statement, before_last) = (first.end, first.batches[first.batches.len() - 2]);
    let delete = |table: &str, seq: i64| format!("DELETE FROM {table} WHERE {}", first.at(seq));
    let on_first = |what: &str, told: &str, sql: String| Case::new(what, [told.to_owned(), first.id.to_string()], sql);
    let missing = |run: &super::database::Run| format!("hub run {} is missing", run.id);
    vec![
        on_first("one event is deleted", &format!("entry {note} of hub run"), delete("run_events", note)),
        on_first("an intent is deleted", &format!("entry {intent} of hub run"), delete("run_intents", intent)),
        on_first(
            "an intent and its event are deleted",
            "missing",
            format!(
                "DELETE FROM run_events WHERE id = (SELECT id FROM run_intents WHERE {}); {}",
                first.at(intent),
                delete("run_intents", intent)
            ),
        ),
        on_first("a start is deleted", "entry 1 of hub run", delete("audit_statements", 1)),
        on_first("a signature is deleted", "are not signed by its key", delete("audit_batches", first.batches[1])),
        on_first(
            "all signatures of a run are deleted",
            "are not signed",
            format!("DELETE FROM audit_batches WHERE writer = '{}'", first.id),
        ),
        on_first(
            "the last entry is deleted, but not its signature",
            "but there is a signature of it",
            delete("audit_statements", last_statement),
        ),
        on_first("the end of an older run is cut", "missing: it was removed", first.cut(before_last + 1)),
        on_first("a run is cut behind its start", "missing: it was removed", first.cut(2)),
        on_first("a run is emptied", "has no entries", first.cut(0)),
        on_first("a run is removed whole", "is missing: run", first.removed()),
        Case::new("a session is removed whole", [missing(session)], session.removed()),
        Case::new("a killed run is removed whole", [missing(killed)], killed.removed()),
        Case::new(
            "the intent of an interrupted operation is deleted with its signature",
            [format!("entry {} of hub run {}, which run {} saw there, is missing", killed.end, killed.id, last.id)],
            killed.cut(killed.end),
        ),
        Case::new(
            "a day is removed: all runs but the last two",
            [missing(killed)],
            [first, session, killed].map(super::database::Run::removed).concat(),
        ),
        Case::new(
            "the rows of a day are removed",
            [first.id.to_string(), session.id.to_string(), "missing".to_owned()],
            format!(
                "DELETE FROM run_events WHERE recorded_at < (SELECT recorded_at FROM audit_statements WHERE {})",
                killed.at(1)
            ),
        ),
        Case::new("all events are deleted", [first.id, session.id, last.id], "DELETE FROM run_events"),
        Case::new("all tables are emptied but the list of runs", [first.id, last.id], format!("TRUNCATE {}", SIGNED.join(", "))),
        Case::new("all runs are forgotten", ["which never started"], "DELETE FROM audit_writers"),
        on_first(
            "one run is forgotten",
            "is missing: run",
            format!("DELETE FROM audit_writers WHERE writer = '{}'", first.id),
        ),
        on_first("the list of ties is emptied", "was removed from the list of ties", "DELETE FROM audit_ties".to_owned()),
        on_first(
            "a tie is deleted",
            "was removed from the list of ties",
            format!("DELETE FROM audit_ties WHERE writer = '{}'", first.id),
        ),
    ]
}

fn moved(trail: &Trail) -> Vec<Case> {
    let [first, session, last] = [FIRST, SESSION, LAST].map(|run| &trail.runs[run]);
    let [a, b, c] = [first.notes[0], first.notes[1], first.notes[2]];
    let on_first = |what: &str, sql: String| Case::new(what, [first.id], sql);
    let by_one = |tables: &[&str]| -> String {
        // By way of where nobody is, so that none is in another's way.
        let moved = |table: &&str| {
            format!(
                "UPDATE {table} SET seq = -seq WHERE writer = '{0}'; UPDATE {table} SET seq = 1 - seq WHERE writer = '{0}';",
                first.id
            )
        };
        tables.iter().map(moved).collect()
    };
    let of_another = |table: &str, seq: i64, to: i64| {
        format!("UPDATE {table} SET writer = '{}', seq = {to} WHERE {};", last.id, first.at(seq))
    };
    let two_runs = format!(
        "CASE writer WHEN '{0}' THEN '{1}'::uuid WHEN '{1}' THEN '{0}'::uuid ELSE writer END",
        first.id, session.id
    );
    vec![
        on_first("two events trade places", first.swapped("run_events", a, b)),
        on_first("three events are reversed", first.swapped("run_events", a, c)),
        on_first("two intents trade places", first.swapped("run_intents", first.intents[0], first.intents[1])),
        on_first("two signatures trade places", first.swapped("audit_batches", first.batches[1], first.batches[2])),
        Case::new(
            "an event is moved behind the end of another run",
            [first.id, last.id],
            of_another("run_events", a, last.end + 1),
        ),
        Case::new(
            "events of two runs trade places",
            [first.id, last.id],
            format!(
                "{} UPDATE run_events SET writer = '{}', seq = {a} WHERE {}; {}",
                of_another("run_events", a, -1),
                first.id,
                last.at(last.notes[0]),
                last.moved("run_events", -1, last.notes[0])
            ),
        ),
        on_first("an old row is moved behind the end of its run", first.moved("run_events", a, first.end + 1)),
        on_first("an old row is moved far away", first.moved("run_events", a, 1 << 50)),
        on_first("an old row is moved before the first", first.moved("run_events", a, 0)),
        on_first("an old row is moved before all numbers", first.moved("run_events", a, i64::MIN + 1)),
        on_first("all entries of a run are moved by one", by_one(&ENTRIES)),
        on_first("all entries and signatures of a run are moved by one", by_one(&SIGNED)),
        Case::new(
            "two runs trade their entries",
            [first.id, session.id],
            SIGNED.map(|table| {
                format!(
                    "CREATE TEMP TABLE traded AS SELECT ctid AS at, {two_runs} AS run FROM {table}; \
                     UPDATE {table} SET seq = -seq WHERE writer IN ('{0}', '{1}'); \
                     UPDATE {table} SET writer = {two_runs}, seq = -seq + 1000000 WHERE writer IN ('{0}', '{1}'); \
                     UPDATE {table} SET seq = seq - 1000000 WHERE writer IN ('{0}', '{1}'); DROP TABLE traded;",
                    first.id, session.id
                )
            }).concat(),
        ),
        Case::new(
            "a run has another id",
            [format!("hub run {} is missing", first.id)],
            format!("UPDATE audit_writers SET writer = gen_random_uuid() WHERE writer = '{}'", first.id),
        ),
        Case::new(
            "a run has another id everywhere",
            [first.id.to_string(), "is missing".to_owned()],
            [&SIGNED[..], &["audit_writers", "audit_ties"]].concat().iter().map(|table| {
                format!("UPDATE {table} SET writer = '0192f3c4-d5e6-7f80-91a2-b3c4d5e6f708' WHERE writer = '{}';", first.id)
            }).collect::<String>(),
        ),
    ]
}

fn changed(trail: &Trail) -> Vec<Case> {
    let [first, killed, last] = [FIRST, KILLED, LAST].map(|run| &trail.runs[run]);
    let [a, b] = [first.notes[0], first.notes[1]];
    let on_first = |what: &str, set: &str| {
        Case::new(what, [first.id], format!("UPDATE run_events SET {set} WHERE {}", first.at(a)))
    };
    // The canonical form of a note: one member, and nothing in it to be escaped.
    let digest = "sha256(payload_salt || convert_to(replace(payload::text, '\": \"', '\":\"'), 'UTF8'))";
    vec![
        on_first("a payload says something else", "payload = replace(payload::text, 'note', 'mode')::jsonb"),
        on_first("a payload is nested deeply", "payload = (repeat('[', 200) || repeat(']', 200))::jsonb"),
        on_first("a payload has a number that is rounded", "payload = '{\"text\": 1e400}'"),
        on_first("a payload and its salt are removed", "payload = NULL, payload_salt = NULL"),
        Case::new(
            "a payload is removed, with its digest left, and nobody has said so",
            ["was removed, and nobody has said so"],
            format!(
                "UPDATE run_events SET payload = NULL, payload_salt = NULL, payload_digest = {digest} WHERE {}",
                first.at(a)
            ),
        ),
        on_first(
            "a payload is removed as if the config had wanted that",
            &format!("payload = NULL, payload_salt = NULL, payload_kept = 'digest', payload_digest = {digest}"),
        ),
        on_first("a digest stands beside its payload", &format!("payload_digest = {digest}")),
        on_first(
            "payload and result trade places",
            "payload = result, payload_salt = result_salt, result = payload, result_salt = payload_salt",
        ),
        Case::new(
            "two events trade their payloads",
            [first.id],
            format!(
                "UPDATE run_events e SET payload = o.payload, payload_salt = o.payload_salt FROM run_events o \
                 WHERE e.writer = '{0}' AND o.writer = '{0}' AND e.seq IN ({a}, {b}) AND o.seq = {a} + {b} - e.seq",
                first.id
            ),
        ),
        Case::new(
            "two events trade their ids",
            [first.id],
            format!(
                "CREATE TEMP TABLE ids AS SELECT seq, id FROM run_events WHERE writer = '{0}' AND seq IN ({a}, {b}); \
                 UPDATE run_events SET id = gen_random_uuid() WHERE writer = '{0}' AND seq IN ({a}, {b}); \
                 UPDATE run_events e SET id = i.id FROM ids i WHERE e.writer = '{0}' AND e.seq = {a} + {b} - i.seq",
                first.id
            ),
        ),
        on_first("nobody has called", "caller = NULL, caller_role = NULL"),
        on_first("it was another role", "caller_role = 'ops_viewer'"),
        on_first("it has another outcome", "outcome = 'denied'"),
        on_first("it has an outcome that there is not", "outcome = 'fine'"),
        on_first("it was another tool", "provider = 'hello-rs', tool = 'echo.v1'"),
        on_first("it came in elsewhere", "surface = 'mcp'"),
        Case::new(
            "denials that share a row are fewer",
            ["hub run"],
            "UPDATE run_events SET times = 1 WHERE times > 1",
        ),
        Case::new("a sum of usage is larger", ["was changed: it says"], "UPDATE usage_rollups SET calls = calls + 1"),
        Case::new("sums of usage are deleted", ["is missing: the rows come to"], "DELETE FROM usage_rollups"),
        Case::new(
            "usage is put on somebody else",
            ["was added: no row is of that"],
            "UPDATE usage_rollups SET caller_id = gen_random_uuid() WHERE ctid = (SELECT ctid FROM usage_rollups LIMIT 1)",
        ),
        Case::new(
            "failures are successes",
            [first.id, last.id],
            "UPDATE run_events SET outcome = 'ok', error = NULL, error_code = NULL",
        ),
        Case::new(
            "another clock: everything began an hour before",
            [first.id, killed.id],
            "UPDATE run_events SET created_at = created_at - interval '1 hour'",
        ),
        Case::new(
            "another clock: everything was recorded an hour before",
            [first.id, killed.id],
            ENTRIES.map(|table| format!("UPDATE {table} SET recorded_at = recorded_at - interval '1 hour';")).concat(),
        ),
    ]
}
