//! Sending, and trying again where that can help and the deadline leaves room.

use std::time::Duration;

use super::Response;
use super::request::RequestBuilder;
use crate::contract::{HttpError, HttpRequest};
use crate::error::CallError;
use crate::gate::Gate;

/// How long to wait before the second and the third attempt, where the upstream does not say. There is no fourth: an
/// agent is waiting, and many callers that retry for long keep a struggling upstream down.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

type Answer = Result<Response, HttpError>;

impl RequestBuilder<'_> {
    /// Sends it and returns a 2xx answer, or one that [`accept`](Self::accept) lets through.
    ///
    /// # Errors
    /// Everything else: what [`explain`](Self::explain) says or else the default, which is `upstream-auth` for 401 and
    /// 403, `not-found` for 404, `conflict` for 409, `upstream-rate-limited` for 429 (with `Retry-After`),
    /// `upstream-timeout` for 408, 504 and no answer in time, `upstream-failed` for the other statuses, and
    /// `upstream-unreachable` where the gate refuses or nothing answers.
    pub fn send(self) -> Result<Response, CallError> {
        let answers = send_all(self.gate(), &[self]);
        answers.into_iter().next().unwrap_or_else(|| Err(CallError::internal("the SDK lost an answer: report this")))
    }
}

/// Sends what is ready, all of it concurrently, and again what may and should be tried again. A request with a mistake is
/// not sent and keeps its place.
pub(super) fn send_all(gate: &dyn Gate, builders: &[RequestBuilder<'_>]) -> Vec<Result<Response, CallError>> {
    let mut answers: Vec<Option<Answer>> = builders.iter().map(|_| None).collect();
    let ready = builders.iter().enumerate().filter_map(|(place, b)| Some((place, b.ready().ok()?.clone())));
    let (mut places, mut requests): (Vec<_>, Vec<_>) = ready.unzip();
    for attempt in 0..=PAUSES.len() {
        if requests.is_empty() {
            break;
        }
        let sent = transmit(gate, &requests);
        let mut again = (Vec::new(), Vec::new());
        for ((place, mut request), answer) in places.into_iter().zip(requests).zip(sent) {
            let builder = &builders[place];
            let answer = answer.map(|answer| builder.response(answer));
            if attempt > 0 && matches!(answer, Err(HttpError::Timeout | HttpError::BudgetExhausted(_))) {
                continue; // no room for this attempt: the answer before says more
            }
            let pause = answer.as_ref().ok().filter(|_| builder.retries()).and_then(|answer| pause(answer, attempt));
            answers[place] = Some(answer);
            if let Some(pause) = pause.filter(|pause| *pause < builder.deadline()) {
                request.delay_ms = Some(u32::try_from(pause.as_millis()).unwrap_or(u32::MAX));
                again.0.push(place);
                again.1.push(request);
            }
        }
        (places, requests) = again;
    }
    let missing = || Err(HttpError::Connection("the gate gave no answer".to_owned()));
    let judge = |(builder, answer): (&RequestBuilder<'_>, Option<Answer>)| {
        builder.ready()?;
        builder.judge(answer.unwrap_or_else(missing))
    };
    builders.iter().zip(answers).map(judge).collect()
}

fn transmit(gate: &dyn Gate, requests: &[HttpRequest]) -> Vec<Result<crate::HttpResponse, HttpError>> {
    match requests {
        [one] => vec![gate.send(one)],
        several => gate.send_all(several),
    }
}

/// How long to wait before the next attempt; `None` if there should be none. An upstream that limits us is asked again
/// only when it says when.
fn pause(answer: &Response, attempt: usize) -> Option<Duration> {
    let usual = PAUSES.get(attempt).copied()?;
    match answer.status() {
        429 => answer.retry_after(),
        408 | 502 | 503 | 504 => Some(answer.retry_after().unwrap_or(usual)),
        _ => None,
    }
}
