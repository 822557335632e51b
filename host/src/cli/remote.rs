//! A running hub, asked over REST by the program's own commands, with the token of whoever runs them.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};
use url::Url;
use zeroize::Zeroizing;

use super::filters::HubOptions;
use crate::{
    invocation,
    outbound::{Acting, Allowlist, Gate, GateOptions, Limits, Method, OutboundRequest, Permitted, Reach},
    text::plain,
};

/// How long an answer may take: a call's time, and what may be before it.
const ANSWER: Duration = Duration::from_secs(60);
/// The largest answer that is taken at once, in bytes.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

/// The longest problem that is read, in bytes.
const PROBLEM_MAX: usize = 64 * 1024;

/// How an answer that was read as it came ended.
pub(super) enum Ended {
    /// At its end.
    Whole,
    /// Earlier, or it did not begin, for a reason that may pass.
    Early(String),
}

/// A hub and who asks it.
pub(super) struct RemoteHub {
    gate: Gate,
    base: Url,
    token: Zeroizing<String>,
    runtime: Runtime,
}

/// What a hub answers.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) document: Value,
}

impl RemoteHub {
    /// The hub that is named, if one is.
    pub(super) fn of(options: &HubOptions) -> anyhow::Result<Option<Self>> {
        let Some(base) = &options.hub else { return Ok(None) };
        let token = bearer_token(options.token_file.as_ref(), "token --role ops_viewer")?;
        let origin = base.origin().ascii_serialization();
        let allowlist = Allowlist::from_entries([origin.as_str()]).map_err(|errors| {
            let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("--hub {origin}: {}", told.join("; "))
        })?;
        let limits = Limits { max_response_bytes: ANSWER_MAX, ..Limits::default() };
        // It is named by whoever runs this program, and may be on this machine or on a private network.
        let gate = Gate::new(allowlist, GateOptions { limits, reach: Reach::Anywhere, ..GateOptions::default() })?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Some(Self { gate, base: base.clone(), token, runtime }))
    }

    /// What is at a path; an error that says why if there is nothing.
    pub(super) fn get(&self, path: &str, query: &[(String, String)]) -> anyhow::Result<Value> {
        let permitted = self.permit(Method::Get, path, query, &[], None)?;
        let reply = self.answered(permitted)?;
        if reply.status == 200 { Ok(reply.document) } else { Err(refusal(reply.status, &reply.document)) }
    }

    /// What a GET is answered, whatever that is.
    pub(super) fn ask(&self, path: &str) -> anyhow::Result<Reply> {
        let permitted = self.permit(Method::Get, path, &[], &[], None)?;
        self.answered(permitted)
    }

    /// What a POST is answered, whatever that is.
    pub(super) fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> anyhow::Result<Reply> {
        let permitted = self.permit(Method::Post, path, &[], headers, Some(body))?;
        self.answered(permitted)
    }

    /// Hands on the answer to a GET as it comes, for as long as it comes.
    pub(super) fn read(
        &self,
        path: &str,
        query: &[(String, String)],
        headers: &[(&str, &str)],
        mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Ended> {
        let permitted = self.permit(Method::Get, path, query, headers, None)?;
        self.runtime.block_on(async {
            let mut answer = match self.gate.open(permitted, Instant::now() + ANSWER).await {
                Ok(answer) => answer,
                Err(error) => return Ok(Ended::Early(error.to_string())),
            };
            let (status, mut refused) = (answer.status(), Vec::new());
            loop {
                match answer.chunk().await {
                    Ok(Some(chunk)) if status == 200 => each(&chunk)?,
                    Ok(Some(chunk)) if refused.len() < PROBLEM_MAX => refused.extend_from_slice(&chunk),
                    Err(error) if status == 200 => return Ok(Ended::Early(error.to_string())),
                    Ok(None) if status == 200 => return Ok(Ended::Whole),
                    Ok(_) | Err(_) => break,
                }
            }
            let refused = refusal(status, &serde_json::from_slice(&refused).unwrap_or_default());
            // Those pass.
            if matches!(status, 429 | 503) { Ok(Ended::Early(refused.to_string())) } else { Err(refused) }
        })
    }

    fn answered(&self, permitted: Permitted) -> anyhow::Result<Reply> {
        let answer = self.runtime.block_on(self.gate.send(permitted, Instant::now() + ANSWER))?;
        let document = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok(Reply { status: answer.status, headers: answer.headers, document })
    }

    fn permit(
        &self,
        method: Method,
        path: &str,
        query: &[(String, String)],
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Permitted> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut all = vec![("authorization".to_owned(), format!("Bearer {}", *self.token))];
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = body.map(|body| body.to_string().into_bytes());
        let request = OutboundRequest { method, url: url.into(), headers: all, body, timeout: None };
        let acting = if method == Method::Get { Acting::Reading } else { Acting::Anything };
        Ok(self.gate.permit(request, acting)?)
    }
}

/// The token of whoever runs the program, from a file or the environment: arguments can be read by everybody on the machine.
pub(super) fn bearer_token(file: Option<&PathBuf>, makes_one: &str) -> anyhow::Result<Zeroizing<String>> {
    let token = match (file, std::env::var("BULKHEAD_TOKEN")) {
        (Some(file), _) => {
            fs::read_to_string(file).with_context(|| format!("cannot read the token file {}", file.display()))?
        }
        (None, Ok(token)) => token,
        (None, Err(_)) => bail!(
            "no bearer token: set BULKHEAD_TOKEN or --token-file (make a token with `{}`)",
            invocation::told(makes_one)
        ),
    };
    let token = Zeroizing::new(token);
    Ok(Zeroizing::new(token.trim().to_owned()))
}

/// A problem in the hub's own words, in which all can be seen.
pub(super) fn refusal(status: u16, problem: &Value) -> anyhow::Error {
    let of = |name: &str| problem.get(name).and_then(Value::as_str).map(|text| plain::text(text, 2000));
    match (of("code"), of("detail"), of("next")) {
        (Some(code), Some(detail), Some(next)) => {
            anyhow::anyhow!("the hub answers {status} {code}: {detail} (next: {next})")
        }
        _ => anyhow::anyhow!("the hub answers {status}: is --hub the URL of a hub?"),
    }
}
