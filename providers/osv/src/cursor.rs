//! Where a list goes on: OSV's pages hold up to a thousand advisories, so an answer may end in the middle of one.

use std::cmp::Reverse;

use bulkhead_sdk::prelude::*;

/// The order within a page: the worst first, what is not rated last, and by id among equals.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Reverse<Option<Severity>>, String);

impl Place {
    /// Where an advisory stands.
    pub fn new(severity: Option<Severity>, id: &str) -> Self {
        Self(Reverse(severity), id.to_owned())
    }
}

/// A page of OSV's, and the last advisory of it that was given out. Written as `severity|id|page`, so that what comes or
/// goes between two calls shifts nothing.
#[derive(Default)]
pub struct Cursor {
    /// OSV's token of the page; `None` is the first.
    pub page: Option<String>,
    /// What was given out last; `None` is the page's beginning.
    pub after: Option<Place>,
}

impl Cursor {
    /// The beginning of the page that OSV names next, if it names one.
    pub fn next_page(token: Option<String>) -> Option<Self> {
        token.filter(|token| !token.is_empty()).map(|token| Self { page: Some(token), after: None })
    }

    /// Reads a cursor as [`write`](Self::write) wrote it; an empty one is the beginning.
    ///
    /// # Errors
    ///
    /// `invalid-input` if it is something else.
    pub fn read(text: &str) -> Result<Self, CallError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let wrong = || {
            CallError::invalid_input(
                "`cursor` is not one of this tool: pass the `next_cursor` of the answer before, unchanged and with the same \
                 query, or leave it out to begin",
            )
        };
        let mut parts = text.splitn(3, '|');
        let (Some(severity), Some(id), Some(page)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let severity = match severity {
            "" => None,
            word => Some(Severity::of_word(word).ok_or_else(wrong)?),
        };
        Ok(Self {
            page: (!page.is_empty()).then(|| page.to_owned()),
            after: (!id.is_empty()).then(|| Place::new(severity, id)),
        })
    }

    /// Writes the cursor for an output.
    pub fn write(&self) -> String {
        let (severity, id) = match &self.after {
            Some(Place(Reverse(severity), id)) => (severity.map_or("", Severity::as_str), id.as_str()),
            None => ("", ""),
        };
        format!("{severity}|{id}|{}", self.page.as_deref().unwrap_or_default())
    }
}
