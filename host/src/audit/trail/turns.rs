//! Whose turn it is to read. A few reads run at once; each caller has one of them at a time, and callers take turns. Those who
//! see their own events alone never have all, so that whoever answers for all is not kept out by however many they are, and
//! the other way round.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

use super::super::filter::Scope;

/// Reads of one hub at once: reading never takes the processors from calls. One of them is for each [`Kind`].
const READS: usize = 2;
/// Reads of one caller that may wait for its turn.
pub(super) const WAITING_OF_CALLER: usize = 4;
/// Callers of one kind that may wait.
const CALLERS: usize = 64;

/// Who reads, and whose events that are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// The caller.
    pub user: Uuid,
    /// What it may see.
    pub scope: Scope,
}

/// Two sorts of callers, of which neither keeps out the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sees its own events.
    OwnRows,
    /// Answers for all.
    AllRows,
}

impl Reader {
    pub(super) fn kind(self) -> Kind {
        match self.scope {
            Scope::Own(_) => Kind::OwnRows,
            Scope::Whole => Kind::AllRows,
        }
    }
}

/// Who reads, and who waits. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    reading: Vec<Reader>,
    /// Each caller that waits, once; who had a turn goes behind the others.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    reader: Reader,
    /// Its reads, in the order in which they came; never empty.
    reads: VecDeque<oneshot::Sender<Turn>>,
}

/// The right to read, given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    reader: Reader,
    turns: Turns,
}

impl Turns {
    /// A turn of the caller, for which it waits so long if it must. `None` when there is none in time, or when as many wait as
    /// may.
    pub(super) async fn take(&self, reader: Reader, patience: Duration) -> Option<Turn> {
        let turn = {
            let mut state = self.lock();
            state.forget_who_gave_up();
            let turn = state.wait(reader)?;
            let given = self.give(&mut state);
            drop(state);
            hand_out(given);
            turn
        };
        timeout(patience, turn).await.ok()?.ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All turns that are free, to whose they are.
    fn give(&self, state: &mut State) -> Vec<(oneshot::Sender<Turn>, Turn)> {
        std::iter::from_fn(|| state.next())
            .map(|(reader, waits)| (waits, Turn { reader, turns: self.clone() }))
            .collect()
    }
}

/// Outside of the lock: what nobody takes any more is given back there and then.
fn hand_out(given: Vec<(oneshot::Sender<Turn>, Turn)>) {
    for (waits, turn) in given {
        drop(waits.send(turn));
    }
}

impl State {
    fn forget_who_gave_up(&mut self) {
        for waiting in &mut self.waiting {
            waiting.reads.retain(|read| !read.is_closed());
        }
        self.waiting.retain(|waiting| !waiting.reads.is_empty());
    }

    /// Puts a read behind the others of its caller.
    fn wait(&mut self, reader: Reader) -> Option<oneshot::Receiver<Turn>> {
        let (read, turn) = oneshot::channel();
        let own = self.waiting.iter_mut().find(|waiting| waiting.reader == reader);
        match own {
            Some(waiting) if waiting.reads.len() < WAITING_OF_CALLER => waiting.reads.push_back(read),
            Some(_) => return None,
            None => {
                let alike = self.waiting.iter().filter(|waiting| waiting.reader.kind() == reader.kind()).count();
                if alike >= CALLERS {
                    return None;
                }
                self.waiting.push_back(Waiting { reader, reads: VecDeque::from([read]) });
            }
        }
        Some(turn)
    }

    /// Whose turn it is, if there is one.
    fn next(&mut self) -> Option<(Reader, oneshot::Sender<Turn>)> {
        self.forget_who_gave_up();
        if self.reading.len() >= READS {
            return None;
        }
        let has_none = !self.reading.iter().any(|reader| reader.kind() == Kind::OwnRows);
        let first = has_none.then(|| self.first(Kind::OwnRows)).flatten().or_else(|| self.first(Kind::AllRows))?;
        let mut waiting = self.waiting.remove(first)?;
        let (reader, read) = (waiting.reader, waiting.reads.pop_front()?);
        if !waiting.reads.is_empty() {
            self.waiting.push_back(waiting);
        }
        self.reading.push(reader);
        Some((reader, read))
    }

