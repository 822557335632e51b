//! Whatever somebody does to a trail who has the database, `bulkhead audit verify` finds it and says where.

mod columns;
mod database;
mod ends;
mod forgeries;
mod rows;
mod stores;
mod sums;

use bulkhead::audit::{Audit, AuditKey};
use rusqlite::Connection;

use crate::support::hub::Folder;
use database::Trail;

/// Something that is done to a copy of the trail, and what verification must say of it.
struct Case {
    what: String,
    /// Each stands in what is told.
    told: Vec<String>,
    tamper: Box<dyn FnOnce(&Connection)>,
}

impl Case {
    fn new(
        what: impl Into<String>,
        told: impl IntoIterator<Item = String>,
        tamper: impl FnOnce(&Connection) + 'static,
    ) -> Self {
        Self { what: what.into(), told: told.into_iter().collect(), tamper: Box::new(tamper) }
    }

    fn sql(what: impl Into<String>, told: impl IntoIterator<Item = String>, sql: String) -> Self {
        Self::new(what, told, move |database| database.execute_batch(&sql).expect(&sql))
    }
}

/// Everything that is found without a checkpoint from elsewhere.
#[tokio::test]
async fn tampering_is_found() {
    let trail = Trail::made().await;
    let untouched = trail.tampered(|_| {});
    let (ok, told) = trail.verified(&untouched, &[]);
    assert!(ok && told.contains("from 5 hub runs: nothing was changed or removed"), "{told}");

    let mut cases = columns::cases(&trail);
    cases.extend(columns::not_utf8(&trail));
    cases.extend(rows::cases(&trail));
    cases.extend(forgeries::cases(&trail));
    cases.extend(stores::cases());
    cases.extend(sums::cases(&trail));
    let all = cases.len();
    assert!(all >= 60, "{all}");
    all_found(&trail, cases, &[]);
    println!("{all} tamperings were found");

    // Whoever has this program, but not the key, goes on with the trail: everything is right but whose it is.
    let (copy, forger) = (trail.tampered(|_| {}), Folder::new());
    Audit::open(forger.path(), copy.as_path()).expect("a trail").close().await;
    let (ok, told) = trail.verified(&copy, &[]);
    assert!(!ok && told.contains("is signed with a key that is not trusted here"), "{told}");
}

/// The newest run ends after everything else, and nothing in the database says where: a checkpoint from elsewhere does.
#[tokio::test]
async fn what_is_cut_off_the_end_is_found_with_a_checkpoint() {
    let trail = Trail::made().await;
    let checkpoints = trail.hub.folder().join("checkpoints.jsonl");
    let with = ["--checkpoint", checkpoints.to_str().expect("a path")];
    let untouched = trail.tampered(|_| {});
    let (ok, told) = trail.verified(&untouched, &with);
    assert!(ok, "{told}");
    for case in ends::cases(&trail) {
        let what = case.what.clone();
        let (ok, told) = trail.verified(&trail.tampered(case.tamper), &[]);
        assert!(ok, "{what}: nothing in the database tells: {told}");
    }
    all_found(&trail, ends::cases(&trail), &with);

    let untouched = trail.tampered(|_| {});
    let genuine = std::fs::read_to_string(&checkpoints).expect("checkpoints");
    assert!(genuine.lines().count() >= 3, "one at each end, but for the run that was killed: {genuine}");
    let other = Folder::new();
    let forger = AuditKey::open(other.path()).expect("a key").public().to_string();
    let own = trail.hub.command(&["audit", "key"]);
    for (what, forged) in [
        ("a number is another", genuine.replace("\"seq\":", "\"seq\":1")),
        ("a time is another", genuine.replace("\"at\":\"2", "\"at\":\"1")),
        ("it names another key", genuine.replace(&own, &forger)),
        ("its end is gone", genuine[..genuine.len() - 40].to_owned()),
    ] {
        let file = other.path().join("forged.jsonl");
        std::fs::write(&file, forged).expect("written");
        let (ok, told) = trail.verified(&untouched, &["--checkpoint", file.to_str().expect("a path")]);
        assert!(!ok && told.contains("forged.jsonl is no"), "{what}: {told}");
    }
    // Another hub's trail has nothing of what this one's checkpoints saw.
    let (ok, told) = trail.verified(&trail.tampered(|_| {}), &[&with[..], &["--key", &forger]].concat());
    assert!(!ok && told.contains("is no genuine checkpoint") && told.contains("not trusted here"), "{told}");
}

fn all_found(trail: &Trail, cases: Vec<Case>, arguments: &[&str]) {
    let all = cases.len();
    let mut unfound = Vec::new();
    for Case { what, told, tamper } in cases {
        let tampered = trail.tampered(tamper);
        let (ok, report) = trail.verified(&tampered, arguments);
        if ok || !told.iter().all(|told| report.contains(told)) {
            unfound.push(format!("{what}: expected {told:?} in {report}"));
        }
    }
    assert!(unfound.is_empty(), "{} of {all} were not found:\n{}", unfound.len(), unfound.join("\n"));
}
