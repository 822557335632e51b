//! Reading the audit trail. Everybody with a role reads its own rows, and who answers for all reads all. Reading what others
//! sent and got, and taking a copy along, is on record itself.

use uuid::Uuid;

use super::{
    CallError, Hub, RequestFault,
    record::Draft,
    trail::{ExportRequest, ListRequest, StreamRequest, TrailOperation, TrailOutput, UsageRequest},
};
use crate::{
    audit::{Export, FilterError, Page, PageRequest, Query, Reader, Scope, UsageQuery},
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
        let reader = reader(caller);
        let trail = self.parts.audit.trail();
        match asked {
            TrailOperation::List(request) => {
                let request = request.as_ref().map_err(Clone::clone)?;
                self.list(request, reader, draft).await.map(TrailOutput::Page)
            }
            TrailOperation::Show(id) => {
                let id = *id.as_ref().map_err(Clone::clone)?;
                let shown = trail.show(reader, id).await?.ok_or_else(|| unknown(id))?;
                if shown.caller != Some(caller.user) {
                    draft.tells_of_others(&serde_json::json!({ "id": id }));
                }
                Ok(TrailOutput::Shown(shown))
            }
            TrailOperation::Export(request) => {
                let ExportRequest { filter, format } = &**request.as_ref().map_err(Clone::clone)?;
                let query = Query::new(filter.clone(), reader.scope).map_err(|error| fault(&error))?;
                let told = serde_json::json!({ "filter": query.told(), "format": format.as_str() });
                let exporting = trail.export(reader, Export::new(query, *format))?;
                // Whoever takes its own along tells nobody anything: that is counted, as lists are.
                if reader.scope == Scope::Whole {
                    draft.tells_of_others(&told);
                }
                Ok(TrailOutput::Export(Box::new(exporting)))
            }
            TrailOperation::Stream(request) => {
                let StreamRequest { filter, from } = &**request.as_ref().map_err(Clone::clone)?;
                let query = Query::of_news(filter.clone(), reader.scope);
                let told = search_of_others(&query);
                let streaming = trail.stream(reader, query, from.clone()).await?;
                if let Some(told) = told {
                    draft.tells_of_others(&told);
                }
                Ok(TrailOutput::Stream(Box::new(streaming)))
            }
            TrailOperation::Usage(request) => {
                let UsageRequest { filter, by } = &**request.as_ref().map_err(Clone::clone)?;
                let query = UsageQuery::new(filter.clone(), by.clone(), reader.scope).map_err(|error| fault(&error))?;
                Ok(TrailOutput::Usage(trail.usage(reader, query).await?))
            }
        }
    }

    async fn list(&self, request: &ListRequest, reader: Reader, draft: &mut Draft) -> Result<Page, CallError> {
        let ListRequest { filter, after, limit, wants_total } = request;
        let query = Query::new(filter.clone(), reader.scope).map_err(|error| fault(&error))?;
        let told = search_of_others(&query);
        let request = PageRequest { query, after: *after, limit: *limit, wants_total: *wants_total };
        let page = self.parts.audit.trail().page(reader, request).await?;
        if let Some(told) = told {
            draft.tells_of_others(&told);
        }
        Ok(page)
    }
}

/// What a caller may see.
pub(super) fn reader(caller: &Caller) -> Reader {
    let sees_all = caller.role.is_some_and(Role::reads_the_whole_trail);
    Reader { user: caller.user, scope: if sees_all { Scope::Whole } else { Scope::Own(caller.user) } }
}

/// What is on record of a search that finds out something of what others sent and got.
fn search_of_others(query: &Query) -> Option<serde_json::Value> {
    query.looks_into_bodies_of_others().then(|| serde_json::json!({ "filter": query.told() }))
}

fn fault(error: &FilterError) -> CallError {
    RequestFault { code: Code::ParamsInvalid, status: 400, text: error.to_string() }.into()
}

/// The same for what is not there and for what the caller may not see.
fn unknown(id: Uuid) -> CallError {
    let text = format!("there is no row {id} that you may see: GET /audit/events lists those that there are");
    RequestFault { code: Code::NotFound, status: 404, text }.into()
}
