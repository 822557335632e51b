//! `GET /audit/stream`: the audit trail as it is recorded, as Server-Sent Events (WHATWG HTML §9.2).

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::trail::{Asking, answer, filter_of, refused};
use crate::{
    audit::{News, NewsEvent, ResumeToken, Streaming},
    call::{Hub, RequestFault, StreamRequest, TrailOperation},
    http::Endless,
    text::plain,
};

/// The header in which a client says where it stood.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells proxies to hand on what there is.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How often a stream in which nothing happens says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The longest that one stream lasts. Who comes back shows its token again, so that one that was withdrawn does not go on.
const LASTS: Duration = Duration::from_secs(10 * 60);
/// How soon a client should come back, in milliseconds.
const RETRY_MS: u32 = 2000;

pub(super) async fn stream(
    State(hub): State<Arc<Hub>>,
    asking: Asking,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let valid_until = asking.0.valid_until;
    let asked = request_of(query.as_deref().unwrap_or_default(), &headers).map(Box::new);
    answer(&hub, asking, TrailOperation::Stream(asked), |streaming| streamed(streaming, &hub, valid_until)).await
}

fn request_of(query: &str, headers: &HeaderMap) -> Result<StreamRequest, RequestFault> {
    Ok(StreamRequest { filter: filter_of(query)?, from: from(headers)? })
}

fn from(headers: &HeaderMap) -> Result<Option<ResumeToken>, RequestFault> {
    let mut all = headers.get_all(LAST_EVENT_ID).iter();
    let Some(given) = all.next().filter(|given| !given.is_empty()) else { return Ok(None) };
    let token = given.to_str().ok().and_then(|text| text.parse().ok());
    match (token, all.next()) {
        (Some(token), None) => Ok(Some(token)),
        _ => Err(refused("`Last-Event-ID` is, once, what the stream said last as `id`, unchanged".to_owned())),
    }
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy)]
enum End {
    TokenExpired,
    HubEnds,
    Renew,
    Unreadable,
}

impl End {
    fn reason(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::HubEnds => "hub_ends",
            Self::Renew => "renew",
            Self::Unreadable => "trail_unreadable",
        }
    }
}

/// A stream and how long it goes on.
struct Live {
    streaming: Box<Streaming>,
    valid_until: SystemTime,
    renewed_at: Instant,
    hub_ends: CancellationToken,
    /// Whether the client has got anything.
    begun: bool,
}

fn streamed(streaming: Box<Streaming>, hub: &Hub, valid_until: SystemTime) -> Response {
    let renewed_at = Instant::now() + LASTS;
    let live = Live { streaming, valid_until, renewed_at, hub_ends: hub.end().clone(), begun: false };
    let parts = stream::unfold(Some(live), async |live| {
        let (text, live) = match live?.next().await {
            Ok((text, live)) => (text, Some(live)),
            Err(end) => (message("end", &json!({ "reason": end.reason() })), None),
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), live))
    });
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("text/event-stream")), (UNBUFFERED, HeaderValue::from_static("no"))];
    let mut response = (headers, Body::from_stream(Box::pin(parts))).into_response();
    response.extensions_mut().insert(Endless);
    response
}

impl Live {
    /// What the client gets next, or why there is no more.
    async fn next(mut self) -> Result<(String, Self), End> {
        if !self.begun {
            self.begun = true;
            let text = format!("retry: {RETRY_MS}\n{}", standing(&self.streaming));
            return Ok((text, self));
        }
        let heartbeat = Instant::now() + HEARTBEAT;
        loop {
            // By the machine's clock, which may be set while a stream goes on.
            let left = self.valid_until.duration_since(SystemTime::now()).map_err(|_| End::TokenExpired)?;
            if self.renewed_at <= Instant::now() {
                return Err(End::Renew);
            }
            let until = heartbeat.min(Instant::now() + left).min(self.renewed_at);
            let hub_ends = self.hub_ends.clone();
            let looked = async {
                if !self.streaming.wait(until).await {
                    return Ok((None, self));
                }
                let (news, streaming) = self.streaming.look().await.map_err(|_| End::Unreadable)?;
                *self.streaming = streaming;
                Ok((Some(news), self))
            };
            let news;
            (news, self) = tokio::select! {
                biased;
                () = hub_ends.cancelled() => return Err(End::HubEnds),
                looked = looked => looked?,
            };
            match news.map(|news| written(&news)) {
                Some(text) if !text.is_empty() => return Ok((text, self)),
                _ if heartbeat <= Instant::now() => {
                    let text = standing(&self.streaming);
                    return Ok((text, self));
                }
                _ => {}
            }
        }
    }
}

/// A sign of life, and where the client stands: events of others may have come.
fn standing(streaming: &Streaming) -> String {
    format!(": here\nid: {}\n\n", streaming.token())
}

fn written(news: &News) -> String {
    let mut text = String::new();
    if news.dropped > 0 {
        text.push_str(&message("dropped", &json!({ "entries": news.dropped })));
    }
    for NewsEvent { event, token } in &news.events {
        let event = plain::json(Value::Object(event.clone()).to_string());
        // A `String` takes everything.
        let _ = write!(text, "id: {token}\ndata: {event}\n\n");
    }
    text
}

fn message(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
