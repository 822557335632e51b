//! `bulkhead upgrade PROGRAM`: the command, and the hub that it asks.

use std::{collections::BTreeSet, os::fd::OwnedFd, process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use sd_notify::NotifyState;
use serde_json::{Map, Value, json};

use super::{
    options::{Options, UpgradeOptions},
    recorded::{Began, event},
};
use crate::{
    audit::Audit,
    call::Hub,
    http::Ending,
    names::OperationKind,
    registry::Entry,
    upgrade::{self, Asked, Control, Program, Reply, Request, Successor, UpgradeError},
};

/// Asks the hub that runs to make way, and waits until it has or will not.
pub(super) fn upgrade(options: &Options, asked: &UpgradeOptions) -> anyhow::Result<ExitCode> {
    let found = asked.program.canonicalize();
    let program = found.with_context(|| format!("cannot use {}", asked.program.display()))?;
    let request = Request::Upgrade { program, force: asked.force };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(upgrade::ask(&options.data, asked.process, &request))? {
        Reply::Upgraded { process, version } => {
            println!("process {process} serves now, version {version}; the one before ends with its last connection");
            Ok(ExitCode::SUCCESS)
        }
        Reply::Refused { why } => bail!("the hub goes on as it is: {why}"),
        Reply::Begin => bail!("the hub said something else: look into its log"),
    }
}

/// The names of the providers that serve.
pub(super) fn serving(hub: &Hub) -> BTreeSet<String> {
    let snapshot = hub.registry().snapshot();
    let ready = snapshot.entries().filter(|(_, entry)| matches!(entry, Entry::Ready { .. }));
    ready.map(|(name, _)| name.to_string()).collect()
}

/// Makes way for another program when that is asked for, and until then for none. Each attempt is on record before it takes
/// effect, also one that failed.
pub(super) async fn make_way(hub: Arc<Hub>, audit: Audit, control: Control, socket: OwnedFd, ending: Ending) {
    loop {
        let asked = tokio::select! {
            asked = control.asked() => asked,
            () = ending.make_way.cancelled() => return,
        };
        let Request::Upgrade { program, force } = &asked.request else {
            asked.refuse("it did not start this program".to_owned()).await;
            continue;
        };
        if hub.recording_problem().is_some() {
            asked.refuse("nothing can be recorded now, so nothing begins: `/health` says why".to_owned()).await;
            continue;
        }
        let mut row = Row::of(&asked, json!({ "program": program, "force": force }));
        let successor = tokio::select! {
            successor = successor(&hub, &control, &socket, &asked) => successor,
            () = ending.make_way.cancelled() => return,
        };
        match successor {
            Ok((successor, version)) => {
                row.asked.extend([("version".to_owned(), version.clone().into())]);
                row.asked.extend([("process".to_owned(), successor.process().into())]);
                if let Err(error) = audit.record(row.ended(None)).await {
                    // It is dropped, and so it ends.
                    tracing::error!(%error, "an upgrade could not be recorded: the hub goes on as it is");
                    asked.refuse("it could not be recorded".to_owned()).await;
                    continue;
                }
                let process = successor.process();
                tracing::info!(
                    process,
                    version,
                    "another program takes over; this one serves the connections that it has"
                );
                let _ = sd_notify::notify(&[NotifyState::MainPid(process)]);
                successor.begin().await;
                asked.answer(&Reply::Upgraded { process, version }).await;
                ending.make_way.cancel();
                return;
            }
            Err(error) => {
                let why = error.to_string();
                tracing::error!("an upgrade failed, and the hub goes on as it is: {why}");
                // One that cannot be recorded is tried again, like any row.
                let _ = audit.record(row.ended(Some(&error.into()))).await;
                asked.refuse(why).await;
            }
        }
    }
}

/// The hub that could take over, and its version.
async fn successor(
    hub: &Hub,
    control: &Control,
    socket: &OwnedFd,
    asked: &Asked,
) -> Result<(Successor, String), UpgradeError> {
    let Request::Upgrade { program, force } = &asked.request else { return Err(UpgradeError::FirstProcess) };
    let program = Program::at(program, *force).await?;
    let socket = socket.try_clone().map_err(UpgradeError::NotStarted)?;
    let successor = Successor::start(&program, socket, control, &serving(hub)).await?;
    Ok((successor, program.version.to_string()))
}

/// The row of an attempt, as far as it is known.
struct Row {
    began: Began,
    asked: Map<String, Value>,
}

impl Row {
    fn of(asked: &Asked, what: Value) -> Self {
        let Value::Object(mut what) = what else { return Self { began: Began::now(), asked: Map::new() } };
        // Whoever asked, who need not be whose hub it is.
        what.insert("uid".to_owned(), asked.user.into());
        Self { began: Began::now(), asked: what }
    }

    fn ended(&self, error: Option<&anyhow::Error>) -> crate::audit::Event {
        event(OperationKind::Upgrade, &self.began, self.asked.clone(), error)
    }
}
