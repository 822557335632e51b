//! What is done to the sums of usage, which are sealed by nobody: they have to be what the rows come to.

use super::{
    Case,
    database::{FIRST, LAST, SESSION, Trail},
};

/// Each of them.
pub fn cases(trail: &Trail) -> Vec<Case> {
    let [first, session, last] = [FIRST, SESSION, LAST].map(|run| trail.run(run));
    let of = |run| format!("the sum of usage of hub run {run}");
    let one = format!("writer = {FIRST} AND tool = 'write.note'");
    let cost = format!("writer = {FIRST} AND unit = 'USD'");
    let set = |what: &str, told: &str, set: &str| {
        let sql = format!("UPDATE usage_rollups SET {set} WHERE {one}");
        Case::sql(format!("a sum of usage: {what}"), [of(first), told.to_owned()], sql)
    };
    let on_first = |what: &str, told: &str, sql: String| Case::sql(what, [of(first), told.to_owned()], sql);
    vec![
        set("a call more", "was changed", "calls = calls + 1"),
        set("a call less", "was changed", "calls = calls - 1"),
        set("no calls", "was changed", "calls = 0"),
        set("negative time", "was changed", "duration_ms = -1"),
        set("a request more", "was changed", "upstream_requests = upstream_requests + 1"),
        set("other bytes", "was changed", "upstream_bytes = 7"),
        set("a cost where there was none", "was changed", "cost = 1"),
        set("of another provider", "was added", "provider = 'other'"),
        set("of another tool", "was added", "tool = 'other'"),
        set("of somebody else", "was added", "caller_id = randomblob(16)"),
        set("of nobody", "was added", "caller_id = zeroblob(16)"),
        set("of another team", "was added", "team = 'red'"),
        set("of another outcome", "was added", "outcome = 'failed'"),
        set("of another unit", "was added", "unit = 'EUR'"),
        set("of another hour", "was added", "hour = hour - 1"),
        Case::sql(
            "a sum of usage: of another run",
            [of(first), of(last)],
            format!("UPDATE OR REPLACE usage_rollups SET writer = {LAST}, team = 'moved' WHERE {one}"),
        ),
        Case::sql(
            "a sum of usage: of a run that there is not",
            ["a sum of usage is of hub run 99, which never started".to_owned(), of(first)],
            format!("UPDATE usage_rollups SET writer = 99 WHERE {one}"),
        ),
        Case::sql(
            "a sum of usage: of an outcome that there is not",
            [format!("a sum of usage of hub run {first} was changed: its outcome is unknown"), of(first)],
            format!("UPDATE usage_rollups SET outcome = 'fine' WHERE {one}"),
        ),
        Case::sql(
            "a sum of usage: of a caller that is none",
            [format!("a sum of usage of hub run {first} was changed: its caller_id has 2 bytes"), of(first)],
            format!("UPDATE usage_rollups SET caller_id = x'0102' WHERE {one}"),
        ),
        on_first("a cost is less", "cost 40000, and", format!("UPDATE usage_rollups SET cost = 40000 WHERE {cost}")),
        on_first("a cost is removed", "is missing", format!("DELETE FROM usage_rollups WHERE {cost}")),
        on_first(
            "a cost is in another unit",
            "in `EUR`",
            format!("UPDATE usage_rollups SET unit = 'EUR' WHERE {cost}"),
        ),
        on_first("a sum is removed", "is missing", format!("DELETE FROM usage_rollups WHERE {one}")),
        on_first(
            "the sums of a run are removed",
            "is missing",
            format!("DELETE FROM usage_rollups WHERE writer = {FIRST}"),
        ),
        Case::sql("all sums are removed", [of(first), of(session), of(last)], "DELETE FROM usage_rollups".to_owned()),
        on_first("all sums are twice as much", "was changed", "UPDATE usage_rollups SET calls = 2 * calls".to_owned()),
        on_first(
            "a sum of nothing is added",
            "was added",
            format!(
                "INSERT INTO usage_rollups SELECT hour - 24, writer, provider, tool, caller_id, team, outcome, unit, 0, 0, 0, 0, 0 \
                 FROM usage_rollups WHERE {one}"
            ),
        ),
    ]
}
