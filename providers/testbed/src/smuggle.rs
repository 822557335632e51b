//! Requests with references in any place and shape.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulkhead_sdk::prelude::*;

use crate::{DONE, Done, fetch};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Write {
    /// The secrets whose references stand for `{0}`, `{1}` and so on. `{0:upper}`, `{0:front}` and `{0:back}` are the first
    /// one's in upper case and its halves.
    secrets: Vec<String>,
    /// Where to; may hold references.
    url: String,
    /// Headers, whose values may hold references. What stands in `base64(…)`, `percent(…)` and `json(…)` is encoded.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body; may hold references.
    body: Option<String>,
}

pub(crate) fn write(cx: &Context, input: Write) -> Result<Done, CallError> {
    let references = input.secrets.iter().map(|name| cx.secret_reference(name)).collect::<Result<Vec<_>, _>>()?;
    let written = |template: &str| shaped(&filled(template, &references));
    let mut request = cx.post(written(&input.url));
    for (name, value) in &input.headers {
        request = request.header(&written(name), written(value));
    }
    if let Some(body) = &input.body {
        request = request.body("text/plain", written(body));
    }
    request.accept(|_| true).explain(fetch::told).send()?;
    Ok(DONE)
}

fn filled(template: &str, references: &[String]) -> String {
    let mut text = template.to_owned();
    for (index, reference) in references.iter().enumerate() {
        let (front, back) = reference.split_at(reference.len() / 2);
        text = text.replace(&format!("{{{index}}}"), reference);
        text = text.replace(&format!("{{{index}:upper}}"), &reference.to_uppercase());
        text = text.replace(&format!("{{{index}:front}}"), front);
        text = text.replace(&format!("{{{index}:back}}"), back);
    }
    text
}

fn shaped(text: &str) -> String {
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let json = |text: &str| text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
    let text = encoded(text, "base64(", |text| STANDARD.encode(text));
    let text = encoded(&text, "percent(", percent);
    encoded(&text, "json(", json)
}

fn encoded(text: &str, opening: &str, encode: impl Fn(&str) -> String) -> String {
    let Some((before, rest)) = text.split_once(opening) else { return text.to_owned() };
    let (inner, after) = rest.split_once(')').unwrap_or((rest, ""));
    format!("{before}{}{after}", encode(inner))
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Twice {
    /// The secret.
    secret: String,
    /// Where it is sent first.
    first: String,
    /// Where it is sent once the first has answered.
    second: String,
}

/// Sends a secret, and once more after an answer: by a reference that it asks for anew.
pub(crate) fn twice(cx: &Context, input: Twice) -> Result<Done, CallError> {
    for url in [&input.first, &input.second] {
        cx.get(url.clone()).bearer_secret(&input.secret).accept(|_| true).explain(fetch::told).send()?;
    }
    Ok(DONE)
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct See {
    /// The secret, sent as a bearer token.
    secret: String,
    /// Where to.
    url: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Seen {
    /// What the provider saw of the answer, its headers `x-echo` and its body, backwards: a form in which nothing is taken out of what it says.
    backwards: String,
}

pub(crate) fn see(cx: &Context, input: See) -> Result<Seen, CallError> {
    let answer = cx.get(input.url).bearer_secret(&input.secret).accept(|_| true).explain(fetch::told).send()?;
    let headers: Vec<_> = answer.headers("x-echo").collect();
    let seen = format!("{}\n{}", headers.join("\n"), answer.text());
    Ok(Seen { backwards: seen.chars().rev().collect() })
}
