//! What the hub knows of each connection, and which one is evicted.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A whole request head must be there this long after the connection, or after the first byte of a further one.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A connection may idle this long between requests: longer than the 60 s after which common proxies give up theirs, so
/// that they never send a request into a connection that is just being closed.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(75);
/// How long a client may take nothing of what is there for it.
const STALL_TIME: Duration = Duration::from_secs(30);

/// Instead of a number of calls: the connection has been evicted.
const EVICTED: u32 = u32::MAX;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No request head in time.
    SlowHead,
    /// Nothing to do for long.
    Idle,
    /// An answer that nobody takes.
    Stalled,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    log: Mutex<Log>,
    /// Calls under way on it, or [`EVICTED`]: one word, so that no call can begin on a connection that has just been chosen,
    /// nor one be chosen on which a call has just begun.
    calls: AtomicU32,
    /// When its last call ended, as a running number; 0 while no authenticated caller has used it. The lowest goes first.
    priority: AtomicU64,
    evicted: CancellationToken,
}

/// What happened on a connection.
#[derive(Debug)]
struct Log {
    /// Since when no request is open.
    idle_since: Instant,
    /// When the first byte after that came.
    heard: Option<Instant>,
    /// Requests that came in.
    requests: u64,
    /// Requests without a whole answer.
    open: u32,
    /// Those among them whose answers go on for as long as the client likes: the hub's end does not wait for them.
    endless: u32,
    /// HTTP/2, whose bytes between requests are not always the beginning of one.
    multiplexed: bool,
    /// Answers that wait for the client, and since when.
    answers: HashMap<u64, Instant>,
    /// Since when the client takes no bytes at all.
    blocked: Option<Instant>,
}

impl Connection {
    fn new(id: u64, now: Instant) -> Self {
        Self {
            id,
            log: Mutex::new(Log {
                idle_since: now,
                heard: None,
                requests: 0,
                open: 0,
                endless: 0,
                multiplexed: false,
                answers: HashMap::new(),
                blocked: None,
            }),
            calls: AtomicU32::new(0),
            priority: AtomicU64::new(0),
            evicted: CancellationToken::new(),
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When its first request's head must be there.
    pub(super) fn first_head_due(&self) -> Instant {
        self.log().idle_since + HEAD_TIME
    }

    /// Bytes came in.
    pub(super) fn hears(&self, now: Instant) {
        let mut log = self.log();
        if log.open == 0 && log.heard.is_none() {
            log.heard = Some(now);
        }
    }

    /// Bytes went out (`None`), or the client would not take them.
    pub(super) fn blocked(&self, now: Option<Instant>) {
        let mut log = self.log();
        log.blocked = now.map(|now| log.blocked.unwrap_or(now));
    }

    /// A request begins; gives its number.
    pub(super) fn begins(&self, multiplexed: bool) -> u64 {
        let mut log = self.log();
        log.requests += 1;
        log.open += 1;
        log.heard = None;
        log.multiplexed = multiplexed;
        log.requests
    }

    /// A request's answer waits for the client since `now`, or, with `None`, for the hub.
    pub(super) fn answers(&self, request: u64, now: Option<Instant>) {
        let mut log = self.log();
        match now {
            Some(now) => log.answers.insert(request, now),
            None => log.answers.remove(&request),
        };
    }

    /// A request has its whole answer.
    pub(super) fn ends(&self, request: u64, now: Instant) {
        let mut log = self.log();
        log.answers.remove(&request);
        log.open = log.open.saturating_sub(1);
        if log.open == 0 {
            (log.idle_since, log.heard) = (now, None);
        }
    }

    /// An answer that may go on for as long as the client likes begins (`true`) or ends.
    pub(super) fn endless(&self, begins: bool) {
        let mut log = self.log();
        log.endless = if begins { log.endless + 1 } else { log.endless.saturating_sub(1) };
    }

    /// Whether a request is open for which the hub's end waits.
    pub(super) fn is_awaited(&self) -> bool {
        let log = self.log();
        log.open > log.endless
    }

    /// Whether its requests come beside each other (HTTP/2), as far as is known.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.log().multiplexed
    }

    /// Why the connection should end now, if it should.
    pub(super) fn verdict(&self, now: Instant) -> Option<Verdict> {
        let log = self.log();
        let longer = |since: Instant, limit| now.duration_since(since) >= limit;
        if log.answers.values().chain(&log.blocked).any(|since| longer(*since, STALL_TIME)) {
            return Some(Verdict::Stalled);
        }
        if log.open > 0 {
            return None;
        }
        let head_since = if log.requests == 0 { Some(log.idle_since) } else { log.heard.filter(|_| !log.multiplexed) };
        if head_since.is_some_and(|since| longer(since, HEAD_TIME)) {
            Some(Verdict::SlowHead)
        } else {
            longer(log.idle_since, IDLE_TIME).then_some(Verdict::Idle)
        }
    }

    /// A call begins on it. Not if the connection has been evicted: then nobody would get the answer.
    #[must_use]
    pub(super) fn call_begins(&self) -> bool {
        let another = |calls| (calls != EVICTED).then(|| calls + 1);
        self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, another).is_ok()
    }

