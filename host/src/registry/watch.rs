//! Reloads when the config or a component changes on disk.
//!
//! Folders are watched, not files: a file is often replaced by renaming another onto it, and Kubernetes changes a
//! symlink beside it. A slow poll covers file systems that tell nothing.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Entry, Registry};

/// A change counts once nothing has happened for this long, so that a file being written is read when it is whole.
const QUIET: Duration = Duration::from_millis(20);
/// How often files are looked at in case a change was not told.
const POLL: Duration = Duration::from_secs(5);

/// How the config and the components looked at a moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen(Fingerprint);

/// Looks at the files as they are now. Taken before a load, so that a change during the load is not mistaken for what was
/// loaded.
pub async fn look(registry: &Arc<Registry>) -> Option<Seen> {
    Some(Seen(look_at_files(registry).await?.1))
}

/// Reloads whenever the files differ from what was `seen` last, until `end` is cancelled.
pub async fn watch(registry: Arc<Registry>, mut seen: Option<Seen>, end: CancellationToken) {
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
    let mut watched = BTreeSet::new();
    loop {
        let Some((files, now)) = look_at_files(&registry).await else { return };
        let now = Seen(now);
        if let Some(watcher) = &mut watcher {
            watched = watch_folders(watcher, &files, &watched);
        }
        if seen.as_ref() != Some(&now) {
            // The error is in the log, and the snapshot tells it.
            tokio::select! {
                _ = registry.reload() => {}
                () = end.cancelled() => return,
            }
        }
        seen = Some(now);
        tokio::select! {
            Some(()) = signals.recv() => settle(&mut signals).await,
            () = tokio::time::sleep(POLL) => {}
            () = end.cancelled() => return,
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

/// The config and every component that the current snapshot names.
fn files(registry: &Registry) -> BTreeSet<PathBuf> {
    let config = &registry.sources.config;
    let folder = config.parent().unwrap_or(Path::new("."));
    let mut files = BTreeSet::from([config.clone()]);
    if let Ok(config) = crate::config::read(config) {
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

/// What tells that a file has changed: size, time and inode of what its name leads to.
type Fingerprint = Vec<Option<(u64, Option<SystemTime>, u64)>>;

/// The files and their fingerprint, read off the async workers; `None` when the runtime is ending.
async fn look_at_files(registry: &Arc<Registry>) -> Option<(BTreeSet<PathBuf>, Fingerprint)> {
    let registry = Arc::clone(registry);
    tokio::task::spawn_blocking(move || fingerprinted(&registry)).await.ok()
}

fn fingerprinted(registry: &Registry) -> (BTreeSet<PathBuf>, Fingerprint) {
    use std::os::unix::fs::MetadataExt;
    let of = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok(), metadata.ino()))
    };
    let files = files(registry);
    let fingerprint = files.iter().map(of).collect();
    (files, fingerprint)
}

/// Reloads on SIGHUP until `end` is cancelled.
pub async fn reload_on_hangup(registry: Arc<Registry>, end: CancellationToken) {
    let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) else {
        tracing::warn!("SIGHUP cannot be listened for: reload by changing the config file");
        return;
    };
    loop {
        let hung_up_and_reloaded = async {
            hangup.recv().await;
            // The error is in the log, and the snapshot tells it.
            let _ = registry.reload().await;
        };
        tokio::select! {
            () = hung_up_and_reloaded => {}
            () = end.cancelled() => return,
        }
    }
}
