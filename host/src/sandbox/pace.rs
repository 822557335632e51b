//! Where a guest runs: on an async worker while it is quick, on a thread of its own while it computes.
//!
//! A guest that is still computing when a tick comes leaves the workers, so that loops on every core take none of them
//! from the server: the operating system shares the cores out among threads, and lets one that was waiting go first. When
//! the guest waits for something, such as an answer from the network, it comes back and needs no thread.

use std::{
    future::{Future, poll_fn},
    panic,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use futures::future::BoxFuture;
use wasmtime::UpdateDeadline;

/// What one run and the ticks tell each other.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// It is on a thread of its own, where it need not make room.
    aside: AtomicBool,
    /// A tick came while it was on a worker.
    ticked: AtomicBool,
    /// It is over, whatever the guest is doing.
    over: AtomicBool,
}

impl Pace {
    /// What a guest does at a tick.
    pub(super) fn tick(&self) -> UpdateDeadline {
        if self.aside.load(Relaxed) && !self.over.load(Relaxed) {
            return UpdateDeadline::Continue(1);
        }
        self.ticked.store(true, Relaxed);
        let mut left = false;
        // Nobody is to be woken: whoever polls the guest sees that it has ticked.
        UpdateDeadline::YieldCustom(
            1,
            Box::pin(poll_fn(
                move |_| if std::mem::replace(&mut left, true) { Poll::Ready(()) } else { Poll::Pending },
            )),
        )
    }

    /// Runs a guest on a worker, until it ends, waits, or has ticked, which is `None`.
    fn poll<T>(&self, running: &mut BoxFuture<'static, T>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match running.as_mut().poll(cx) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if self.ticked.swap(false, Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Runs a guest on the thread that calls this, until it ends, waits, or is over.
    fn run_aside<T>(&self, mut running: BoxFuture<'static, T>) -> (Poll<T>, BoxFuture<'static, T>) {
        self.aside.store(true, Relaxed);
        // It is polled again on a worker, which then is told when to go on.
        let polled = running.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.aside.store(false, Relaxed);
        (polled, running)
    }
}

/// Ends the run on its thread when nobody waits for it any more.
struct OverWhenDropped(Arc<Pace>);

impl Drop for OverWhenDropped {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
    }
}

/// Runs a guest to its end, or until `over` says why it has to end before. Then it runs no more, on no thread.
pub(super) async fn drive<T: Send + 'static, E>(
    mut running: BoxFuture<'static, T>,
    pace: Arc<Pace>,
    over: impl Future<Output = E>,
) -> Result<T, E> {
    let mut over = pin!(over);
    let _guard = OverWhenDropped(Arc::clone(&pace));
    // Most guests end when they are first polled: nothing watches over those, so that no timer is set for them.
    let mut begun = poll_fn(|cx| Poll::Ready(pace.poll(&mut running, cx))).await;
    loop {
        let end = match begun {
            Poll::Ready(end) => end,
            Poll::Pending => tokio::select! {
                biased;
                why = &mut over => return Err(why),
                end = poll_fn(|cx| pace.poll(&mut running, cx)) => end,
            },
        };
        if let Some(end) = end {
            return Ok(end);
        }
        let aside = Arc::clone(&pace);
        let mut thread = pin!(tokio::task::spawn_blocking(move || aside.run_aside(running)));
        let (joined, why) = tokio::select! {
            biased;
            why = &mut over => {
                pace.over.store(true, Relaxed);
                // A tick at most: what is told of the run must be all that it did.
                (thread.await, Some(why))
            }
            joined = &mut thread => (joined, None),
        };
        let (polled, back) = joined.unwrap_or_else(|broken| panic::resume_unwind(broken.into_panic()));
        match (why, polled) {
            (Some(why), _) => return Err(why),
            (None, Poll::Ready(end)) => return Ok(end),
            (None, Poll::Pending) => running = back,
        }
        begun = Poll::Pending;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_watches_over_a_run_that_ends_at_once_and_something_over_one_that_waits() {
        let nobody = poll_fn(|_| -> Poll<()> { panic!("a timer was set") });
        assert_eq!(drive(Box::pin(async { 7 }), Arc::default(), nobody).await, Ok(7));
        let waits = Box::pin(std::future::pending::<()>());
        assert_eq!(drive(waits, Arc::default(), async { "late" }).await, Err("late"));
    }
}
