//! Checks every provider from time to time, each check a [`Call`] like any other.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    call::{Call, CorrelationId, Hub, Operation, Principal, Surface},
    limits::Place,
};

/// How often the monitor looks whose check is due.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until `end` is cancelled. Checks run side by side, so that a slow provider does not delay the others'; a round
/// ends when all of them have, which [`super::CHECK_TIME`] bounds.
pub async fn watch(hub: Arc<Hub>, end: CancellationToken) {
    let mut reloaded = hub.registry().changes();
    loop {
        let snapshot = hub.registry().snapshot();
        hub.health().retain(|provider| snapshot.entry(provider.as_str()).is_some());
        let due = snapshot.ready().filter(|revision| hub.health().is_due(&revision.name, &revision.id));
        let checks: Vec<_> = due.map(|revision| check(&hub, revision.name.as_str().to_owned())).collect();
        tokio::select! {
            _ = futures::future::join_all(checks) => {}
            () = end.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            // A new revision is checked at once; when the registry is gone the sleep above decides.
            Ok(()) = reloaded.changed() => {}
            () = end.cancelled() => return,
        }
    }
}

async fn check(hub: &Arc<Hub>, provider: String) {
    let call = Call {
        principal: Principal::Hub,
        place: Ok(Place::of_the_hub()),
        surface: Surface::Probe,
        correlation_id: CorrelationId::accept(None),
        provider,
        operation: Operation::CheckHealth,
    };
    // What it found is on the board and on record.
    hub.call(call).await;
}
