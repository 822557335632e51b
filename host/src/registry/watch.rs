//! Reloads when the config or a file that it names changes on disk, and when something that failed is to be tried again.
//!
//! Folders are watched, not files: a file is often replaced by renaming another onto it, and Kubernetes changes a
//! symlink beside it. A slow poll covers file systems that tell nothing.

use std::{
    collections::BTreeSet,
    future::pending,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    asking::{Ask, Asked, Reply, Report},
    current::{Registry, Wanted},
    entry::Entry,
    imposed::{Ended, Imposed},
    outcome::Reloaded,
    reload::Reload,
    snapshot::Snapshot,
};
use crate::{
    config::ConfigError,
    store::overrides::{Override, Overrides, OverridesError},
};

/// A change counts once nothing has happened for this long, so that a file being written is read when it is whole.
const QUIET: Duration = Duration::from_millis(20);
/// How often files are looked at in case a change was not told.
const POLL: Duration = Duration::from_secs(5);

/// How the files that the config names looked at a moment.
#[derive(Debug, PartialEq, Eq)]
struct Seen(Fingerprint);

/// Looks at the files as they are now. Taken before a load, so that a change during the load is not mistaken for what was
/// loaded.
async fn look(registry: &Arc<Registry>) -> Option<Seen> {
    Some(Seen(look_at_files(registry).await?.1))
}

/// The one task that reloads. It begins another reload whenever the files differ from what was seen last, on SIGHUP, when it
/// is asked to, and when something that failed is to be tried again.
///
/// A change does not wait for what still loads: that is begun anew with the changed config.
#[derive(Debug)]
pub struct Reloader {
    registry: Arc<Registry>,
    overrides: Overrides,
    asked: Asked,
    reports: mpsc::Sender<Report>,
    /// The problem of the config that was told last.
    config_problem: Option<String>,
    /// Who waits for the reload that is under way.
    waiting: Vec<Reply>,
    /// Overrides that have ended since that was told last.
    ended: Vec<Ended>,
    /// Those that the store may still name for a moment.
    over: Vec<Override>,
}

/// Why nothing can be loaded when the hub starts.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The config cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody knows what an admin has taken out of service.
    #[error("nobody can say which providers an admin has taken out of service, so none may serve: {0}")]
    Overrides(#[from] OverridesError),
}

/// What a hub starts with.
#[derive(Debug)]
pub struct Started {
    first: Reload,
    seen: Option<Seen>,
}

/// A reload that is under way.
struct UnderWay {
    /// What was in use when it began.
    since: Arc<Snapshot>,
    finishing: BoxFuture<'static, Reloaded>,
}

impl UnderWay {
    fn of(reload: Reload) -> Self {
        Self { since: reload.since(), finishing: reload.finish().boxed() }
    }
}

impl Reloader {
    /// One that answers those who ask it; to `reports` it tells what nobody has asked for.
    #[must_use]
    pub fn new(registry: Arc<Registry>, overrides: Overrides, asked: Asked, reports: mpsc::Sender<Report>) -> Self {
        Self {
            registry,
            overrides,
            asked,
            reports,
            config_problem: None,
            waiting: Vec::new(),
            ended: Vec::new(),
            over: Vec::new(),
        }
    }

    /// Begins to load what the config wants and admins have not taken out of service.
    ///
    /// # Errors
    /// When either is not known.
    pub async fn start(&mut self) -> Result<Started, StartError> {
        let seen = look(&self.registry).await;
        let wanted = Arc::new(self.registry.wanted().await?);
        self.registry.impose(Imposed::from_before(self.overrides.all().await?));
        self.settle(&wanted).await;
        Ok(Started { first: self.registry.begin_with(wanted, false, None).await, seen })
    }