    /// The first of its kind that does not read already.
    fn first(&self, kind: Kind) -> Option<usize> {
        let reads = |user: Uuid| self.reading.iter().any(|reader| reader.user == user);
        self.waiting.iter().position(|waiting| waiting.reader.kind() == kind && !reads(waiting.reader.user))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        if let Some(index) = state.reading.iter().position(|reader| *reader == self.reader) {
            state.reading.swap_remove(index);
        }
        let given = self.turns.give(&mut state);
        drop(state);
        hand_out(given);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn own(user: u128) -> Reader {
        let user = Uuid::from_u128(user);
        Reader { user, scope: Scope::Own(user) }
    }

    fn all(user: u128) -> Reader {
        Reader { user: Uuid::from_u128(user), scope: Scope::Whole }
    }

    /// Waits for a turn, notes that it came, and gives it back.
    async fn waits(turns: &Turns, reader: Reader, order: &Arc<Mutex<Vec<Uuid>>>) -> JoinHandle<bool> {
        let (own, order, before) = (turns.clone(), Arc::clone(order), places(turns));
        let task = tokio::spawn(async move {
            let turn = own.take(reader, LONG).await;
            order.lock().expect("a lock").push(reader.user);
            turn.is_some()
        });
        while places(turns) == before && !task.is_finished() {
            yield_now().await;
        }
        task
    }

    fn places(turns: &Turns) -> usize {
        turns.lock().waiting.iter().map(|waiting| waiting.reads.len()).sum()
    }

    async fn now(turns: &Turns, reader: Reader) -> Option<Turn> {
        turns.take(reader, Duration::from_millis(1)).await
    }

    #[tokio::test]
    async fn a_caller_has_one_turn_and_each_kind_one_that_the_other_cannot_take() {
        let turns = Turns::default();
        let first = now(&turns, own(1)).await.expect("a turn");
        assert!(now(&turns, own(1)).await.is_none(), "one at a time");
        assert!(now(&turns, own(2)).await.is_none(), "the other is for those who answer for all");
        let admin = now(&turns, all(3)).await.expect("a turn");
        assert!(now(&turns, all(4)).await.is_none());
        drop(first);
        let another = now(&turns, all(4)).await.expect("both, while nobody else waits");
        assert!(now(&turns, all(3)).await.is_none() && now(&turns, own(1)).await.is_none());
        drop((admin, another));
        let state = turns.lock();
        assert!(state.reading.is_empty() && state.waiting.iter().all(|waiting| waiting.reads[0].is_closed()));
    }

    #[tokio::test]
    async fn callers_take_turns_however_much_one_of_them_asks_for() {
        let (turns, order) = (Turns::default(), Arc::default());
        let held = now(&turns, own(1)).await.expect("a turn");
        let mut tasks = Vec::new();
        for user in [1, 1, 1, 2, 2, 3] {
            tasks.push(waits(&turns, own(user), &order).await);
        }
        drop(held);
        for task in tasks {
            assert!(task.await.expect("a task"));
        }
        let order: Vec<_> = order.lock().expect("a lock").iter().map(Uuid::as_u128).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 1]);
    }

    #[tokio::test]
    async fn neither_kind_starves_while_the_other_waits_in_numbers() {
        let (turns, order) = (Turns::default(), Arc::default());
        let (viewer, admin) = (now(&turns, own(1)).await.expect("a turn"), now(&turns, all(2)).await.expect("a turn"));
        let mut tasks = Vec::new();
        for user in 10..30 {
            tasks.push(waits(&turns, own(user), &order).await);
            tasks.push(waits(&turns, all(user + 100), &order).await);
        }
        let last = waits(&turns, all(500), &order).await;
        drop(admin);
        while order.lock().expect("a lock").is_empty() {
            yield_now().await;
        }
        assert_eq!(
            order.lock().expect("a lock")[0].as_u128(),
            110,
            "the turn of those who see all goes to one of them"
        );
        drop(viewer);
        for task in tasks {
            assert!(task.await.expect("a task"));
        }
        assert!(last.await.expect("a task"));
        assert!(turns.lock().reading.is_empty() && places(&turns) == 0);
    }

    #[tokio::test]
    async fn so_many_wait_of_each_caller_and_kind_and_who_gives_up_makes_room() {
        let (turns, order) = (Turns::default(), Arc::default());
        let held = now(&turns, own(1)).await.expect("a turn");
        let mut tasks = Vec::new();
        for _ in 0..WAITING_OF_CALLER {
            tasks.push(waits(&turns, own(1), &order).await);
        }
        assert!(turns.take(own(1), LONG).await.is_none(), "at once, not after a while");
        for user in 2..=CALLERS as u128 {
            tasks.push(waits(&turns, own(user), &order).await);
        }
        assert!(turns.take(own(1000), LONG).await.is_none());
        assert!(now(&turns, all(1001)).await.is_some(), "a flood of one kind leaves the other its places");
        for task in tasks {
            task.abort();
            assert!(task.await.is_err());
        }
        drop(held);
        assert!(now(&turns, own(1000)).await.is_some());
        assert!(turns.lock().reading.is_empty() && places(&turns) == 0);
    }

    #[tokio::test]
    async fn a_turn_that_comes_too_late_goes_on_to_the_next() {
        let turns = Turns::default();
        for round in 0..200 {
            let held = now(&turns, own(1)).await.expect("a turn");
            let wait = |user, patience| {
                let turns = turns.clone();
                tokio::spawn(async move { turns.take(own(user), patience).await.is_some() })
            };
            let (hasty, patient) = (wait(2, Duration::from_micros(round)), wait(3, LONG));
            yield_now().await;
            drop(held);
            assert!(patient.await.expect("a task"));
            let _ = hasty.await;
            assert!(turns.lock().reading.is_empty());
        }
    }
}
