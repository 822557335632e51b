//! What the hub knows of each connection, and who gives way.

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
const IDLE_TIME: Duration = Duration::from_secs(75);
/// How long a client may take nothing of what is there for it.
const STALL_TIME: Duration = Duration::from_secs(30);

/// Instead of a number of places: the connection is ending, to make room.
const GIVING_WAY: u32 = u32::MAX;

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
    /// Places that its requests hold, or [`GIVING_WAY`]: one word, so that nobody can take a place of a connection that has
    /// just been chosen, nor choose one that has just been given a place.
    places: AtomicU32,
    /// When it last gave a place back, as a running number; 0 while no authenticated caller has used it.
    claim: AtomicU64,
    gives_way: CancellationToken,
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
                multiplexed: false,
                answers: HashMap::new(),
                blocked: None,
            }),
            places: AtomicU32::new(0),
            claim: AtomicU64::new(0),
            gives_way: CancellationToken::new(),
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Whether a request is open.
    pub(super) fn is_open(&self) -> bool {
        self.log().open > 0
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

    /// A request of it takes a place. Not if the connection is already making room: then nobody would get the answer.
    #[must_use]
    pub(super) fn takes_place(&self) -> bool {
        let another = |places| (places != GIVING_WAY).then(|| places + 1);
        self.places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, another).is_ok()
    }

    /// A request of it gives its place back.
    pub(super) fn gives_place_back(&self) {
        static CLAIMS: AtomicU64 = AtomicU64::new(0);
        self.claim.store(CLAIMS.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.places.fetch_sub(1, Ordering::Relaxed);
    }

    /// Has the connection end to make room, unless a request of it holds a place by now.
    #[must_use]
    fn makes_room(&self) -> bool {
        let idle = self.places.compare_exchange(0, GIVING_WAY, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if idle {
            self.gives_way.cancel();
        }
        idle
    }

    /// Waits until the connection has to give way to another.
    pub(super) async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    fn is_busy(&self) -> bool {
        self.places.load(Ordering::Relaxed) > 0
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
    /// Whether another gave way to it.
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

    /// Enters a connection; at the cap, the one with the least claim gives way. `None` when all have calls under way.
    pub(super) fn admit(&self) -> Option<Admitted> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let crowded = table.len() >= self.most as usize;
        if crowded {
            make_room(&mut table)?;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(id, Instant::now()));
        table.insert(id, Arc::clone(&connection));
        Some(Admitted { connection, crowded, table: Arc::clone(&self.table) })
    }
}

/// Has the connection with the least claim end. One that becomes busy while it is chosen is spared, and another is looked
/// for; `None` when all are busy.
fn make_room(table: &mut BTreeMap<u64, Arc<Connection>>) -> Option<()> {
    loop {
        let least = least_claim(table)?;
        if table.get(&least).is_some_and(|connection| connection.makes_room()) {
            table.remove(&least);
            return Some(());
        }
    }
}

/// The oldest that no authenticated caller has used, otherwise the one that was used longest ago.
fn least_claim(table: &BTreeMap<u64, Arc<Connection>>) -> Option<u64> {
    let mut least: Option<(u64, u64)> = None;
    for connection in table.values().filter(|connection| !connection.is_busy()) {
        let claim = connection.claim.load(Ordering::Relaxed);
        if claim == 0 {
            return Some(connection.id);
        }
        if least.is_none_or(|(lowest, _)| claim < lowest) {
            least = Some((claim, connection.id));
        }
    }
    least.map(|(_, id)| id)
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
    fn the_oldest_stranger_gives_way_first_then_who_was_served_longest_ago_and_never_a_call_under_way() {
        let connections = Connections::new(4);
        let admit = || connections.admit().expect("room");
        let has_to_go = |admitted: &Admitted| admitted.connection.gives_way.is_cancelled();
        let serve = |admitted: &Admitted| {
            assert!(admitted.connection.takes_place());
            admitted.connection.gives_place_back();
        };
        let (served, busy, stranger, newer) = (admit(), admit(), admit(), admit());
        assert!(busy.connection.takes_place());
        serve(&served);
        let fifth = admit();
        assert!(fifth.crowded && has_to_go(&stranger) && !has_to_go(&newer) && !has_to_go(&served));
        serve(&newer);
        serve(&served);
        let sixth = admit();
        assert!(has_to_go(&fifth) && !has_to_go(&newer));
        serve(&sixth);
        let seventh = admit();
        assert!(has_to_go(&newer) && !has_to_go(&served), "used longest ago");
        for one in [&served, &sixth, &seventh] {
            assert!(one.connection.takes_place());
        }
        assert!(connections.admit().is_none(), "all have calls under way");
        busy.connection.gives_place_back();
        assert!(connections.admit().is_some() && has_to_go(&busy));
    }

    #[test]
    fn a_connection_that_becomes_busy_while_it_is_chosen_is_spared() {
        let connections = Connections::new(2);
        let (first, second) = (connections.admit().expect("room"), connections.admit().expect("room"));
        let has_to_go = |admitted: &Admitted| admitted.connection.gives_way.is_cancelled();
        let chosen = least_claim(&connections.table.lock().expect("a lock"));
        assert_eq!(chosen, Some(first.connection.id));
        assert!(first.connection.takes_place(), "it becomes busy when it has been chosen");
        assert!(!first.connection.makes_room() && !has_to_go(&first), "so it is spared");
        let third = connections.admit().expect("room");
        assert!(has_to_go(&second) && !has_to_go(&first), "and another one goes");
        assert!(!second.connection.takes_place(), "no call begins on a connection that ends");
        assert!(third.connection.takes_place());
        assert!(connections.admit().is_none());
        first.connection.gives_place_back();
        assert!(connections.admit().is_some() && has_to_go(&first));
    }

    #[test]
    fn no_connection_is_busy_and_ends_however_it_falls_out() {
        for _ in 0..2000 {
            let connection = Connection::new(0, Instant::now());
            let both = std::sync::Barrier::new(2);
            let (busy, ends) = std::thread::scope(|scope| {
                let takes = scope.spawn(|| {
                    both.wait();
                    connection.takes_place()
                });
                both.wait();
                let ends = connection.makes_room();
                (takes.join().expect("a thread"), ends)
            });
            assert!(busy != ends && connection.gives_way.is_cancelled() == ends, "busy: {busy}, ends: {ends}");
        }
    }

    #[test]
    fn a_connection_that_ends_makes_room() {
        let connections = Connections::new(1);
        for _ in 0..3 {
            let admitted = connections.admit().expect("room");
            assert!(!admitted.crowded);
        }
    }
}
