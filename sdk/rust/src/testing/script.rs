//! Which reply a request gets.

use serde_json::Value;

use super::Reply;
use crate::contract::{HttpRequest, Method};

type ByBody = Box<dyn Fn(&Value) -> Reply>;

enum Answers {
    InOrder { replies: Vec<Reply>, played: usize },
    ByBody(ByBody),
}

struct Rule {
    method: Method,
    prefix: String,
    answers: Answers,
}

/// Replies by method and beginning of the URL.
#[derive(Default)]
pub(super) struct Script(Vec<Rule>);

impl Script {
    /// Adds a reply, after those of the same method and prefix.
    pub(super) fn reply(&mut self, method: Method, prefix: &str, reply: Reply) {
        let mut same = self.0.iter_mut().filter(|rule| rule.method == method && rule.prefix == prefix);
        match same.next_back() {
            Some(Rule { answers: Answers::InOrder { replies, .. }, .. }) => replies.push(reply),
            _ => self.add(method, prefix, Answers::InOrder { replies: vec![reply], played: 0 }),
        }
    }

    /// Adds a function of the body.
    pub(super) fn by_body(&mut self, method: Method, prefix: &str, answer: ByBody) {
        self.add(method, prefix, Answers::ByBody(answer));
    }

    fn add(&mut self, method: Method, prefix: &str, answers: Answers) {
        self.0.push(Rule { method, prefix: prefix.to_owned(), answers });
    }

    /// The reply of the longest prefix that fits, and of several the one said last.
    pub(super) fn play(&mut self, request: &HttpRequest) -> Option<Reply> {
        let fitting = self.0.iter_mut().filter(|r| r.method == request.method && request.url.starts_with(&r.prefix));
        Some(match &mut fitting.max_by_key(|rule| rule.prefix.len())?.answers {
            Answers::InOrder { replies, played } => {
                let reply = replies[(*played).min(replies.len() - 1)].clone();
                *played += 1;
                reply
            }
            Answers::ByBody(answer) => answer(&body_of(request)),
        })
    }

    /// What is scripted, for the author of a test that lacks something.
    pub(super) fn summary(&self) -> String {
        let rules: Vec<_> = self.0.iter().map(|rule| format!("{} {}", rule.method, rule.prefix)).collect();
        if rules.is_empty() { "it has none at all".to_owned() } else { format!("it has {}", rules.join(", ")) }
    }
}

/// A request's body as JSON; null if it has none.
pub(super) fn body_of(request: &HttpRequest) -> Value {
    let Some(body) = &request.body else { return Value::Null };
    serde_json::from_slice(body).unwrap_or_else(|why| {
        panic!("the body of {} {} is not JSON ({why}): look at `requests()` instead", request.method, request.url)
    })
}