    /// A call on it ends.
    pub(super) fn call_ends(&self) {
        static ENDED: AtomicU64 = AtomicU64::new(0);
        self.priority.store(ENDED.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// Evicts the connection, unless a call has begun on it by now.
    #[must_use]
    fn evict(&self) -> bool {
        let idle = self.calls.compare_exchange(0, EVICTED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if idle {
            self.evicted.cancel();
        }
        idle
    }

    /// Waits until the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    fn is_busy(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }
}

/// All connections, oldest first.
#[derive(Debug)]
pub(super) struct Connections {
    most: u32,
    table: Arc<Mutex<BTreeMap<u64, Arc<Connection>>>>,
    next: AtomicU64,
}

/// A connection that is in the table until this is dropped.
pub(super) struct Admitted {
    pub(super) connection: Arc<Connection>,
    /// Whether another was evicted for it.
    pub(super) crowded: bool,
    table: Arc<Mutex<BTreeMap<u64, Arc<Connection>>>>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.connection.id);
    }
}

impl Connections {
    pub(super) fn new(most: u32) -> Self {
        Self { most, table: Arc::default(), next: AtomicU64::new(0) }
    }

    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// Enters a connection; at the cap, the lowest-priority one is evicted. `None` when all have calls under way.
    pub(super) fn admit(&self) -> Option<Admitted> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let crowded = table.len() >= self.most as usize;
        if crowded {
            evict_lowest_priority(&mut table)?;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(id, Instant::now()));
        table.insert(id, Arc::clone(&connection));
        Some(Admitted { connection, crowded, table: Arc::clone(&self.table) })
    }
}

/// Evicts the connection of the lowest priority. One that becomes busy while it is chosen is spared, and another is looked
/// for; `None` when all are busy.
fn evict_lowest_priority(table: &mut BTreeMap<u64, Arc<Connection>>) -> Option<()> {
    loop {
        let lowest = lowest_priority(table)?;
        if table.get(&lowest).is_some_and(|connection| connection.evict()) {
            table.remove(&lowest);
            return Some(());
        }
    }
}

