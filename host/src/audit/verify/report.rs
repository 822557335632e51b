//! What verification has to tell.

/// What a walk found.
#[derive(Debug, Default)]
pub struct Report {
    /// Events walked: rows of `ops.run_events`.
    pub rows: u64,
    /// Writers (hub processes) walked.
    pub writers: u64,
    /// What is wrong, each in a sentence. Empty: nothing was tampered with.
    pub problems: Vec<String>,
    /// What is not there, or not as it was, by a signed statement that says so.
    pub declared: Vec<String>,
    /// How much of that checkpoints have seen and is missing.
    pub declared_missing: u64,
}

/// How many problems are listed before the walk stops listing.
const PROBLEMS_MAX: usize = 100;

impl Report {
    pub(super) fn problems_if(&mut self, found: Option<String>) {
        if let Some(text) = found {
            self.problem(text);
        }
    }

    pub(super) fn declared(&mut self, text: String) {
        if self.declared.len() < PROBLEMS_MAX {
            self.declared.push(text);
        }
    }

    pub(super) fn problem(&mut self, text: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }
}
