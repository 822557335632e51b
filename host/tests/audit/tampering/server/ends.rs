//! What nothing in the database tells: that its end is not the end.

use super::{
    Case,
    database::{LAST, LAST_SESSION, Run, Trail},
};

/// Each of them.
pub fn cases(trail: &Trail) -> Vec<Case> {
    let [last, session] = [LAST, LAST_SESSION].map(|run| &trail.runs[run]);
    let seen = "the checkpoint of".to_owned();
    let cut = |from: i64| {
        format!("{} DELETE FROM audit_ties WHERE statement_writer = '{}' AND statement_seq >= {from};", last.cut(from), last.id)
    };
    let missing = |run: &Run| format!("hub run {} is missing: the checkpoint of", run.id);
    vec![
        Case::new(
            "the last statement is cut off",
            [format!("entry {} of hub run {}, which the checkpoint of", last.end, last.id)],
            cut(last.end),
        ),
        Case::new(
            "the newest runs are removed, as in an older copy",
            [missing(last)],
            [last, session].map(Run::removed).concat(),
        ),
        Case::new("everything is removed", [missing(last)], trail.runs.iter().map(Run::removed).collect::<String>()),
        Case::new(
            "the newest run is cut behind its start, and the session beside it with it",
            [last.id.to_string(), seen],
            cut(2) + &session.removed(),
        ),
    ]
}
