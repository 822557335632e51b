//! Calls that issue a failed one again: as whoever makes them, and linked with it on record.

use uuid::Uuid;

use super::{CallError, Hub, Principal, Replay, RequestFault, read_trail::reader};
use crate::{
    audit::{Event, Outcome},
    names::{Code, OperationKind, ToolClass},
    registry::{Revision, Tool},
};

impl Hub {
    /// The call that another one issues again, if its caller may see it, and if it has failed at the same tool.
    pub(super) async fn replayed(
        &self,
        replay: Replay,
        principal: &Principal,
        revision: &Revision,
        tool: &Tool,
    ) -> Result<Uuid, CallError> {
        let Some(caller) = principal.caller() else { return Err(CallError::Internal) };
        let found = self.parts.audit.trail().event(reader(caller), replay.of).await?;
        let event = found.ok_or_else(|| unseen(replay.of))?;
        match why_not(&event, revision.name.as_str(), tool) {
            Some(why) => Err(refused(format!("the call {} {why}", replay.of))),
            None if tool.class != ToolClass::Read && !replay.again => Err(refused(format!(
                "the call {} was a {}, which may have taken effect all the same: check there, and then issue it with `again`",
                replay.of, tool.class
            ))),
            None => Ok(replay.of),
        }
    }
}

fn why_not(event: &Event, provider: &str, tool: &Tool) -> Option<&'static str> {
    let is_of = |found: &Option<String>, name: &str| found.as_deref() == Some(name);
    if event.operation != OperationKind::CallTool {
        Some("is none of a tool: only those are issued again")
    } else if !is_of(&event.provider, provider) || !is_of(&event.tool, tool.name.as_str()) {
        Some("was one of another tool: call that one")
    } else if event.outcome == Outcome::Ok {
        Some("has succeeded: there is nothing to issue again")
    } else {
        None
    }
}

fn refused(text: String) -> CallError {
    RequestFault { code: Code::ParamsInvalid, status: 400, text }.into()
}

/// The same for what is not there and for what the caller may not see.
fn unseen(id: Uuid) -> CallError {
    let text = format!("there is no call {id} that you may see: GET /audit/events lists those that there are");
    RequestFault { code: Code::NotFound, status: 404, text }.into()
}
