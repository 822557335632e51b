//! Exceptions and the few of their frames that matter.

use bulkhead_sdk::prelude::*;

use crate::excerpt::{cut, cut_some};

/// The longest message of an exception, in characters.
const MAX_VALUE: usize = 1000;
/// The longest line of code, in characters.
const MAX_CODE: usize = 200;

/// What Sentry answers as the data of an entry of type `exception`.
#[derive(Deserialize)]
pub struct RawChain {
    values: Vec<Raw>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
    module: Option<String>,
    mechanism: Option<Mechanism>,
    stacktrace: Option<Stacktrace>,
}

#[derive(Deserialize)]
struct Mechanism {
    handled: Option<bool>,
}

#[derive(Deserialize)]
struct Stacktrace {
    frames: Option<Vec<RawFrame>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFrame {
    function: Option<String>,
    filename: Option<String>,
    module: Option<String>,
    line_no: Option<i64>,
    #[serde(default)]
    in_app: Option<bool>,
    /// Lines of code with their numbers.
    context: Option<Vec<(i64, Option<String>)>>,
}

/// One exception of a chain.
#[derive(Serialize, JsonSchema)]
pub struct Exception {
    /// Its class, such as "ConnectionError".
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Its message.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The module or package of the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    /// Whether the application caught it, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    handled: Option<bool>,
    /// The application's own calls, innermost first; calls of libraries only if there are no others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    frames: Vec<Frame>,
    /// How many calls are left out here.
    #[serde(skip_serializing_if = "is_zero")]
    omitted_frames: usize,
}

/// One call.
#[derive(Serialize, JsonSchema)]
struct Frame {
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    /// The file, or else the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The line.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<i64>,
    /// The code of that line.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over the field")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl RawChain {
    /// The outermost first, then what caused it: Sentry has them the other way round.
    pub fn shorten(self, max_frames: usize) -> Vec<Exception> {
        self.values.into_iter().rev().map(|raw| raw.shorten(max_frames)).collect()
    }
}

impl Raw {
    fn shorten(self, max_frames: usize) -> Exception {
        let all = self.stacktrace.and_then(|stacktrace| stacktrace.frames).unwrap_or_default();
        let total = all.len();
        let any_in_app = all.iter().any(|frame| frame.in_app == Some(true));
        let chosen = all.into_iter().rev().filter(|frame| !any_in_app || frame.in_app == Some(true));
        let frames: Vec<_> = chosen.take(max_frames).map(Frame::from).collect();
        Exception {
            kind: self.kind,
            value: cut_some(self.value, MAX_VALUE),
            module: self.module,
            handled: self.mechanism.and_then(|mechanism| mechanism.handled),
            omitted_frames: total - frames.len(),
            frames,
        }
    }
}

impl From<RawFrame> for Frame {
    fn from(raw: RawFrame) -> Self {
        let lines = raw.context.unwrap_or_default().into_iter();
        let code = lines.filter(|(number, _)| Some(*number) == raw.line_no).find_map(|(_, code)| code);
        Self {
            function: raw.function,
            file: raw.filename.or(raw.module),
            line: raw.line_no,
            code: code.map(|code| cut(code.trim().to_owned(), MAX_CODE)).filter(|code| !code.is_empty()),
        }
    }
}
