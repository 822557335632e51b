//! Gives checkpoints to the places outside the database that the config names. A sink that fails, or hangs, holds up no call.

use std::{
    collections::HashSet,
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{CheckpointSink, Endpoint},
    store::appended_file,
};

/// How soon a sink that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// A sink that takes longer than this is one that hangs.
const HANGS: Duration = Duration::from_secs(5);
/// How long the hub's end waits for the sinks.
const ENDING: Duration = Duration::from_secs(2);

/// Sends a checkpoint to a place on the web; why it was not taken, otherwise.
pub type Post = Arc<dyn Fn(Endpoint, Arc<str>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The newest checkpoint, and how giving it away went. Shared by the writer, who makes it, and whoever gives it.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    newest: watch::Sender<Option<Arc<str>>>,
    problem: Mutex<Option<String>>,
}

impl Outlet {
    /// A newer checkpoint takes the place of one that was not given yet: it says all that that did.
    pub(super) fn put(&self, document: String) {
        self.newest.send_replace(Some(document.into()));
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, found: Option<String>) {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*problem, &found) {
            (None, Some(why)) => tracing::error!(%why, "a checkpoint of the audit trail could not be given away"),
            (Some(_), None) => tracing::info!("checkpoints of the audit trail are given away again"),
            _ => {}
        }
        *problem = found;
    }

    /// Gives each checkpoint to the sinks, until the end.
    pub(super) async fn give(&self, sinks: impl Fn() -> Vec<CheckpointSink>, post: &Post, end: &CancellationToken) {
        let mut newest = self.newest.subscribe();
        let mut round = Round::default();
        // One from before this was asked for is given too.
        newest.mark_changed();
        loop {
            let again = async {
                match self.problem() {
                    Some(_) => tokio::time::sleep(TRY_AGAIN).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end.cancelled() => return,
                changed = newest.changed() => if changed.is_err() { return },
                () = again => {}
            }
            let document = newest.borrow_and_update().clone();
            tokio::select! {
                () = end.cancelled() => return,
                () = self.give_once(&mut round, document, sinks(), post) => {}
            }
        }
    }

    /// Gives the last one, at the hub's end.
    pub(super) async fn give_last(&self, sinks: Vec<CheckpointSink>, post: &Post) {
        let document = self.newest.borrow().clone();
        let _ = tokio::time::timeout(ENDING, self.give_once(&mut Round::default(), document, sinks, post)).await;
    }

    async fn give_once(&self, round: &mut Round, document: Option<Arc<str>>, sinks: Vec<CheckpointSink>, post: &Post) {
        let Some(document) = document else { return };
        if round.document.as_ref() != Some(&document) {
            (round.document, round.done) = (Some(Arc::clone(&document)), HashSet::new());
        }
        // Who hangs has a task, and no other is begun beside it.
        let mut writing = match round.hanging.take() {
            Some(hanging) => hanging,
            None => begin(document, sinks, round.done.clone(), Arc::clone(post)),
        };
        match tokio::time::timeout(HANGS, &mut writing).await {
            Ok(Ok((done, problem))) => {
                round.done = done;
                self.note(problem);
            }
            Ok(Err(error)) => self.note(Some(error.to_string())),
            Err(_) => {
                self.note(Some("a sink of checkpoints does not take what it is given: see who holds it".to_owned()));
                round.hanging = Some(writing);
            }
        }
    }
}

/// What became of one checkpoint so far.
#[derive(Default)]
struct Round {
    document: Option<Arc<str>>,
    /// The sinks that have it.
    done: HashSet<CheckpointSink>,
    hanging: Option<Writing>,
}

/// Gives the sinks that have it afterwards, and what is wrong with the others.
type Writing = JoinHandle<(HashSet<CheckpointSink>, Option<String>)>;

fn begin(document: Arc<str>, sinks: Vec<CheckpointSink>, mut done: HashSet<CheckpointSink>, post: Post) -> Writing {
    tokio::spawn(async move {
        let mut problem = None;
        for sink in sinks {
            if done.contains(&sink) {
                continue;
            }
            match give_to(sink.clone(), Arc::clone(&document), &post).await {
                Ok(()) => {
                    done.insert(sink);
                }
                Err(why) => problem = Some(format!("{sink}: {why}: repair it, or take it out of `audit.checkpoints`")),
            }
        }
        (done, problem)
    })
}

async fn give_to(sink: CheckpointSink, document: Arc<str>, post: &Post) -> Result<(), String> {
    match sink {
        CheckpointSink::Https(endpoint) => post(endpoint, document).await,
        CheckpointSink::File(file) => aside(move || appended_file::append_line(&file, &document)).await,
        CheckpointSink::Stdout => aside(move || write_line(&document)).await,
    }
}

async fn aside(write: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), String> {
    let written = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
    written.map_err(|error| error.to_string())
}

fn write_line(document: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{document}")?;
    stdout.flush()
}
