//! How many connections to upstreams the hub has in all, and which one is evicted.
//!
//! Every connection of every gate, from its first packet on, is one of them. At the cap an idle one is closed for a new one,
//! the one that was used longest ago first; where all are in use, a new one waits a little. The last quarter is for gates
//! that have only a few, so that no provider can keep the others out.

use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU8, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::Waker,
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::error::OutboundError;
use super::target::Target;

/// Connections to upstreams that the hub has at once.
const MOST: usize = 256;
/// How long a new connection waits for another one to end.
const WAIT: Duration = Duration::from_secs(2);

/// The connections of a hub.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    open: Mutex<BTreeMap<u64, Arc<Socket>>>,
    next: AtomicU64,
    freed: Notify,
}

/// One connection, or an attempt at one.
#[derive(Debug)]
pub(super) struct Socket {
    id: u64,
    gate: u64,
    target: Target,
    /// One of the constants below.
    state: AtomicU8,
    /// HTTP/2: several exchanges at once.
    multiplexed: AtomicBool,
    /// When it was used last, as a running number.
    used: AtomicU64,
    reader: AtomicWaker,
}

const BUSY: u8 = 0;
const IDLE: u8 = 1;
const CLOSING: u8 = 2;

/// A connection's slot under the cap, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) socket: Arc<Socket>,
    connections: Arc<Connections>,
}

/// One gate's part in it.
#[derive(Debug)]
pub(super) struct Share {
    gate: u64,
    pub(super) connections: Arc<Connections>,
    under_way: Mutex<HashMap<Target, usize>>,
}

/// An exchange, until it is dropped.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    share: &'a Share,
    target: Target,
}

impl Connections {
    /// A hub's own, with another cap than the usual.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, open: Mutex::default(), next: AtomicU64::new(0), freed: Notify::new() }
    }

    /// Those of this process.
    #[must_use]
    pub fn of_this_hub() -> Arc<Self> {
        static ALL: LazyLock<Arc<Connections>> = LazyLock::new(|| Arc::new(Connections::new(MOST)));
        Arc::clone(&ALL)
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Socket>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// A slot for a connection, now. Where there is none, an idle connection is asked to end.
    fn take(self: &Arc<Self>, gate: u64, target: &Target) -> Option<Slot> {
        let mut open = self.open();
        let held = open.values().filter(|socket| socket.gate == gate).count();
        let few = held < (self.most / 32).max(1);
        let cap = if few { self.most } else { self.most - self.most / 4 };
        if open.len() >= cap {
            let mut idle: Vec<_> = open.values().filter(|socket| socket.state.load(SeqCst) == IDLE).collect();
            idle.sort_by_key(|socket| socket.used.load(Relaxed));
            // One that becomes busy meanwhile is spared, and another one asked.
            let _ = idle.iter().any(|socket| socket.close());
            return None;
        }
        let socket = Arc::new(Socket {
            id: self.number(),
            gate,
            target: target.clone(),
            state: AtomicU8::new(BUSY),
            multiplexed: AtomicBool::new(false),
            used: AtomicU64::new(0),
            reader: AtomicWaker::new(),
        });
        open.insert(socket.id, Arc::clone(&socket));
        Some(Slot { socket, connections: Arc::clone(self) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.open().remove(&self.socket.id);
        self.connections.freed.notify_waiters();
    }
}

impl Socket {
    fn turn(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    /// Has it end, if it is idle.
    fn close(&self) -> bool {
        let closes = self.turn(IDLE, CLOSING);
        if closes {
            self.reader.wake();
        }
        closes
    }

    /// Whether it has to end. Whoever reads it is woken when that changes.
    pub(super) fn ends(&self, reader: &Waker) -> bool {
        self.reader.register(reader);
        self.state.load(SeqCst) == CLOSING
    }

    /// Something is to be written: false if it is ending. Over HTTP/2 this may be for nobody's sake.
    pub(super) fn writes(&self) -> bool {
        if !self.multiplexed.load(Relaxed) {
            self.turn(IDLE, BUSY);
        }
        self.state.load(SeqCst) != CLOSING
    }

    pub(super) fn is_multiplexed(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    fn rests(&self, now: u64) {
        self.used.store(now, Relaxed);
        self.turn(BUSY, IDLE);
    }
}

impl Share {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        Self { gate: connections.number(), connections, under_way: Mutex::default() }
    }

    /// A slot for a connection, if there is one now.
    pub(super) fn try_take(&self, target: &Target) -> Option<Slot> {
        self.connections.take(self.gate, target)
    }

    /// A slot for a connection, after two seconds at most.
    pub(super) async fn take(&self, target: &Target) -> Result<Slot, OutboundError> {
        let until = Instant::now() + WAIT;
        loop {
            let mut freed = pin!(self.connections.freed.notified());
            // From here on nothing is missed, also what ends before the wait begins.
            freed.as_mut().enable();
            if let Some(slot) = self.try_take(target) {
                return Ok(slot);
            }
            if timeout_at(until, freed).await.is_err() {
                return Err(OutboundError::Crowded { most: self.connections.most });
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Target, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_target(&self, target: &Target, each: impl Fn(&Socket)) {
        let open = self.connections.open();
        open.values()
            .filter(|socket| socket.gate == self.gate && socket.target == *target)
            .for_each(|socket| each(socket));
    }

    /// An exchange begins.
    pub(super) fn begin(&self, target: &Target) -> Exchange<'_> {
        let mut under_way = self.under_way();
        let count = under_way.entry(target.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            // Nobody can tell which one it will take; over HTTP/1.1 it is seen when something is written.
            self.of_target(target, |socket| {
                if socket.multiplexed.load(Relaxed) {
                    socket.turn(IDLE, BUSY);
                }
            });
        }
        Exchange { share: self, target: target.clone() }
    }
}

impl Exchange<'_> {
    /// Its answer has been read to the end, on this connection.
    pub(super) fn is_over(&self, on: &Socket) {
        if !on.multiplexed.load(Relaxed) {
            on.rests(self.share.connections.number());
        }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let mut under_way = self.share.under_way();
        let Some(count) = under_way.get_mut(&self.target) else { return };
        *count -= 1;
        if *count == 0 {
            under_way.remove(&self.target);
            let now = self.share.connections.number();
            self.share.of_target(&self.target, |socket| socket.rests(now));
        }
    }
}
