//! What admins do to the hub, and what it does to itself when files change. What changes something has a row of its own.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    AdminOperation, AdminOutput, Answer, Call, CallError, Hub, HubOperation, Operation, Principal, ProviderAct,
    record::Draft,
};
use crate::{
    events::HubEvent,
    identity::Caller,
    limits::Permit,
    names::{CorrelationId, Surface},
    registry::{ImposeError, Reloaded, Report},
    text::plain,
};

/// How long whoever asks for a reload waits for what loads. What takes longer is told as loading, and has a row of its own
/// when it is done.
const RELOADING: Duration = Duration::from_secs(25);
/// How soon a reload is to be on record after all, where nothing could be recorded.
const AGAIN: Duration = Duration::from_secs(1);

impl Hub {
    pub(super) async fn of_admin(
        &self,
        asked: &AdminOperation,
        caller: &Caller,
        draft: &mut Draft,
    ) -> Result<AdminOutput, CallError> {
        match asked {
            AdminOperation::Providers => Ok(AdminOutput::Providers(self.parts.registry.snapshot())),
            AdminOperation::Reload => {
                let report = self.parts.reloads.reload(RELOADING).await;
                self.tell_of_reload(&report);
                reloaded(report, draft).map(AdminOutput::Reloaded)
            }
            AdminOperation::Override { provider, act } => {
                let (reloads, by) = (&self.parts.reloads, Some(caller.user));
                let done = match act {
                    ProviderAct::Disable => reloads.disable(provider, by).await,
                    ProviderAct::Enable => reloads.enable(provider, RELOADING).await,
                    ProviderAct::RollBack => reloads.roll_back(provider, by, RELOADING).await,
                };
                if !matches!(done, Err(ImposeError::Unknown(_))) {
                    draft.begins_on_the_hub();
                }
                Ok(AdminOutput::Overridden(done?, self.parts.registry.snapshot()))
            }
        }
    }
}

impl From<ImposeError> for CallError {
    fn from(error: ImposeError) -> Self {
        match error {
            ImposeError::Unknown(provider) => Self::UnknownProvider(plain::name(&provider)),
            ImposeError::ByConfig(_) | ImposeError::NoneBefore(_) | ImposeError::Unfit { .. } => {
                Self::OverrideRefused(error.to_string())
            }
            ImposeError::NotKept(_) | ImposeError::Ending => Self::OverrideNotKept(error.to_string()),
        }
    }
}

impl Hub {
    /// Tells of what a reload has refused, where that is news.
    pub(super) fn tell_of_reload(&self, report: &Report) {
        match report {
            Err(error) => self.parts.events.of_hub(HubEvent::ReloadRefused { reason: error.to_string() }),
            Ok(reloaded) => {
                for wrong in &reloaded.new_problems {
                    if let Ok(provider) = wrong.provider.clone().try_into() {
                        self.parts.events.of_hub(HubEvent::LoadRefused { provider, reason: wrong.problem.clone() });
                    }
                }
            }
        }
    }
}

/// What came of a reload. It is on record if it has changed or refused something, and otherwise counted, as lists are.
pub(super) fn reloaded(report: Report, draft: &mut Draft) -> Result<Reloaded, CallError> {
    match report {
        Ok(reloaded) => {
            if reloaded.is_news() {
                draft.begins_on_the_hub();
            }
            Ok(reloaded)
        }
        Err(error) => {
            draft.begins_on_the_hub();
            Err(CallError::ConfigRefused(error.to_string()))
        }
    }
}

/// Puts on record what reloads came to that nobody has asked for, until `end` is cancelled.
pub async fn record_reloads(hub: Arc<Hub>, mut reports: mpsc::Receiver<Report>, end: CancellationToken) {
    loop {
        let report = tokio::select! {
            biased;
            Some(report) = reports.recv() => report,
            () = end.cancelled() => return,
        };
        hub.tell_of_reload(&report);
        while let Answer { outcome: Err(CallError::NotRecorded(_)), .. } = hub.call(seen(report.clone())).await {
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = end.cancelled() => return,
            }
        }
    }
}

fn seen(report: Report) -> Call {
    Call {
        principal: Principal::Hub,
        permit: Ok(Permit::unlimited()),
        surface: Surface::Hub,
        correlation_id: CorrelationId::accept(None),
        operation: Operation::OfHub(HubOperation::Reloaded(report)),
    }
}
