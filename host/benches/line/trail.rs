//! What is asked of a large trail: how long the first page takes by each filter, and what readers cost those who call.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    client::{self, Seen},
    rows::Ask,
    server::{Kind, Server},
};

/// What the trail is of.
const DAYS: i64 = 30;
/// How often each is asked.
const TIMES: usize = 9;
/// Callers at once, and readers beside them.
const CALLERS: usize = 32;
const READERS: usize = 4;
/// How long the callers call.
const CALLED: Duration = Duration::from_secs(4);

/// Rows as calls leave them, of 200 callers, five providers and 23 tools; each twentieth failed. They are not sealed: whoever
/// searches reads the same columns.
const FILL: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1), \
    at(i, ms) AS (SELECT i, ?2 + i * ?3 / ?1 FROM n) \
    INSERT INTO run_events (position, id, provider, tool, caller_id, caller_role, team, payload, payload_salt, result, result_salt, \
        error, duration_ms, hostname, created_at, recorded_at, outcome, error_code, operation, surface, correlation_id, revision, times) \
    SELECT (?4 << 40) + i, CAST(unhex(printf('%012x', ms)) || randomblob(10) AS BLOB), 'provider-' || (i % 5), 'tool-' || (i % 23) || '.v1', \
        unhex(printf('%032x', 1000 + i % 200)), 'ops_operator', 'team-' || (i % 7), '{\"message\":\"number ' || i || '\"}', \
        randomblob(16), '{\"message\":\"number ' || i || '\"}', randomblob(16), iif(i % 20, NULL, 'the upstream answered 502'), \
        i % 900, 'api-' || (i % 5) || '.example.org', ms, ms, iif(i % 20, 'ok', 'failed'), iif(i % 20, NULL, 'provider_error'), \
        'call_tool', 'rest', iif(i % 10, NULL, 'request-' || i), randomblob(32), 1 FROM at";

/// Fills a trail and asks.
pub(crate) fn tell(runtime: &Runtime, hub: &Path, rows: u32) -> anyhow::Result<()> {
    let folder = Folder(env::temp_dir().join(format!("bulkhead-bench-{}", Uuid::new_v4())));
    let started = || Server::start(&Kind::HubAt { program: hub.to_owned(), data: folder.0.clone() });
    started()?.end()?;
    eprintln!("making {rows} rows of {DAYS} days ...");
    let trail = Trail::fill(&folder.0.join("data/ops.db"), rows)?;
    let server = started()?;
    println!("\n{rows} rows of {DAYS} days in {:.0} MiB, SQLite; {TIMES} times each, over REST:\n", trail.mib);
    println!("| first page by | median ms | most ms |\n|---|--:|--:|");
    for (what, path) in trail.questions() {
        let (median, most) = asked(&server, &path).with_context(|| what.to_owned())?;
        println!("| {what} | {median:.1} | {most:.1} |");
    }
    println!("\n{CALLERS} callers of the echo at once, for {} s:\n", CALLED.as_secs());
    println!("| beside them | calls/s | p50 ms | p99 ms | reads |\n|---|--:|--:|--:|--:|");
    for readers in [0, READERS] {
        let (seen, reads) = called(runtime, &server, &trail, readers)?;
        let what = if readers == 0 { "nobody".to_owned() } else { format!("{readers} who search and export") };
        let (p50, p99) = (seen.percentile_ms(50), seen.percentile_ms(99));
        println!("| {what} | {:.0} | {p50:.2} | {p99:.2} | {reads} |", seen.per_second());
    }
    server.end().map(drop)
}

/// A folder that goes when this does.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is in the trail.
struct Trail {
    id: Uuid,
    day: DateTime<Utc>,
    mib: f64,
}

impl Trail {
    fn fill(database: &Path, rows: u32) -> anyhow::Result<Self> {
        let connection = Connection::open(database)?;
        connection.execute("INSERT INTO audit_writers (writer) VALUES (?1)", [Uuid::now_v7().as_bytes()])?;
        let number = connection.last_insert_rowid();
        let span = TimeDelta::days(DAYS);
        let start = Utc::now() - span;
        connection.execute(FILL, rusqlite::params![rows, start.timestamp_millis(), span.num_milliseconds(), number])?;
        let middle = "SELECT id FROM run_events WHERE position = (?1 << 40) + ?2";
        let id = connection.query_row(middle, [number, i64::from(rows / 2)], |row| row.get(0))?;
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        drop(connection);
        // It is of some hundred MiB.
        #[expect(clippy::cast_precision_loss)]
        let mib = fs::metadata(database)?.len() as f64 / f64::from(1 << 20);
        Ok(Self { id: Uuid::from_bytes(id), day: start + span / 2, mib })
    }

    fn questions(&self) -> Vec<(&'static str, String)> {
        let (from, to) = (self.day, self.day + TimeDelta::days(1));
        let time = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let within = |filter: &str| format!("/audit/events?from={}&to={}&{filter}", time(from), time(to));
        let whole = |filter: &str| format!("/audit/events?{filter}");
        let caller = Uuid::from_u128(1042);
        vec![
            ("nothing, of all", whole("")),
            ("nothing, counted", whole("total=true")),
            ("id, of all", format!("/audit/events/{}", self.id)),
            ("caller, of all", whole(&format!("caller={caller}"))),
            ("correlation id, of all", whole("correlation_id=request-500")),
            ("tool, of all", whole("provider=provider-3&tool=tool-7.v1")),
            ("nothing, of a day", within("")),
            ("provider, of a day", within("provider=provider-3")),
            ("a tool that there is not, of a day", within("tool=none")),
            ("team, of a day", within("team=team-6")),
            ("outcome, of a day", within("outcome=failed")),
            ("an error code that there is not, of a day", within("error_code=timeout")),
            ("host, of a day", within("hostname=api-9.example.org")),
            ("duration, of a day", within("min_duration_ms=899")),
            ("text that there is, of a day", within("text=upstream%20answered")),
            ("text that there is not, of a day", within("text=nowhere%20to%20be%20found")),
        ]
    }
}

/// The median and the most, in milliseconds.
fn asked(server: &Server, path: &str) -> anyhow::Result<(f64, f64)> {
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        get(server, path)?;
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    Ok((took[TIMES / 2], took[TIMES - 1]))
}

/// Calls, while others read as fast as they are let; gives what the callers saw, and how often the others were answered.
fn called(runtime: &Runtime, server: &Server, trail: &Trail, readers: usize) -> anyhow::Result<(Seen, u64)> {
    let (over, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut questions = trail.questions();
    questions.push(("an export", "/audit/export?format=csv&outcome=failed".to_owned()));
    let request = Ask::Rest.request(&server.token);
    let seen = thread::scope(|scope| {
        for reader in 0..readers {
            let (questions, over, reads) = (&questions, &over, &reads);
            scope.spawn(move || {
                for (_, path) in questions.iter().cycle().skip(reader * 4) {
                    if over.load(Relaxed) {
                        break;
                    }
                    // One that is told to wait is not counted.
                    reads.fetch_add(u64::from(get(server, path).is_ok()), Relaxed);
                }
            });
        }
        let seen = runtime.block_on(client::load(server.address.clone(), request, CALLERS, CALLED));
        over.store(true, Relaxed);
        seen
    })?;
    Ok((seen, reads.load(Relaxed)))
}

/// Gets something whole.
fn get(server: &Server, path: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(&server.address)?;
    let token = &server.token;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{:.300}", String::from_utf8_lossy(&answer));
    Ok(())
}
