//! What the program's commands do to what the hub trusts is on record as calls are.

use std::{sync::LazyLock, time::Instant};

use anyhow::Context as _;
use chrono::Utc;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::options::Options;
use crate::{
    audit::{Audit, Body, Event, Outcome, Sharing},
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
    mut asked: Map<String, Value>,
    act: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let audit = Audit::open(&options.data.canonicalize()?, options.database()?)?;
    let (created_at, started) = (Utc::now(), Instant::now());
    let done = act();
    asked.insert("uid".to_owned(), (*USER).into());
    let error = done.as_ref().err().map(|error| plain::text(&format!("{error:#}"), ERROR_MAX));
    let event = Event {
        id: Uuid::now_v7(),
        created_at,
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
        duration_ms: started.elapsed().as_millis().try_into().unwrap_or(u32::MAX),
        hostname: None,
        operation,
        surface: Surface::Cli,
        correlation_id: CorrelationId::accept(None).to_string(),
        revision: None,
        times: 1,
        sharing: Sharing::Own,
        quotas: Vec::new(),
    };
    let recorded = runtime.block_on(async {
        let recorded = audit.record(event).await;
        audit.close().await;
        recorded
    });
    recorded.context("this may have been done all the same, but it is not on record")?;
    done
}

/// The longest error text that is kept, in characters.
const ERROR_MAX: usize = 1000;
