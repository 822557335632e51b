//! `GET /audit/…`: the audit trail, for those who may see it.

use std::{io, str::FromStr, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use super::tools;
use crate::{
    audit::{
        Cursor, Dimension, ExportFormat, Exporting, Filter, PAGE, PAGE_MAX, Page, Parameter, Streaming, Summary,
        TOTAL_MAX,
    },
    call::{
        Answer, Call, CallError, ExportRequest, Hub, HubOperation, ListRequest, Operation, Output, Principal,
        RequestFault, TrailOperation, TrailOutput, UsageRequest,
    },
    http::{Admission, Correlation, Endless, path_malformed, problem},
    identity::Caller,
    names::{Code, Surface, words},
    text::plain,
};

words! {
    /// What a page takes beside filters.
    enum OfPage: "parameter" {
        /// Where the page before ended.
        Cursor = "cursor",
        /// How many events.
        Limit = "limit",
        /// Whether they are counted.
        Total = "total",
    }
}

words! {
    /// What an export takes beside filters.
    enum OfExport: "parameter" {
        /// How it is written.
        Format = "format",
    }
}

words! {
    /// What sums take beside filters.
    enum OfUsage: "parameter" {
        /// By what they are told apart.
        By = "by",
    }
}

/// Who asks, and by which request.
pub(super) type Asking = (Extension<Arc<Caller>>, Extension<Admission>, Extension<Correlation>);

pub(super) async fn list(State(hub): State<Arc<Hub>>, asking: Asking, RawQuery(query): RawQuery) -> Response {
    let asked = TrailOperation::List(page_of(query.as_deref().unwrap_or_default()).map(Box::new));
    answer(&hub, asking, asked, nothing_follows).await
}

pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    asking: Asking,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let id = path.map_err(|_| path_malformed()).and_then(|Path(id)| {
        id.parse().map_err(|_| {
            let text = format!("`{}` is no row's id: GET /audit/events shows them", plain::name(&id));
            RequestFault { code: Code::NotFound, status: 404, text }
        })
    });
    answer(&hub, asking, TrailOperation::Show(id), nothing_follows).await
}

pub(super) async fn export(State(hub): State<Arc<Hub>>, asking: Asking, RawQuery(query): RawQuery) -> Response {
    let asked = TrailOperation::Export(export_of(query.as_deref().unwrap_or_default()).map(Box::new));
    answer(&hub, asking, asked, nothing_follows).await
}

pub(super) async fn usage(State(hub): State<Arc<Hub>>, asking: Asking, RawQuery(query): RawQuery) -> Response {
    let asked = TrailOperation::Usage(usage_of(query.as_deref().unwrap_or_default()).map(Box::new));
    answer(&hub, asking, asked, nothing_follows).await
}

/// Only a stream is one.
fn nothing_follows(_: Box<Streaming>) -> Response {
    problem(&CallError::Internal)
}

/// Asks, and answers; a stream is answered by `streamed`.
pub(super) async fn answer(
    hub: &Arc<Hub>,
    asking: Asking,
    asked: TrailOperation,
    streamed: impl FnOnce(Box<Streaming>) -> Response,
) -> Response {
    let (Extension(caller), Extension(Admission(permit)), Extension(correlation)) = asking;
    let format = match &asked {
        TrailOperation::Export(Ok(request)) => request.format,
        _ => ExportFormat::Jsonl,
    };
    let call = Call {
        principal: Principal::Caller(caller),
        permit,
        surface: Surface::Rest,
        correlation_id: correlation.0,
        operation: Operation::OfHub(HubOperation::Trail(asked)),
    };
    let mut response = match hub.call(call).await {
        Answer { outcome: Ok(Output::Trail(output)), .. } => match output {
            TrailOutput::Page(page) => document(&written(&page)),
            TrailOutput::Shown(shown) => document(&shown.document),
            TrailOutput::Export(exporting) => exported(*exporting, format, hub.end().clone()),
            TrailOutput::Stream(streaming) => streamed(streaming),
            TrailOutput::Usage(Summary { sums, is_whole }) => document(&json!({ "usage": sums, "is_whole": is_whole })),
        },
        refused => return tools::respond(refused, &[]),
    };
    // What it tells may not be for the next who asks.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn written(page: &Page) -> Value {
    let Page { events, next, total } = page;
    let mut written = json!({ "events": events, "next": next.map(|next| next.to_string()) });
    if let Some(total) = total {
        written["total"] = (*total).min(TOTAL_MAX).into();
        written["total_is_exact"] = (*total <= TOTAL_MAX).into();
    }
    written
}

/// JSON in which all can be seen.
fn document(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], plain::json(value.to_string())).into_response()
}

