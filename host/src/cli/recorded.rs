//! What the program's commands do to what the hub trusts is on record as calls are.

use std::{sync::LazyLock, time::Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::options::Options;
use crate::{
    audit::{Audit, Body, Event, ForOutbox, Outcome, Sharing, Usage},
    names::{Code, CorrelationId, Kept, OperationKind, Surface},
    text::plain,
};

/// Who runs the program, as the operating system numbers its users.
static USER: LazyLock<u32> = LazyLock::new(|| rustix::process::getuid().as_raw());

/// Does something and records it, with what it was asked for. It is not begun while nothing can be recorded, and its row is on
/// disk when this returns; a program that is killed between the two leaves none.
///
/// # Errors
/// Those of the act, and of the record.
pub(super) fn recorded<T>(
    options: &Options,
    operation: OperationKind,
    asked: Map<String, Value>,
    act: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let audit = Audit::open(&options.data.canonicalize()?, options.database()?)?;
    let began = Began::now();
    let done = act();
    let event = event(operation, &began, asked, done.as_ref().err());
    let recorded = runtime.block_on(async {
        let recorded = audit.record(event).await;
        audit.close().await;
        recorded
    });
    recorded.context("this may have been done all the same, but it is not on record")?;
    done
}

/// When a command began.
pub(super) struct Began {
    at: DateTime<Utc>,
    instant: Instant,
}

impl Began {
    pub(super) fn now() -> Self {
        Self { at: Utc::now(), instant: Instant::now() }
    }
}

/// The event of a command that has ended.
pub(super) fn event(
    operation: OperationKind,
    began: &Began,
    mut asked: Map<String, Value>,
    error: Option<&anyhow::Error>,
) -> Event {
    asked.entry("uid").or_insert_with(|| (*USER).into());
    let error = error.map(|error| plain::text(&format!("{error:#}"), ERROR_MAX));
    Event {
        id: Uuid::now_v7(),
        created_at: began.at,
        provider: None,
        tool: None,
        caller_id: None,
        caller_role: None,
        team: None,
        payload: Body::of(Value::Object(asked).to_string(), Kept::Full),
        result: None,
        outcome: if error.is_some() { Outcome::Failed } else { Outcome::Ok },
        error_code: error.is_some().then_some(Code::Internal),
        error,
        duration_ms: began.instant.elapsed().as_millis().try_into().unwrap_or(u32::MAX),
        hostname: None,
        operation,
        surface: Surface::Cli,
        correlation_id: CorrelationId::accept(None).to_string(),
        revision: None,
        replays: None,
        times: 1,
        used: Usage::default(),
        severity: None,
        sharing: Sharing::Own,
        quotas: Vec::new(),
        outbox: ForOutbox::default(),
    }
}

/// The longest error text that is kept, in characters.
const ERROR_MAX: usize = 1000;
