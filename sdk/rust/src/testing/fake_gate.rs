//! A gate that answers from a script and remembers what it saw.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::contract::{EventError, HttpError, HttpRequest, HttpResponse, Level, Method, SecretError};
use crate::gate::Gate;

/// A scripted answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply(Result<HttpResponse, HttpError>);

impl Reply {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let text = serde_json::to_string(body).unwrap_or_else(|why| format!("the scripted body is no JSON: {why}"));
        Self::text(status, &text).header("content-type", "application/json")
    }

    /// An answer with any text, such as the HTML of a proxy.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self(Ok(HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() }))
    }

    /// No answer: the gate refuses or the upstream is silent.
    #[must_use]
    pub fn error(error: HttpError) -> Self {
        Self(Err(error))
    }

    /// Adds a header to an answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Ok(response) = &mut self.0 {
            response.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        self
    }
}

struct Rule {
    method: Method,
    prefix: String,
    replies: Vec<Reply>,
    played: usize,
}

#[derive(Default)]
struct Seen {
    requests: Vec<HttpRequest>,
    events: Vec<(String, Value)>,
    logs: Vec<(Level, String)>,
}

type Otherwise = Box<dyn Fn(&HttpRequest) -> Result<HttpResponse, HttpError>>;

/// A [`Gate`] for tests. Requests without a script are refused as `denied-host`, secrets that were not given are not
/// set. A request's `delay` passes at once, but counts: when the call's time is used up, the gate answers `timeout`.
#[derive(Default)]
pub struct FakeGate {
    rules: RefCell<Vec<Rule>>,
    otherwise: Option<Otherwise>,
    secrets: Vec<(String, Result<String, SecretError>)>,
    seen: RefCell<Seen>,
    latency: Duration,
    left: Cell<Duration>,
}

impl FakeGate {
    /// A gate that lets nothing through.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers requests whose URL begins with `prefix`. The longest matching prefix wins; several replies to the same
    /// one are played in order, and the last repeats.
    #[must_use]
    pub fn on(self, method: Method, prefix: &str, reply: Reply) -> Self {
        let mut rules = self.rules.take();
        match rules.iter_mut().find(|rule| rule.method == method && rule.prefix == prefix) {
            Some(rule) => rule.replies.push(reply),
            None => rules.push(Rule { method, prefix: prefix.to_owned(), replies: vec![reply], played: 0 }),
        }
        self.rules.replace(rules);
        self
    }

    /// Answers every request that no script covers, by a function: for answers that depend on the request, or to try a
    /// provider against a real upstream.
    #[must_use]
    pub fn otherwise(mut self, answer: impl Fn(&HttpRequest) -> Result<HttpResponse, HttpError> + 'static) -> Self {
        self.otherwise = Some(Box::new(answer));
        self
    }

    /// Lets every request take this much of the call's time; nothing unless told.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// A call begins, with so much time.
    pub(super) fn begin(&self, deadline: Duration) {
        self.left.set(deadline);
    }

    /// Lets a request's time pass; `None` when the call has not that much.
    fn pass(&self, time: Duration) -> Option<()> {
        let left = self.left.get();
        self.left.set(left.saturating_sub(time));
        (time.is_zero() || time < left).then_some(())
    }

    /// Grants and sets a secret, revealed as `revealed-<name>`.
    #[must_use]
    pub fn secret(self, name: &str) -> Self {
        let value = format!("revealed-{name}");
        self.secret_result(name, Ok(value))
    }

    /// Makes a secret fail.
    #[must_use]
    pub fn secret_error(self, name: &str, error: SecretError) -> Self {
        self.secret_result(name, Err(error))
    }

    fn secret_result(mut self, name: &str, result: Result<String, SecretError>) -> Self {
        self.secrets.push((name.to_owned(), result));
        self
    }

    /// The placeholder that stands for a secret in recorded requests.
    #[must_use]
    pub fn reference_to(name: &str) -> String {
        format!("{{secret:{name}}}")
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<HttpRequest> {
        self.seen.borrow().requests.clone()
    }

    /// Every event so far: type and data.
    #[must_use]
    pub fn events(&self) -> Vec<(String, Value)> {
        self.seen.borrow().events.clone()
    }

    /// Every log line so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(Level, String)> {
        self.seen.borrow().logs.clone()
    }

    fn lookup(&self, name: &str) -> Result<String, SecretError> {
        let found = self.secrets.iter().find(|(known, _)| known == name);
        found.map_or_else(
            || Err(SecretError::NotSet(format!("bulkhead secrets set {name}"))),
            |(_, value)| value.clone(),
        )
    }
}

impl Gate for FakeGate {
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        let delay = Duration::from_millis(request.delay_ms.unwrap_or(0).into());
        if !delay.is_zero() && delay >= self.left.get() {
            return Err(HttpError::Timeout); // as the hub does: at once, and nothing is sent
        }
        self.seen.borrow_mut().requests.push(request.clone());
        self.pass(delay + self.latency).ok_or(HttpError::Timeout)?;
        let mut rules = self.rules.borrow_mut();
        let matching = rules.iter_mut().filter(|r| r.method == request.method && request.url.starts_with(&r.prefix));
        let Some(rule) = matching.max_by_key(|rule| rule.prefix.len()) else {
            if let Some(answer) = &self.otherwise {
                return answer(request);
            }
            return Err(HttpError::DeniedHost(format!(
                "no reply is scripted for {:?} {}",
                request.method, request.url
            )));
        };
        let reply = rule.replies[rule.played.min(rule.replies.len() - 1)].clone();
        rule.played += 1;
        reply.0
    }

    fn send_all(&self, requests: &[HttpRequest]) -> Vec<Result<HttpResponse, HttpError>> {
        requests.iter().map(|request| self.send(request)).collect()
    }

    fn secret_reference(&self, name: &str) -> Result<String, SecretError> {
        self.lookup(name).map(|_| Self::reference_to(name))
    }

    fn secret_reveal(&self, name: &str) -> Result<String, SecretError> {
        self.lookup(name)
    }

    fn emit(&self, event_type: &str, data: &str) -> Result<(), EventError> {
        let data = serde_json::from_str(data).map_err(|why| EventError::Invalid(format!("data is not JSON: {why}")))?;
        self.seen.borrow_mut().events.push((event_type.to_owned(), data));
        Ok(())
    }

    fn log(&self, level: Level, message: &str) {
        self.seen.borrow_mut().logs.push((level, message.to_owned()));
    }
}
