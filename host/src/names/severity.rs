//! How bad a finding is.

use super::word::words;

words! {
    // In ascending order.
    /// How bad a finding is.
    #[derive(PartialOrd, Ord)]
    pub enum Severity: "severity" {
        /// Worth knowing.
        Info = "info",
        /// Little harm.
        Low = "low",
        /// Some harm.
        Medium = "medium",
        /// Great harm.
        High = "high",
        /// The worst.
        Critical = "critical",
    }
}

impl Severity {
    /// What an upstream's word means: one of the scale's, or a log level, in any case.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        // The longest is `informational`.
        if word.len() > 16 {
            return None;
        }
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "fatal" | "emergency" | "blocker" => Self::Critical,
            "high" | "error" | "important" => Self::High,
            "medium" | "middle" | "moderate" | "warning" | "warn" => Self::Medium,
            "low" | "minor" => Self::Low,
            "info" | "informational" | "information" | "notice" | "debug" | "none" => Self::Info,
            _ => return None,
        })
    }

    /// This, and all that are worse.
    #[must_use]
    pub fn or_worse(self) -> &'static [Self] {
        let from = Self::ALL.iter().position(|one| *one == self).unwrap_or_default();
        &Self::ALL[from..]
    }
}
