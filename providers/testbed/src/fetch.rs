//! The outbound gate.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulkhead_sdk::HttpError;
use bulkhead_sdk::prelude::*;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Get {
    /// Where to.
    url: String,
    /// A secret to send as `Authorization: Bearer`.
    secret: Option<String>,
    /// With a secret, send Basic credentials of this user instead.
    basic_user: Option<String>,
    /// Further headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The status.
    status: u16,
    /// The body as text.
    body: String,
    /// The header `x-echo`.
    echo: Option<String>,
    /// The header `location`.
    location: Option<String>,
    /// The header `x-echo` backwards: what the provider saw, in a form that nothing takes out.
    ohce: Option<String>,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self {
            status: response.status(),
            body: response.text().into_owned(),
            echo: response.header("x-echo").map(str::to_owned),
            location: response.header("location").map(str::to_owned),
            ohce: response.header("x-echo").map(|echo| echo.chars().rev().collect()),
        }
    }
}

pub(crate) fn get(cx: &Context, input: Get) -> Result<Answer, CallError> {
    let mut request = cx.get(input.url).accept(|_| true).explain(told);
    if let Some(secret) = &input.secret {
        let reference = cx.secret_reference(secret)?;
        request = request.header(
            "authorization",
            match input.basic_user {
                Some(user) => format!("Basic {}", STANDARD.encode(format!("{user}:{reference}"))),
                None => format!("Bearer {reference}"),
            },
        );
    }
    for (name, value) in input.headers {
        request = request.header(&name, value);
    }
    Ok(request.send()?.into())
}

/// What the gate said, with its own name for it in front.
pub(crate) fn told(failure: &Failure<'_>) -> Option<CallError> {
    let Failure::Gate(error) = failure else { return None };
    let said = match error {
        HttpError::InvalidRequest(why) => format!("invalid-request: {why}"),
        HttpError::DeniedHost(why) => format!("denied-host: {why}"),
        HttpError::DeniedAddress(why) => format!("denied-address: {why}"),
        HttpError::Dns(why) => format!("dns: {why}"),
        HttpError::Connection(why) => format!("connection: {why}"),
        HttpError::Tls(why) => format!("tls: {why}"),
        HttpError::Timeout => "timeout".to_owned(),
        HttpError::TooLarge(limit) => format!("too-large: {limit}"),
        HttpError::BudgetExhausted(why) => format!("budget-exhausted: {why}"),
    };
    Some(CallError::upstream_unreachable(said))
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Many {
    /// Where to.
    urls: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answers {
    /// Body or error of each, in the order of the URLs.
    answers: Vec<String>,
}

pub(crate) fn many(cx: &Context, input: Many) -> Result<Answers, CallError> {
    let answers = cx.send_all(input.urls.into_iter().map(|url| cx.get(url).accept(|_| true).explain(told)));
    let text = |answer: Result<Response, CallError>| match answer {
        Ok(response) => response.text().into_owned(),
        Err(error) => error.message,
    };
    Ok(Answers { answers: answers.into_iter().map(text).collect() })
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Slow {
    /// What it waits for.
    url: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Waited {
    /// The answer's status.
    status: u16,
    /// The variant of the component that waited.
    variant: String,
}

pub(crate) fn slow(cx: &Context, input: Slow) -> Result<Waited, CallError> {
    let status = cx.get(input.url).accept(|_| true).explain(told).send()?.status();
    Ok(Waited { status, variant: crate::variant::name() })
}
