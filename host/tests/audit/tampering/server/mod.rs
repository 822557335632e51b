//! The same in PostgreSQL, by the server's superuser, for whom no trigger holds.

mod columns;
mod database;
mod ends;
mod forgeries;
mod rows;
mod schema;

use database::Trail;

/// What somebody does to a copy of the trail, and what verification must say of it.
struct Case {
    what: String,
    /// Each stands in what is told.
    told: Vec<String>,
    sql: String,
}

impl Case {
    fn new(what: impl Into<String>, told: impl IntoIterator<Item = impl ToString>, sql: impl Into<String>) -> Self {
        let told = told.into_iter().map(|told| told.to_string()).collect();
        Self { what: what.into(), told, sql: sql.into() }
    }
}

#[tokio::test]
async fn tampering_on_a_server_is_found() {
    let trail = Trail::made().await;
    let (ok, told) = trail.tampered("SELECT 1", &[]).await;
    assert!(ok && told.contains("from 5 hub runs: nothing was changed or removed"), "{told}");
    let mut cases = columns::cases(&trail).await;
    cases.extend(rows::cases(&trail));
    cases.extend(forgeries::cases(&trail));
    cases.extend(schema::cases(&trail));
    let all = cases.len();
    assert!(all >= 60, "{all}");
    all_found(&trail, cases, &[]).await;
    println!("{all} tamperings were found");
}

#[tokio::test]
async fn what_is_cut_off_the_end_on_a_server_is_found_with_a_checkpoint() {
    let trail = Trail::made().await;
    let checkpoints = trail.hub.folder().join("checkpoints.jsonl");
    let with = ["--checkpoint", checkpoints.to_str().expect("a path")];
    let (ok, told) = trail.tampered("SELECT 1", &with).await;
    assert!(ok, "{told}");
    for case in ends::cases(&trail) {
        let (ok, told) = trail.tampered(&case.sql, &[]).await;
        assert!(ok, "{}: nothing in the database tells: {told}", case.what);
    }
    all_found(&trail, ends::cases(&trail), &with).await;
}

async fn all_found(trail: &Trail, cases: Vec<Case>, arguments: &[&str]) {
    let (all, mut unfound) = (cases.len(), Vec::new());
    for Case { what, told, sql } in cases {
        let (ok, report) = trail.tampered(&sql, arguments).await;
        if ok || !told.iter().all(|told| report.contains(told)) {
            unfound.push(format!("{what}: expected {told:?} in {report}"));
        }
    }
    assert!(unfound.is_empty(), "{} of {all} were not found:\n{}", unfound.len(), unfound.join("\n"));
}
