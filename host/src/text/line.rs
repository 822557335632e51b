//! Texts of a description: people and models read them, so nothing in them may be there to be seen by neither.

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Improper {
    /// In bytes.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// A character that is not seen, or makes others be seen elsewhere.
    #[error("contains the character U+{:04X}, which cannot be seen", u32::from(*.0))]
    Unseen(char),
}

/// Holds a text of at most `max` bytes against what texts may contain.
///
/// # Errors
/// Why it is not taken.
pub fn check(text: &str, max: usize) -> Result<(), Improper> {
    if text.len() > max {
        return Err(Improper::TooLong(max));
    }
    text.chars().find(|c| is_unseen(*c)).map_or(Ok(()), |c| Err(Improper::Unseen(c)))
}

/// Control characters but tab and line feed, what turns the direction of writing (Unicode TR 9), separators of lines, tags and
/// variation selectors, in which whole sentences can be written that a model reads and a person does not see, and letters
/// and operators that are blank. The joiners and the two selectors that emoji are made with are not among them.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\t');
    control
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}'
            | '\u{2060}'..='\u{2065}' | '\u{206A}'..='\u{206F}' | '\u{FE00}'..='\u{FE0D}' | '\u{115F}' | '\u{1160}'
            | '\u{3164}' | '\u{FFA0}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}')
}

/// The beginning of a text that may be anything, as an error can show it.
#[must_use]
pub fn shown(text: &str) -> String {
    one_line(text, 64)
}

/// A text that may be anything as one line, in which everything can be seen, of what its first `max` characters say.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    text.chars()
        .take(max)
        .flat_map(|c| if is_unseen(c) || c == '\n' { c.escape_default().collect() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_refused_and_shown() {
        for fine in ["", "Lists the nodes.\n\tOne per line", "naïve, 日本語, עברית, 👩‍💻, ❤\u{fe0f}"]
        {
            assert_eq!(check(fine, 100), Ok(()));
        }
        for (text, unseen) in [
            ("\u{1b}[2J", '\u{1b}'),
            ("a\rb", '\r'),
            ("a\0", '\0'),
            ("abc\u{202e}cba", '\u{202e}'),
            ("a\u{e0041}\u{e0042}", '\u{e0041}'),
            ("a\u{85}", '\u{85}'),
            ("a\u{e0101}", '\u{e0101}'),
            ("a\u{3164}", '\u{3164}'),
            ("a\u{fe01}", '\u{fe01}'),
        ] {
            assert_eq!(check(text, 100), Err(Improper::Unseen(unseen)));
            assert!(shown(text).contains('\\'), "{}", shown(text));
        }
        assert_eq!(check("äää", 5), Err(Improper::TooLong(5)));
        assert_eq!(shown(&"ä".repeat(1000)).chars().count(), 64);
    }
}
