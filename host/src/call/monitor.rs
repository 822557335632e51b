//! Checks every provider from time to time, each check a [`Call`] like any other.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;

use super::{Call, Hub, Operation, Principal, ProviderOperation};
use crate::{
    limits::Permit,
    names::{CorrelationId, Owner, ProviderName, Surface},
};

/// How often the monitor looks whose check is due.
const LOOK: Duration = Duration::from_secs(1);

/// A provider's name and the id of the revision of it that is checked.
type Checked = (ProviderName, String);

/// Runs until `end` is cancelled. Checks run side by side, and none waits for another: a slow provider delays only itself. A
/// new revision is checked at once, even while its predecessor's check runs.
pub async fn watch(hub: Arc<Hub>, end: CancellationToken) {
    let mut reloaded = hub.registry().changes();
    let mut checks = FuturesUnordered::new();
    let mut under_way = HashSet::<Checked>::new();
    loop {
        let snapshot = hub.registry().snapshot();
        hub.health().retain(|provider| snapshot.entry(provider.as_str()).is_some());
        for revision in snapshot.ready().filter(|revision| hub.health().is_due(&revision.name, &revision.id)) {
            let checked = (revision.name.clone(), revision.id.clone());
            if under_way.insert(checked.clone()) {
                checks.push(check(&hub, checked));
            }
        }
        tokio::select! {
            Some(checked) = checks.next() => {
                under_way.remove(&checked);
            }
            () = tokio::time::sleep(LOOK) => {}
            // When the registry is gone the sleep above decides.
            Ok(()) = reloaded.changed() => {}
            () = end.cancelled() => return,
        }
    }
}

async fn check(hub: &Arc<Hub>, checked: Checked) -> Checked {
    let call = Call {
        principal: Principal::Hub,
        permit: Ok(Permit::unlimited()),
        surface: Surface::Probe,
        correlation_id: CorrelationId::accept(None),
        operation: Operation::OfProvider {
            owner: Owner::Provider(checked.0.to_string()),
            asked: ProviderOperation::CheckHealth,
        },
    };
    // What it found is on the board and on record.
    hub.call(call).await;
    checked
}
