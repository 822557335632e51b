//! Newline-delimited JSON: one value per line, read one at a time.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::{Response, url};
use crate::error::CallError;
use crate::json;

/// The longest line that is read, in bytes: a longer one is no record but a mistake.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// How much of a line an error may quote, in characters.
const EXCERPT_CHARS: usize = 80;

/// The values of an NDJSON body; [`Response::ndjson`] makes one. Only the value at hand takes memory beside the body. An
/// error names the line and is the last item.
#[derive(Debug)]
pub struct Ndjson<'a, T> {
    rest: Option<&'a [u8]>,
    line: usize,
    url: &'a str,
    value: PhantomData<T>,
}

impl Response {
    /// Reads the body as newline-delimited JSON. Blank lines are skipped.
    #[must_use]
    pub fn ndjson<T: DeserializeOwned>(&self) -> Ndjson<'_, T> {
        Ndjson { rest: Some(self.bytes()), line: 0, url: self.url(), value: PhantomData }
    }
}

impl<'a, T> Ndjson<'a, T> {
    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        self.line += 1;
        let (line, rest) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        self.rest = rest;
        Some(line.trim_ascii())
    }

    fn error(&mut self, why: &str, line: &[u8]) -> CallError {
        self.rest = None;
        let head = String::from_utf8_lossy(&line[..line.len().min(EXCERPT_CHARS * 4)]);
        let head: String = head.chars().take(EXCERPT_CHARS).collect();
        CallError::upstream_failed(format!(
            "{} answered something unexpected in line {}{why}: try again, or ask for less. The line begins: {head}",
            url::authority(self.url),
            self.line,
        ))
    }
}

impl<T: DeserializeOwned> Iterator for Ndjson<'_, T> {
    type Item = Result<T, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = loop {
            match self.next_line()? {
                [] => {}
                line => break line,
            }
        };
        if line.len() > LINE_BYTES_MAX {
            return Some(Err(self.error(&format!(", which is longer than {LINE_BYTES_MAX} bytes"), line)));
        }
        Some(json::parse(line).map_err(|why| self.error(&why.to_string(), line)))
    }
}

#[cfg(test)]
mod tests {
    use super::LINE_BYTES_MAX;
    use crate::contract::{ErrorCode, HttpResponse};
    use crate::error::CallError;
    use crate::http::Response;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Record {
        n: u32,
    }

    fn read(body: &str) -> Vec<Result<u32, CallError>> {
        let answer = HttpResponse { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
        let response = Response::new(answer, "https://a.example/x", 0);
        response.ndjson::<Record>().map(|record| record.map(|record| record.n)).collect()
    }

    #[test]
    fn one_value_per_line() {
        let numbers = |body| read(body).into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(numbers("{\"n\":1}\n\n  {\"n\":2}\r\n{\"n\":3}"), [1, 2, 3]);
        assert_eq!(numbers("{\"n\":1}\n"), [1]);
        assert_eq!(numbers(""), [0; 0]);
        assert_eq!(numbers("\n\n"), [0; 0]);
    }

    #[test]
    fn an_error_names_the_line_and_ends_it() {
        for (body, good, words) in [
            ("{\"n\":1}\n{\"n\":2}\n{\"n\":", 2, ["line 3", "EOF"]),
            ("{\"n\":1}\n\n{\"n\":\"x\"}\n{\"n\":4}", 1, ["line 3", "`n`"]),
            ("<html>\n<body>", 0, ["line 1", "<html>"]),
            ("{\"n\":1}{\"n\":2}", 0, ["line 1", "trailing"]),
        ] {
            let read = read(body);
            let error = read.last().unwrap().as_ref().unwrap_err();
            assert_eq!(read.len(), good + 1, "{body}");
            assert_eq!(error.code, ErrorCode::UpstreamFailed);
            assert!(words.iter().all(|word| error.message.contains(word)), "{error}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_is_parsed() {
        let error = read(&format!("{{\"n\": {}1}}", " ".repeat(LINE_BYTES_MAX))).remove(0).unwrap_err();
        assert!(error.message.contains("longer than") && error.message.chars().count() < 300, "{error}");
    }
}