    /// Finishes what was started, of which it tells nothing but what it has ended, and goes on until `end` is cancelled.
    pub async fn run(mut self, Started { first, mut seen }: Started, end: CancellationToken) {
        // One waiting signal is enough: a reload reads everything.
        let (signal, mut signals) = mpsc::channel::<()>(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                // Full means that a signal is waiting already.
                let _ = signal.try_send(());
            }
        })
        .inspect_err(|error| tracing::warn!(%error, "file changes are noticed by polling only"))
        .ok();
        let mut hangups = hangups();
        let mut watched = BTreeSet::new();
        let mut loading = Some(UnderWay::of(first));
        let (mut is_first, mut eager, mut again) = (true, false, None);
        loop {
            let looked = tokio::select! {
                looked = look_at_files(&self.registry) => looked,
                () = end.cancelled() => return,
            };
            let Some((files, now)) = looked else { return };
            let now = Some(Seen(now));
            if let Some(watcher) = &mut watcher {
                watched = watch_folders(watcher, &files, &watched);
            }
            let is_due = loading.is_none() && again.is_some_and(|at| at <= Instant::now());
            if seen != now || eager || is_due {
                let begun = tokio::select! {
                    begun = self.begin(&mut loading, eager, is_first) => begun,
                    () = end.cancelled() => return,
                };
                again = match begun {
                    Ok(reload) => {
                        loading = Some(UnderWay::of(reload));
                        is_first = false;
                        None
                    }
                    // What cannot be read now may be readable without any sign of it.
                    Err(error) => error.is_passing().then(|| Instant::now() + POLL),
                };
                (seen, eager) = (now, false);
            }
            let finished = async {
                match &mut loading {
                    Some(loading) => (&mut loading.finishing).await,
                    None => pending().await,
                }
            };
            let next = again.map_or(POLL, |at| at.saturating_duration_since(Instant::now()).min(POLL));
            tokio::select! {
                reloaded = finished => {
                    loading = None;
                    again = again.into_iter().chain(self.registry.snapshot().next_try()).min();
                    if !std::mem::take(&mut is_first) || !self.ended.is_empty() {
                        self.tell(Ok(reloaded));
                    }
                }
                Some(()) = signals.recv() => settle(&mut signals).await,
                () = tokio::time::sleep(next) => {}
                Some(()) = hangups.next() => eager = true,
                Some(ask) = self.asked.next() => match ask {
                    Ask::Reload(reply) => {
                        self.waiting.push(reply);
                        eager = true;
                    }
                    Ask::Impose(all, applied) => {
                        self.impose(all, &mut loading).await;
                        // Who has asked may have gone.
                        let _ = applied.send(());
                    }
                },
                () = end.cancelled() => return,
            }
        }
    }

    /// Begins a reload in the place of the one that is under way, unless the config cannot be used.
    async fn begin(
        &mut self,
        loading: &mut Option<UnderWay>,
        eager: bool,
        is_first: bool,
    ) -> Result<Reload, ConfigError> {
        // An error is in the log, and the snapshot tells it.
        let wanted = self.registry.wanted().await;
        match wanted {
            Ok(wanted) => {
                self.config_problem = None;
                self.settle(&wanted).await;
                // It has to be over before the next begins.
                let since = loading.take().filter(|_| !is_first).map(|under_way| under_way.since);
                Ok(self.registry.begin_with(Arc::new(wanted), eager, since).await)
            }
            Err(error) => {
                self.tell(Err(error.clone()));
                Err(error)
            }
        }
    }

    /// Has these overrides hold and no others.
    async fn impose(&mut self, all: Vec<Override>, loading: &mut Option<UnderWay>) {
        self.over.retain(|over| all.iter().any(|of| of.is(over)));
        let all = all.into_iter().filter(|of| !self.over.iter().any(|over| over.is(of))).collect();
        let (imposed, wanted) = (self.registry.imposed(), self.registry.wanted_now());
        let Some(wanted) = wanted else { return };
        let now = imposed.now(all, &wanted.providers);
        if now != *imposed {
            self.registry.impose(now);
            let since = loading.take().map(|under_way| under_way.since);
            *loading = Some(UnderWay::of(self.registry.begin_with(wanted, false, since).await));
        }
    }

    /// Ends the overrides of providers of which the config wants something else now. One that cannot be taken out of the store
    /// holds on, until a later reload.
    async fn settle(&mut self, wanted: &Wanted) {
        let imposed = self.registry.imposed();
        let mut over = Vec::new();
        for held in imposed.ended_by(&wanted.providers) {
            let (provider, kind) = (held.of.provider.clone(), held.of.what.kind());
            match self.overrides.remove(provider.clone(), kind).await {
                Ok(()) => {
                    tracing::warn!(%provider, %kind, "the config's section of a provider was changed, which ends what an admin had done to it");
                    self.ended.push(Ended { provider: provider.to_string(), kind: kind.as_str() });
                    self.over.push(held.of.clone());
                    over.push(held);
                }
                Err(error) => {
                    tracing::error!(%provider, %kind, %error, "what an admin has done to a provider holds on: the end of it cannot be kept");
                }
            }
        }
        self.registry.impose(imposed.without(&over));
    }

    /// Tells those who wait what came of it. If nobody does, it is reported if it is news.
    fn tell(&mut self, mut came_of_it: Report) {
        if let Ok(reloaded) = &mut came_of_it {
            reloaded.overrides_ended = std::mem::take(&mut self.ended);
        }
        let problem = came_of_it.as_ref().err().map(ToString::to_string);
        let is_news = match &came_of_it {
            Ok(reloaded) => reloaded.is_news(),
            Err(_) => self.config_problem != problem,
        };
        self.config_problem = problem;
        let answered =
            std::mem::take(&mut self.waiting).into_iter().filter_map(|reply| reply.send(came_of_it.clone()).ok());
        if answered.count() == 0 && is_news && self.reports.try_send(came_of_it).is_err() {
            tracing::error!("a reload is not on record: too many others wait to be");
        }
    }
}