/// The oldest that no authenticated caller has used, otherwise the one that was used longest ago.
fn lowest_priority(table: &BTreeMap<u64, Arc<Connection>>) -> Option<u64> {
    let mut lowest: Option<(u64, u64)> = None;
    for connection in table.values().filter(|connection| !connection.is_busy()) {
        let priority = connection.priority.load(Ordering::Relaxed);
        if priority == 0 {
            return Some(connection.id);
        }
        if lowest.is_none_or(|(least, _)| priority < least) {
            lowest = Some((priority, connection.id));
        }
    }
    lowest.map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> impl Fn(Instant) -> Instant {
        move |start| start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_head_has_ten_seconds_and_a_pause_between_requests_more() {
        let start = Instant::now();
        let connection = Connection::new(0, start);
        connection.hears(after(9)(start));
        assert_eq!(connection.verdict(after(9)(start)), None);
        assert_eq!(connection.verdict(after(10)(start)), Some(Verdict::SlowHead), "drops of bytes do not help");
        let request = connection.begins(false);
        assert_eq!(connection.verdict(after(1000)(start)), None, "a call takes as long as it takes");
        connection.ends(request, after(1000)(start));
        assert_eq!(connection.verdict(after(1074)(start)), None);
        assert_eq!(connection.verdict(after(1075)(start)), Some(Verdict::Idle));
        connection.hears(after(1020)(start));
        assert_eq!(connection.verdict(after(1030)(start)), Some(Verdict::SlowHead));
    }

    #[test]
    fn pings_of_http_2_are_no_slow_head() {
        let start = Instant::now();
        let connection = Connection::new(0, start);
        let request = connection.begins(true);
        connection.ends(request, start);
        connection.hears(after(1)(start));
        assert_eq!(connection.verdict(after(60)(start)), None);
        assert_eq!(connection.verdict(after(75)(start)), Some(Verdict::Idle));
    }

    #[test]
    fn an_answer_that_is_not_taken_ends_the_connection_and_one_that_is_made_does_not() {
        let start = Instant::now();
        let connection = Connection::new(0, start);
        let (one, other) = (connection.begins(true), connection.begins(true));
        connection.answers(one, Some(start));
        connection.answers(other, Some(after(20)(start)));
        assert_eq!(connection.verdict(after(29)(start)), None);
        assert_eq!(connection.verdict(after(30)(start)), Some(Verdict::Stalled));
        connection.answers(one, None);
        assert_eq!(connection.verdict(after(30)(start)), None);
        connection.ends(other, after(30)(start));
        connection.blocked(Some(after(30)(start)));
        connection.blocked(Some(after(50)(start)));
        assert_eq!(connection.verdict(after(60)(start)), Some(Verdict::Stalled));
        connection.blocked(None);
        assert_eq!(connection.verdict(after(60)(start)), None);
    }

    #[test]
    fn the_oldest_unauthenticated_one_is_evicted_first_then_who_was_served_longest_ago_and_never_a_call_under_way() {
        let connections = Connections::new(4);
        let admit = || connections.admit().expect("below the cap, or one is evicted");
        let is_evicted = |admitted: &Admitted| admitted.connection.evicted.is_cancelled();
        let serve = |admitted: &Admitted| {
            assert!(admitted.connection.call_begins());
            admitted.connection.call_ends();
        };
        let (served, busy, unused, newer) = (admit(), admit(), admit(), admit());
        assert!(busy.connection.call_begins());
        serve(&served);
        let fifth = admit();
        assert!(fifth.crowded && is_evicted(&unused) && !is_evicted(&newer) && !is_evicted(&served));
        serve(&newer);
        serve(&served);
        let sixth = admit();
        assert!(is_evicted(&fifth) && !is_evicted(&newer));
        serve(&sixth);
        let seventh = admit();
        assert!(is_evicted(&newer) && !is_evicted(&served), "used longest ago");
        for one in [&served, &sixth, &seventh] {
            assert!(one.connection.call_begins());
        }
        assert!(connections.admit().is_none(), "all have calls under way");
        busy.connection.call_ends();
        assert!(connections.admit().is_some() && is_evicted(&busy));
    }

    #[test]
    fn a_connection_that_becomes_busy_while_it_is_chosen_is_spared() {
        let connections = Connections::new(2);
        let (first, second) = (
            connections.admit().expect("below the cap, or one is evicted"),
            connections.admit().expect("below the cap, or one is evicted"),
        );
        let is_evicted = |admitted: &Admitted| admitted.connection.evicted.is_cancelled();
        let chosen = lowest_priority(&connections.table.lock().expect("a lock"));
        assert_eq!(chosen, Some(first.connection.id));
        assert!(first.connection.call_begins(), "it becomes busy when it has been chosen");
        assert!(!first.connection.evict() && !is_evicted(&first), "so it is spared");
        let third = connections.admit().expect("below the cap, or one is evicted");
        assert!(is_evicted(&second) && !is_evicted(&first), "and another one goes");
        assert!(!second.connection.call_begins(), "no call begins on a connection that ends");
        assert!(third.connection.call_begins());
        assert!(connections.admit().is_none());
        first.connection.call_ends();
        assert!(connections.admit().is_some() && is_evicted(&first));
    }

    #[test]
    fn no_connection_is_busy_and_ends_however_it_falls_out() {
        for _ in 0..2000 {
            let connection = Connection::new(0, Instant::now());
            let both = std::sync::Barrier::new(2);
            let (busy, ends) = std::thread::scope(|scope| {
                let takes = scope.spawn(|| {
                    both.wait();
                    connection.call_begins()
                });
                both.wait();
                let ends = connection.evict();
                (takes.join().expect("a thread"), ends)
            });
            assert!(busy != ends && connection.evicted.is_cancelled() == ends, "busy: {busy}, ends: {ends}");
        }
    }

    #[test]
    fn a_connection_that_ends_leaves_the_table() {
        let connections = Connections::new(1);
        for _ in 0..3 {
            let admitted = connections.admit().expect("below the cap, or one is evicted");
            assert!(!admitted.crowded);
        }
    }
}
