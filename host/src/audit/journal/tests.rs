//! Tests of a chain against files, locks and databases that misbehave.

use std::{fs, path::PathBuf, time::Instant};

use rusqlite::Connection;

use super::{
    super::{
        Audit, Body, Outcome,
        event::UpstreamQuota,
        verify::{Report, verify},
    },
    *,
};
use crate::{audit::event::Intent, store::sqlite};

/// A data folder that goes when the test ends.
struct Data(PathBuf);

impl Data {
    fn new() -> Self {
        let data = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        fs::create_dir_all(&data).expect("a folder");
        Self(data)
    }

    fn database(&self) -> PathBuf {
        self.0.join("ops.db")
    }

    fn audit(&self) -> Audit {
        Audit::open(&self.0, self.database()).expect("a trail")
    }

    fn journal(&self) -> Journal {
        Journal::open(&self.0, &self.database().into(), Uuid::now_v7()).expect("a trail")
    }

    /// Somebody else's connection.
    fn other(&self) -> Connection {
        let connection = Connection::open(self.database()).expect("opened");
        connection.busy_timeout(Duration::from_secs(5)).expect("set");
        connection
    }

    /// Id, outcome and times of every row.
    fn rows(&self) -> Vec<(String, String, u32)> {
        let connection = self.other();
        let mut statement = connection
            .prepare("SELECT id, outcome, times FROM events ORDER BY recorded_at, position")
            .expect("a query");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    fn verified(&self) -> Report {
        let report = verify(&self.0, &self.database().into(), &[], &[]).expect("verified");
        assert_eq!(report.problems, Vec::<String>::new());
        report
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn event() -> Event {
    Event::sample(Outcome::Ok)
}

fn entries(events: &[Event]) -> Vec<Entry> {
    events.iter().map(|event| Entry::Event(Box::new(event.clone()))).collect()
}

fn intent(id: Uuid) -> Intent {
    Intent { id, ..event().announced() }
}

async fn writable(audit: &Audit) {
    let started = Instant::now();
    while let Some(refusal) = audit.refusal() {
        assert!(started.elapsed() < Duration::from_secs(10), "{refusal:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_was_under_way_is_kept_and_who_came_later_is_counted() {
    let data = Data::new();
    let audit = data.audit();
    let first = audit.record(event()).await.expect("recorded");
    let away = data.0.join("away");
    fs::rename(data.database(), &away).expect("moved");
    assert_eq!(audit.turn_away(), None, "nobody has noticed yet");
    let kept: Vec<_> = (0..3).map(|_| event()).collect();
    for event in &kept {
        assert!(audit.record(event.clone()).await.is_err());
    }
    assert!(audit.intend(intent(Uuid::now_v7())).await.is_err(), "what is not announced does not run");
    let row = audit.turn_away().expect("nothing new begins");
    assert_eq!(audit.turn_away(), Some(row));
    fs::rename(&away, data.database()).expect("moved back");
    writable(&audit).await;
    audit.record(event()).await.expect("recorded");
    let rows = data.rows();
    let ids: Vec<_> = rows.iter().map(|(id, ..)| id.as_str()).collect();
    let expected = [first].into_iter().chain(kept.iter().map(|event| event.id)).chain([row]);
    let expected: Vec<_> = expected.map(|id| id.to_string()).collect();
    assert_eq!(ids[..5], expected, "in their order, each once");
    assert_eq!((rows.len(), rows[4].2), (6, 2), "{rows:?}");
    data.verified();
}

#[tokio::test]
async fn a_poisonous_row_has_another_in_its_place_and_holds_up_nobody() {
    let data = Data::new();
    let mut journal = data.journal();
    // The schema refuses a row that stands for nothing, and quotas of nobody.
    let poison = Event { times: 0, ..event() };
    let quota = UpstreamQuota { name: "q".to_owned(), limit: None, remaining: 1, resets_at: None };
    let batch = [event(), poison.clone(), Event { provider: None, quotas: vec![quota], ..event() }];
    let intent = intent(Uuid::now_v7());
    let twice = [Entry::Intent(Box::new(intent.clone())), Entry::Intent(Box::new(intent))];
    let written = journal.commit(entries(&batch).iter().chain(&twice)).expect("committed");
    let ids: Vec<_> = written.iter().map(|row| row.as_ref().ok().copied()).collect();
    let expected = [batch[0].id, stand_in_id(poison.id), batch[2].id, twice[0].id()];
    assert_eq!(ids, expected.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
    assert_eq!(data.rows().iter().map(|(_, _, times)| times).sum::<u32>(), 3);
    data.verified();
}

#[tokio::test]
async fn an_operation_that_another_hub_answered_is_recorded_beside_that_answer() {
    let data = Data::new();
    let (mut mine, mut other) = (data.journal(), data.journal());
    let (ran, beside) = (event(), event());
    mine.commit([Entry::Intent(Box::new(intent(ran.id)))].iter()).expect("announced");
    assert_eq!(other.answer(mine.writer).expect("answered"), 1);
    assert_eq!(other.answer(mine.writer).expect("answered"), 0, "once");
    let written = mine.commit(entries(&[ran.clone(), beside.clone()]).iter()).expect("nobody's batch fails");
    let written: Vec<_> = written.into_iter().map(|row| row.expect("a row")).collect();
    assert_eq!(written, [stand_in_id(ran.id), beside.id]);
    let outcomes: Vec<_> = data.rows().into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, ["interrupted", "ok", "ok"]);
    data.verified();
}

#[tokio::test]
async fn a_commit_of_which_nobody_knows_whether_it_came_through_is_repeated_once_at_most() {
    for came_through in [true, false] {
        let data = Data::new();
        let mut journal = data.journal();
        journal.commit(entries(&[event()]).iter()).expect("committed");
        let before = journal.ledger.head().expect("known");
        let batch = [event(), Event { times: 0, ..event() }];
        if came_through {
            journal.commit(entries(&batch).iter()).expect("committed");
        }
        // As it stands when the disk answers neither yes nor no.
        journal.ledger.sqlite().doubt_since(before);
        journal.commit_again(batch.iter()).expect("committed");
        assert_eq!(data.rows().len(), 3);
        journal.commit(entries(&[event()]).iter()).expect("the chain goes on");
        assert_eq!(data.verified().rows, 4);
    }
}

#[tokio::test]
async fn a_full_disk_is_a_fault_and_no_row_is_lost_when_there_is_room_again() {
    let data = Data::new();
    let mut journal = data.journal();
    journal.commit(entries(&[event()]).iter()).expect("committed");
    let pages = |journal: &mut Journal, pages: i64| {
        journal
            .ledger
            .sqlite()
            .connection()
            .query_row(&format!("PRAGMA ops.max_page_count = {pages}"), [], |_| Ok(()))
            .expect("set");
    };
    pages(&mut journal, 1);
    let large: Vec<_> = (0..20)
        .map(|_| Event {
            payload: Body::of(format!("\"{}\"", "x".repeat(60_000)), crate::names::Kept::Full),
            ..event()
        })
        .collect();
    for _ in 0..3 {
        let fault = journal.commit(entries(&large).iter()).expect_err("full");
        assert!(fault.to_string().contains("free space on the disk"), "{fault}");
    }
    pages(&mut journal, 1_000_000);
    journal.commit_again(large.iter()).expect("committed");
    assert_eq!(data.verified().rows, 21);
}

#[tokio::test]
async fn rows_that_are_not_where_the_hub_left_them_are_a_fault() {
    let data = Data::new();
    let mut journal = data.journal();
    journal.commit(entries(&[event(), event()]).iter()).expect("committed");
    let columns = "duration_ms, created_at, recorded_at, outcome, operation, surface, correlation_id, times";
    let forged = format!(
        "INSERT INTO run_events (position, id, {columns}) SELECT position + 1, x'00', {columns} FROM run_events \
         ORDER BY position DESC LIMIT 1"
    );
    assert_eq!(data.other().execute(&forged, []).expect("inserted"), 1);
    let fault = journal.commit(entries(&[event()]).iter()).expect_err("not its own");
    assert!(matches!(fault, Fault::Rows), "{fault}");
    assert_eq!(data.rows().len(), 3, "it writes nothing on top of that");
}

#[tokio::test]
async fn a_database_that_is_overwritten_in_place_is_a_fault_until_its_content_is_back() {
    let data = Data::new();
    for _ in 0..3 {
        let mut journal = data.journal();
        for _ in 0..10 {
            journal.commit(entries(&[event(), event()]).iter()).expect("committed");
        }
        // The last connection moves everything into the database.
    }
    let older = fs::read(data.database()).expect("read");
    {
        let mut journal = data.journal();
        let large: Vec<_> = (0..40)
            .map(|_| Event {
                payload: Body::of(format!("\"{}\"", "x".repeat(60_000)), crate::names::Kept::Full),
                ..event()
            })
            .collect();
        journal.commit(entries(&large).iter()).expect("committed");
    }
    let newest = fs::read(data.database()).expect("read");
    assert!(newest.len() > older.len());
    let mut journal = data.journal();
    journal.commit(entries(&[event()]).iter()).expect("committed");
    for wrong in [&older[..], b"", b"not a database", &newest[..older.len()]] {
        fs::write(data.database(), wrong).expect("overwritten");
        for _ in 0..2 {
            let fault = journal.commit(entries(&[event()]).iter()).expect_err("overwritten");
            assert!(matches!(fault, Fault::Overwritten | Fault::Open(_) | Fault::Sqlite(_)), "{fault}");
        }
        fs::write(data.database(), &newest).expect("put back");
        journal.commit(entries(&[event()]).iter()).expect("it goes on");
    }
    // Another connection's checkpoint is no harm.
    data.other().query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())).expect("moved");
    journal.commit(entries(&[event()]).iter()).expect("it goes on");
    drop(journal);
    assert_eq!(data.verified().rows, 60 + 40 + 6);
}

#[tokio::test]
async fn files_beside_the_database_that_vanish_cost_no_row() {
    for suffix in ["-wal", "-shm"] {
        let data = Data::new();
        let audit = data.audit();
        for _ in 0..5 {
            audit.record(event()).await.expect("recorded");
        }
        fs::remove_file(data.0.join(format!("ops.db{suffix}"))).expect("removed");
        assert!(audit.record(event()).await.is_err(), "it would be written where nobody finds it");
        writable(&audit).await;
        audit.record(event()).await.expect("recorded");
        assert_eq!(data.rows().len(), 7, "{suffix}");
        data.verified();
    }
}

#[tokio::test]
async fn a_trigger_of_somebody_elses_is_a_fault_until_it_is_gone() {
    let data = Data::new();
    let mut journal = data.journal();
    journal.commit(entries(&[event()]).iter()).expect("committed");
    let other = data.other();
    other
        .execute_batch("CREATE TRIGGER swallow BEFORE INSERT ON run_events BEGIN SELECT RAISE(IGNORE); END")
        .expect("made");
    let (kept, told) = ([event()], "trigger `swallow` is not the hub's");
    for _ in 0..2 {
        let fault = journal.commit(entries(&kept).iter()).expect_err("swallowed");
        assert!(fault.to_string().contains(told), "{fault}");
    }
    let report = verify(&data.0, &data.database().into(), &[], &[]).expect("verified");
    assert!(report.problems.iter().any(|problem| problem.contains(told)), "{report:?}");
    let refused = sqlite::open(&data.database()).expect_err("not at the start either");
    assert!(refused.to_string().contains(told), "{refused}");
    other.execute_batch("DROP TRIGGER swallow; ANALYZE").expect("dropped");
    journal.commit_again(kept.iter()).expect("committed");
    assert_eq!(data.verified().rows, 2);
}

#[tokio::test]
async fn a_trail_that_ends_while_nothing_can_be_written_is_answered_for_at_the_next_start() {
    let data = Data::new();
    let audit = data.audit();
    let ran = event();
    audit.intend(intent(ran.id)).await.expect("announced");
    let away = data.0.join("away");
    fs::rename(data.database(), &away).expect("moved");
    assert!(audit.record(ran.clone()).await.is_err());
    audit.close().await;
    fs::rename(&away, data.database()).expect("moved back");
    data.audit().close().await;
    assert_eq!(data.rows(), [(ran.id.to_string(), "interrupted".to_owned(), 1)]);
    data.verified();
}
