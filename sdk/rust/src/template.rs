//! URI templates, RFC 6570 level 1: `scheme://{variable}`.

use std::fmt;

use crate::error::CallError;
use crate::http::percent_decode;

/// The values that a URI gave to a template's variables, percent-decoded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    /// The value of a variable.
    ///
    /// # Errors
    /// [`internal`](CallError::internal) if the template has no such variable.
    pub fn get(&self, name: &str) -> Result<&str, CallError> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| {
            CallError::internal(format!("the resource template has no variable `{name}`: fix the provider"))
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(String),
    Variable(String),
}

/// A template that can be matched against a URI.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template(Vec<Part>);

impl Template {
    /// Text in which braces mean nothing.
    pub(crate) fn literal(uri: &str) -> Self {
        Self(vec![Part::Literal(uri.to_owned())])
    }

    /// Splits at `{name}`. An unclosed brace is literal text.
    pub(crate) fn parse(template: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else { break };
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Self(parts)
    }

    pub(crate) fn has_variables(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Variable(_)))
    }

    /// The variables, if the URI is an expansion of this template. A variable is at least one character, unreserved or
    /// percent-encoded, and reaches to the first occurrence of the text that follows it.
    pub(crate) fn matches(&self, uri: &str) -> Option<Variables> {
        let mut variables = Variables::default();
        let mut rest = uri;
        for (index, part) in self.0.iter().enumerate() {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Variable(name) => {
                    let end = match self.0.get(index + 1) {
                        Some(Part::Literal(next)) => rest.find(next.as_str())?,
                        Some(Part::Variable(_)) => rest.chars().next()?.len_utf8(), // adjacent: one character each
                        None => rest.len(),
                    };
                    let (value, tail) = rest.split_at(end);
                    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
                    if value.is_empty() || !value.chars().all(allowed) {
                        return None;
                    }
                    variables.0.push((name.clone(), percent_decode(value)?));
                    rest = tail;
                }
            }
        }
        rest.is_empty().then_some(variables)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(text) => out.write_str(text),
            Part::Variable(name) => write!(out, "{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_extracted_and_decoded() {
        let template = Template::parse("repo://{owner}/{name}/file");
        let variables = template.matches("repo://acme/a%20b/file").unwrap();
        assert_eq!(variables.get("owner").unwrap(), "acme");
        assert_eq!(variables.get("name").unwrap(), "a b");
        assert_eq!(variables.get("other").unwrap_err().code, crate::ErrorCode::Internal);
        assert_eq!(template.to_string(), "repo://{owner}/{name}/file");
    }

    #[test]
    fn what_is_no_expansion_does_not_match() {
        let template = Template::parse("repo://{owner}/file");
        for uri in
            ["repo:///file", "repo://a/b/file", "repo://a/file/x", "other://a/file", "repo://%zz/file", "repo://é/file"]
        {
            assert_eq!(template.matches(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_fixed_uri_is_itself_only() {
        let fixed = Template::literal("hello://{x}");
        assert!(
            fixed.matches("hello://{x}").is_some() && fixed.matches("hello://y").is_none() && !fixed.has_variables()
        );
    }
}
