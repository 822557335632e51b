//! A gate that answers from a script and remembers what it saw.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use serde_json::Value;

use super::Reply;
use super::script::{Script, body_of};
use crate::contract::{EventError, HttpError, HttpRequest, HttpResponse, Level, Method, SecretError};
use crate::gate::Gate;

#[derive(Default)]
struct Seen {
    requests: Vec<HttpRequest>,
    events: Vec<(String, Value)>,
    logs: Vec<(Level, String)>,
}

type Otherwise = Box<dyn Fn(&HttpRequest) -> Result<HttpResponse, HttpError>>;

/// A [`Gate`] for tests. A request that no script covers fails the test, secrets that were not given are not set. A
/// request's `delay` passes at once, but counts: when the call's time is used up, the gate answers `timeout`.
#[derive(Default)]
pub struct FakeGate {
    script: RefCell<Script>,
    otherwise: Option<Otherwise>,
    secrets: Vec<(String, Result<String, SecretError>)>,
    seen: RefCell<Seen>,
    latency: Duration,
    left: Cell<Duration>,
}

impl FakeGate {
    /// A gate that expects no request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers requests whose URL begins with `prefix`. The longest matching prefix wins; several replies to the same
    /// one are played in order, and the last repeats.
    #[must_use]
    pub fn on(mut self, method: Method, prefix: &str, reply: Reply) -> Self {
        self.script.get_mut().reply(method, prefix, reply);
        self
    }

    /// As [`on`](Self::on), with a reply that depends on the request's JSON body; a request without a body shows null.
    ///
    /// # Panics
    /// In the call, if the body is not JSON.
    #[must_use]
    pub fn on_json(mut self, method: Method, prefix: &str, answer: impl Fn(&Value) -> Reply + 'static) -> Self {
        self.script.get_mut().by_body(method, prefix, Box::new(answer));
        self
    }

    /// Answers every request that no script covers, by a function: for answers that depend on the whole request, or to try
    /// a provider against a real upstream.
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

    /// The bodies of [`requests`](Self::requests) as JSON; null where a request has none.
    ///
    /// # Panics
    /// If a body is not JSON.
    #[must_use]
    pub fn bodies(&self) -> Vec<Value> {
        self.seen.borrow().requests.iter().map(body_of).collect()
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
        if let Some(reply) = self.script.borrow_mut().play(request) {
            return reply.0;
        }
        if let Some(answer) = &self.otherwise {
            return answer(request);
        }
        let (method, url) = (request.method, &request.url);
        let prefix = url.split('?').next().unwrap_or(url);
        panic!(
            "the test's gate has no reply for {method} {url}: add `.on({method:?}, \"{prefix}\", …)`; {}",
            self.script.borrow().summary()
        );
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