/// SIGHUP, each time it comes.
fn hangups() -> BoxStream<'static, ()> {
    match signal(SignalKind::hangup()) {
        Ok(hangup) => stream::unfold(hangup, async |mut hangup| hangup.recv().await.map(|()| ((), hangup))).boxed(),
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be listened for: reload by changing the config file");
            stream::empty().boxed()
        }
    }
}

/// Waits until no signal has come for a moment, but not for ever.
async fn settle(signals: &mut mpsc::Receiver<()>) {
    for _ in 0..50 {
        if tokio::time::timeout(QUIET, signals.recv()).await.is_err() {
            return;
        }
    }
}

/// The config, whatever it names, and every component that the current snapshot names.
fn files(registry: &Registry) -> BTreeSet<PathBuf> {
    let config = &registry.sources.config;
    let folder = config.parent().unwrap_or(Path::new("."));
    let mut files = BTreeSet::from([config.clone()]);
    if let Ok(config) = crate::config::read(config) {
        files.extend(config.outbound.extra_ca.map(|file| folder.join(file)));
        files.extend(config.providers.values().map(|provider| folder.join(&provider.component)));
    }
    let snapshot = registry.snapshot();
    files.extend(snapshot.entries().filter_map(|(_, entry)| match entry {
        Entry::Ready { revision, .. } => Some(folder.join(&revision.config.component)),
        _ => None,
    }));
    files
}

fn watch_folders(
    watcher: &mut notify::RecommendedWatcher,
    files: &BTreeSet<PathBuf>,
    watched: &BTreeSet<PathBuf>,
) -> BTreeSet<PathBuf> {
    let as_folder = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    let wanted: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).map(as_folder).collect();
    for folder in wanted.difference(watched) {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, folder = %folder.display(), "changes in this folder are noticed by polling only");
        }
    }
    for folder in watched.difference(&wanted) {
        // A folder that is gone is no longer watched anyway.
        let _ = watcher.unwatch(folder);
    }
    wanted
}

/// What tells that a file has changed: size, inode, and the times at which content and status changed, of what its name leads
/// to. The last of them nobody can set back.
type Fingerprint = Vec<Option<(u64, u64, Time, Time)>>;

/// Seconds and nanoseconds.
type Time = (i64, i64);

/// The files and their fingerprint, read off the async workers; `None` when the runtime is ending.
async fn look_at_files(registry: &Arc<Registry>) -> Option<(BTreeSet<PathBuf>, Fingerprint)> {
    let registry = Arc::clone(registry);
    tokio::task::spawn_blocking(move || fingerprinted(&registry)).await.ok()
}

fn fingerprinted(registry: &Registry) -> (BTreeSet<PathBuf>, Fingerprint) {
    let of = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        let (content, status) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
        Some((found.len(), found.ino(), content, status))
    };
    let files = files(registry);
    let fingerprint = files.iter().map(of).collect();
    (files, fingerprint)
}
