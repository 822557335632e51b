//! What takes as long as a document is large is done where it holds up nobody: a worker serves all connections in turn.

use std::{
    panic::resume_unwind,
    sync::{Arc, LazyLock},
    thread::available_parallelism,
};

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::sandbox::{Content, ResourceBody, ResourceContent};

/// Documents up to this size, in bytes, are worked on where they are: going to another thread and back costs some 20 µs,
/// reading as much JSON as this about half a millisecond at most.
const AT_ONCE_MAX: usize = 64 * 1024;

/// What a content counts for beside its bytes: many empty ones take long too.
const ITEM: usize = 1024;

/// As many large documents are worked on at once as there are cores, so that many of them starve nobody either.
static THREADS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// Does `work` on a document of so many bytes: at once if it is small, on a thread for such work if it is large.
pub(crate) async fn of_size<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= AT_ONCE_MAX {
        return work();
    }
    // Nobody closes it. Whoever waits waits for work of bounded size.
    apart(THREADS.acquire().await, work).await
}

/// The same for what a provider has answered, which takes its turn among that provider's `searches`: a hostile text takes
/// seconds to search for secrets, and what others send and get must not wait for it.
pub(super) async fn of_answer<T: Send + 'static>(
    searches: &Arc<Semaphore>,
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= AT_ONCE_MAX {
        return work();
    }
    apart(Arc::clone(searches).acquire_owned().await, work).await
}

/// Does `work` on a thread of its own. Its `turn` is kept until the end, also when nobody waits for it any more.
async fn apart<T: Send + 'static>(turn: impl Send + 'static, work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.unwrap_or_else(|broken| resume_unwind(broken.into_panic()))
}

/// How much there is of a content, as [`of_size`] counts it.
pub(crate) fn size_of(content: &Content) -> usize {
    match content {
        Content::Text(text) => ITEM + text.len(),
        Content::Image(blob) | Content::Audio(blob) => ITEM + blob.data.len(),
        Content::Resource(content) => size_of_resource(content),
    }
}

/// The same of a resource's.
pub(super) fn size_of_resource(content: &ResourceContent) -> usize {
    match &content.body {
        ResourceBody::Text(text) => ITEM + text.len(),
        ResourceBody::Blob(blob) => ITEM + blob.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::thread::current;

    use super::*;

    #[tokio::test]
    async fn what_is_large_is_worked_on_elsewhere_and_what_is_small_here() {
        let here = current().id();
        assert_eq!(of_size(AT_ONCE_MAX, || current().id()).await, here);
        assert_ne!(of_size(AT_ONCE_MAX + 1, || current().id()).await, here);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn as_many_are_worked_on_at_once_as_there_are_cores() {
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
        let most = available_parallelism().map_or(1, usize::from);
        let work = || {
            let at_once = AT_ONCE.fetch_add(1, SeqCst) + 1;
            std::thread::sleep(std::time::Duration::from_millis(5));
            AT_ONCE.fetch_sub(1, SeqCst);
            at_once
        };
        let all = futures::future::join_all((0..4 * most).map(|_| of_size(usize::MAX, work))).await;
        assert!(all.into_iter().all(|at_once| at_once <= most));
    }

    #[tokio::test]
    async fn nobody_else_waits_for_the_answers_of_one_provider() {
        let [busy, other] = [0, 1].map(|turns| Arc::new(Semaphore::new(turns)));
        let waits = of_answer(&busy, usize::MAX, || ());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), waits).await.is_err());
        of_answer(&other, usize::MAX, || ()).await;
        of_size(usize::MAX, || ()).await;
        of_answer(&busy, AT_ONCE_MAX, || ()).await;
    }
}
