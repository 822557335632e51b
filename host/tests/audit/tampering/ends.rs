//! What nothing in the database tells: that its end is not the end.

use super::{
    Case,
    database::{LAST, LAST_SESSION, Trail, cut, remove},
};

/// Each of them.
pub fn cases(trail: &Trail) -> Vec<Case> {
    let [last, session] = [LAST, LAST_SESSION].map(|run| trail.run(run));
    let batches = trail.positions(LAST, "audit_batches");
    // The session beside it has seen its beginning.
    let tied =
        trail.number(&format!("SELECT max(position) & 1099511627775 FROM audit_ties WHERE position >> 40 = {LAST}"));
    let end = trail.end(LAST);
    let seen = |run| [format!("of hub run {run}"), "the checkpoint of".to_owned()];
    let untied = |run: i64| format!("DELETE FROM audit_ties WHERE statement >> 40 = {run};");
    vec![
        Case::sql(
            "the last statement is cut off",
            [format!("entry {end} of hub run {last}, which the checkpoint of")],
            cut_from(end),
        ),
        Case::sql("all is cut off that nobody has seen", seen(last), cut_from(tied + 1)),
        Case::sql(
            "the newest runs are removed, as in an older copy",
            [format!("hub run {last} is missing: the checkpoint of")],
            remove(LAST) + &remove(LAST_SESSION),
        ),
        Case::sql(
            "everything is removed",
            [format!("hub run {last} is missing"), "the checkpoint of".to_owned()],
            (1..=LAST_SESSION).map(remove).collect(),
        ),
        Case::sql(
            "the newest run is cut behind its start, and the session beside it with it",
            [last.to_string(), "the checkpoint of".to_owned()],
            cut(LAST, 2)
                + &format!("DELETE FROM audit_ties WHERE statement >> 40 = {LAST} AND statement & 1099511627775 > 1;")
                + &remove(LAST_SESSION),
        ),
        Case::sql(
            "a session is removed with the statements that saw it",
            [session.to_string(), "the checkpoint of".to_owned()],
            {
                let from = trail.number(&format!(
                "SELECT min(statement & 1099511627775) FROM audit_ties WHERE position >> 40 = {LAST_SESSION} AND statement >> 40 = {LAST}"
            ));
                let from =
                    batches.iter().rev().map(|batch| batch & 0xff_ffff_ffff).find(|seq| *seq < from).unwrap_or(from);
                cut_from(from + 1) + &untied(LAST_SESSION) + &remove(LAST_SESSION)
            },
        ),
    ]
}

/// Cuts the newest run, and what its statements there say in the list of ties.
fn cut_from(from: i64) -> String {
    cut(LAST, from)
        + &format!("DELETE FROM audit_ties WHERE statement >> 40 = {LAST} AND statement & 1099511627775 >= {from};")
}
