//! One scale for the severities of all upstreams.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How bad something is, on the scale that every provider uses. `Critical` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Little harm.
    Low,
    /// Some harm.
    Medium,
    /// Great harm.
    High,
    /// The worst.
    Critical,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The word as it stands in outputs, such as `medium`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads whatever an upstream says: a CVSS vector, a CVSS score such as `9.8`, or a word. `None` for what is none of
    /// them.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let of_score = || Self::of_cvss_score(text.parse().ok()?);
        Self::of_cvss_vector(text).or_else(of_score).or_else(|| Self::of_word(text))
    }

    /// Reads an upstream's word in any case: the scale itself, its variants such as `middle` and `moderate`, and log
    /// levels such as `fatal` and `warning`. `None` for a word that says nothing about severity.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "fatal" | "emergency" | "blocker" => Some(Self::Critical),
            "high" | "error" | "important" => Some(Self::High),
            "medium" | "middle" | "moderate" | "warning" | "warn" => Some(Self::Medium),
            "low" | "minor" => Some(Self::Low),
            "info" | "informational" | "information" | "none" | "debug" | "notice" | "sample" => Some(Self::Info),
            _ => None,
        }
    }

    /// Rates a CVSS score as CVSS 3 and 4 do: from 9.0 critical, from 7.0 high, from 4.0 medium, above 0 low, 0 info.
    /// `None` for what is no score.
    #[must_use]
    pub fn of_cvss_score(score: f64) -> Option<Self> {
        match score {
            s if !(0.0..=10.0).contains(&s) => None,
            s if s >= 9.0 => Some(Self::Critical),
            s if s >= 7.0 => Some(Self::High),
            s if s >= 4.0 => Some(Self::Medium),
            s if s > 0.0 => Some(Self::Low),
            _ => Some(Self::Info),
        }
    }

    /// Rates a CVSS vector of version 2, 3.0, 3.1 or 4.0, such as `CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H`. `None`
    /// for what is no vector.
    #[must_use]
    pub fn of_cvss_vector(vector: &str) -> Option<Self> {
        let vector: cvss::Cvss = vector.trim().parse().ok()?;
        Self::of_cvss_score(vector.score())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The five words, which say it all: a description of each would cost every tool a paragraph.
impl JsonSchema for Severity {
    fn schema_name() -> Cow<'static, str> {
        "Severity".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Severity").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = Self::ALL.map(Self::as_str);
        json_schema!({ "type": "string", "enum": words, "description": "How bad it is, the worst first." })
    }
}

/// How many of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeverityCounts {
    /// How many are critical.
    pub critical: u32,
    /// How many are high.
    pub high: u32,
    /// How many are medium.
    pub medium: u32,
    /// How many are low.
    pub low: u32,
    /// How many are merely worth knowing.
    pub info: u32,
}

impl SeverityCounts {
    /// Counts one more.
    pub fn add(&mut self, severity: Severity) {
        let count = match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Info => &mut self.info,
        };
        *count = count.saturating_add(1);
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u32 {
        [self.critical, self.high, self.medium, self.low, self.info].into_iter().fold(0, u32::saturating_add)
    }
}

impl FromIterator<Severity> for SeverityCounts {
    fn from_iter<I: IntoIterator<Item = Severity>>(severities: I) -> Self {
        severities.into_iter().fold(Self::default(), |mut counts, severity| {
            counts.add(severity);
            counts
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Severity, SeverityCounts};

    #[test]
    fn words_of_several_upstreams_mean_the_same() {
        for (words, severity) in [
            (["critical", "CRITICAL", "fatal"], Severity::Critical),
            (["high", "error", " High "], Severity::High),
            (["middle", "moderate", "warning"], Severity::Medium),
            (["low", "LOW", "minor"], Severity::Low),
            (["info", "debug", "none"], Severity::Info),
        ] {
            assert!(words.iter().all(|word| Severity::of_word(word) == Some(severity)), "{severity}");
        }
        assert_eq!(Severity::of_word("purple"), None);
        assert_eq!(Severity::of_word(""), None);
    }

    #[test]
    fn the_worst_is_the_greatest() {
        assert!(Severity::ALL.is_sorted_by(|worse, better| worse > better));
        assert_eq!(Severity::ALL.map(Severity::as_str), ["critical", "high", "medium", "low", "info"]);
        assert_eq!(serde_json::to_value(Severity::Medium).unwrap(), "medium");
        assert_eq!(serde_json::from_str::<Severity>("\"high\"").unwrap(), Severity::High);
    }

    #[test]
    fn scores_are_rated_at_the_official_borders() {
        for (score, severity) in [
            (0.0, Some(Severity::Info)),
            (0.1, Some(Severity::Low)),
            (3.9, Some(Severity::Low)),
            (4.0, Some(Severity::Medium)),
            (7.0, Some(Severity::High)),
            (9.0, Some(Severity::Critical)),
            (10.0, Some(Severity::Critical)),
            (10.1, None),
            (-1.0, None),
            (f64::NAN, None),
        ] {
            assert_eq!(Severity::of_cvss_score(score), severity, "{score}");
        }
    }

    #[test]
    fn vectors_of_every_version_are_rated() {
        for (vector, severity) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(Severity::Critical)), // 9.8
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", Some(Severity::Medium)),   // 6.1
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", Some(Severity::Info)),     // 0.0
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", Some(Severity::Critical)), // 9.3
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", Some(Severity::High)),                       // 7.5
            ("CVSS:9.9/AV:N", None),
            ("CVSS:3.1/AV:Q", None),
            ("9.8", None),
            ("", None),
        ] {
            assert_eq!(Severity::of_cvss_vector(vector), severity, "{vector}");
        }
    }

    #[test]
    fn whatever_an_upstream_says_is_rated() {
        for (text, severity) in [
            (" CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(Severity::Critical)),
            ("9.8", Some(Severity::Critical)),
            ("0", Some(Severity::Info)),
            ("Moderate ", Some(Severity::Medium)),
            ("11", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(Severity::of(text), severity, "{text}");
        }
    }

    #[test]
    fn counting() {
        let counts: SeverityCounts = [Severity::Low, Severity::Critical, Severity::Low].into_iter().collect();
        assert_eq!(counts, SeverityCounts { critical: 1, low: 2, ..SeverityCounts::default() });
        assert_eq!(counts.total(), 3);
    }
}
