//! Reading the audit trail. Everybody with a role reads its own rows, and who answers for all reads all. Reading what others
//! sent and got, and taking a copy along, is on record itself.

use uuid::Uuid;

use super::{
    CallError, Hub, RequestFault,
    record::Draft,
    trail::{ExportRequest, ListRequest, TrailOperation, TrailOutput},
};
use crate::{
    audit::{Export, FilterError, Page, PageRequest, Query, Scope},
    identity::Caller,
    names::{Code, Role},
};

impl Hub {
    pub(super) async fn of_trail(
        &self,
        asked: &TrailOperation,
        caller: &Caller,
        draft: &mut Draft,
    ) -> Result<TrailOutput, CallError> {
        let scope = scope(caller);
        match asked {
            TrailOperation::List(request) => {
                let request = request.as_ref().map_err(Clone::clone)?;
                self.list(request, scope, draft).await.map(TrailOutput::Page)
            }
            TrailOperation::Show(id) => {
                let id = *id.as_ref().map_err(Clone::clone)?;
                let shown = self.parts.audit.trail().show(id, scope).await?.ok_or_else(|| unknown(id))?;
                if shown.caller != Some(caller.user) {
                    draft.tells_of_others(&serde_json::json!({ "id": id }));
                }
                Ok(TrailOutput::Shown(shown))
            }
            TrailOperation::Export(request) => {
                let ExportRequest { filter, format } = &**request.as_ref().map_err(Clone::clone)?;
                let query = Query::new(filter.clone(), scope).map_err(|error| fault(&error))?;
                let told = serde_json::json!({ "filter": query.told(), "format": format.as_str() });
                let exporting = self.parts.audit.trail().export(Export::new(query, *format))?;
                draft.tells_of_others(&told);
                Ok(TrailOutput::Export(Box::new(exporting)))
            }
        }
    }

    async fn list(&self, request: &ListRequest, scope: Scope, draft: &mut Draft) -> Result<Page, CallError> {
        let ListRequest { filter, after, limit, wants_total } = request;
        let query = Query::new(filter.clone(), scope).map_err(|error| fault(&error))?;
        let told = query.looks_into_bodies_of_others().then(|| serde_json::json!({ "filter": query.told() }));
        let request = PageRequest { query, after: *after, limit: *limit, wants_total: *wants_total };
        let page = self.parts.audit.trail().page(request).await?;
        if let Some(told) = told {
            draft.tells_of_others(&told);
        }
        Ok(page)
    }
}

fn scope(caller: &Caller) -> Scope {
    if caller.role.is_some_and(Role::reads_the_whole_trail) { Scope::Whole } else { Scope::Own(caller.user) }
}

fn fault(error: &FilterError) -> CallError {
    RequestFault { code: Code::ParamsInvalid, status: 400, text: error.to_string() }.into()
}

/// The same for what is not there and for what the caller may not see.
fn unknown(id: Uuid) -> CallError {
    let text = format!("there is no row {id} that you may see: GET /audit/events lists those that there are");
    RequestFault { code: Code::NotFound, status: 404, text }.into()
}