/// A chunk is read when the client has taken the one before. If one cannot be read, or the hub ends, the answer breaks off,
/// which a client notices, and an export without its last line is none.
fn exported(exporting: Exporting, format: ExportFormat, end: CancellationToken) -> Response {
    let chunks = stream::try_unfold(exporting, move |exporting| {
        let end = end.clone();
        async move {
            let next: Option<(String, Exporting)> = tokio::select! {
                biased;
                () = end.cancelled() => return Err(axum::Error::new(io::Error::other("the hub ends"))),
                next = exporting.next() => next.map_err(axum::Error::new)?,
            };
            Ok(next.map(|(chunk, exporting)| (Bytes::from(chunk), exporting)))
        }
    });
    let (media_type, file) = match format {
        ExportFormat::Jsonl => ("application/jsonl", "attachment; filename=\"audit.jsonl\""),
        ExportFormat::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit.csv\""),
    };
    let headers = [(CONTENT_TYPE, media_type), (CONTENT_DISPOSITION, file)];
    let mut response = (headers, Body::from_stream(Box::pin(chunks))).into_response();
    response.extensions_mut().insert(Endless);
    response
}

fn page_of(query: &str) -> Result<ListRequest, RequestFault> {
    let (filter, others) = parameters::<OfPage>(query, OfPage::ALL)?;
    let mut request = ListRequest { filter, after: None, limit: PAGE, wants_total: false };
    for (parameter, value) in others {
        match parameter {
            OfPage::Cursor => {
                let cursor: Cursor = value.parse().map_err(|error| refused(format!("`cursor`: {error}")))?;
                request.after = Some(cursor);
            }
            OfPage::Limit => {
                let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
                request.limit = limit.ok_or_else(|| refused(format!("`limit` has to be a number, 1 to {PAGE_MAX}")))?;
            }
            OfPage::Total => {
                let wants = value.parse().map_err(|_| refused("`total` has to be `true` or `false`".to_owned()));
                request.wants_total = wants?;
            }
        }
    }
    Ok(request)
}

fn export_of(query: &str) -> Result<ExportRequest, RequestFault> {
    let (filter, others) = parameters::<OfExport>(query, OfExport::ALL)?;
    let mut request = ExportRequest { filter, format: ExportFormat::Jsonl };
    for (OfExport::Format, value) in others {
        let format = value.parse().map_err(|_| refused("`format` has to be `jsonl` or `csv`".to_owned()));
        request.format = format?;
    }
    Ok(request)
}

/// A filter and nothing beside it.
pub(super) fn filter_of(query: &str) -> Result<Filter, RequestFault> {
    Ok(parameters::<OfExport>(query, &[])?.0)
}

fn usage_of(query: &str) -> Result<UsageRequest, RequestFault> {
    let (filter, others) = parameters::<OfUsage>(query, OfUsage::ALL)?;
    let mut by = Vec::<Dimension>::new();
    for (OfUsage::By, value) in others {
        for name in value.split(',') {
            let dimension = name.parse().ok().filter(|dimension| !by.contains(dimension));
            let known = Dimension::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            by.push(
                dimension.ok_or_else(|| refused(format!("`by` has to be some of {known}, each once, with commas")))?,
            );
        }
    }
    Ok(UsageRequest { filter, by })
}

/// A filter, and the parameters beside it, each once.
fn parameters<T: FromStr + Copy + PartialEq + ToString>(
    query: &str,
    others: &[T],
) -> Result<(Filter, Vec<(T, String)>), RequestFault> {
    let (mut of_filter, mut beside) = (Vec::<(Parameter, String)>::new(), Vec::<(T, String)>::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Ok(parameter) = name.parse() {
            of_filter.push((parameter, value.into_owned()));
        } else if let Some(parameter) = name.parse::<T>().ok().filter(|parameter| others.contains(parameter)) {
            if beside.iter().any(|(there, _)| *there == parameter) {
                return Err(refused(format!("`{name}` is there twice: give it once")));
            }
            beside.push((parameter, value.into_owned()));
        } else {
            let known = Parameter::ALL.iter().map(ToString::to_string).chain(others.iter().map(ToString::to_string));
            let known: Vec<_> = known.collect();
            let told = format!("there is no parameter `{}`: there are {}", plain::name(&name), known.join(", "));
            return Err(refused(told));
        }
    }
    let given = of_filter.iter().map(|(parameter, value)| (*parameter, value.as_str()));
    Ok((Filter::read(given).map_err(|error| refused(error.to_string()))?, beside))
}

pub(super) fn refused(text: String) -> RequestFault {
    RequestFault { code: Code::ParamsInvalid, status: 400, text }
}
