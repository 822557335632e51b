//! What others wrote, as it is kept, logged and repeated: short, on one line, and all of it can be seen.
//!
//! A line break would begin a line of the log that the hub never wrote; an escape would drive the terminal of whoever reads
//! it; a change of direction would show another text than is there.

use std::borrow::Cow;

use crate::text::is_unseen;

/// The longest name or id of a caller's that is kept, logged or repeated, in characters.
pub const NAME_MAX: usize = 128;

/// What a text that was cut ends with.
const CUT: char = '…';

/// Characters that are not shown as themselves: what [`is_unseen`] says, ends of lines, tabs, marks of direction (Unicode
/// TR 9), and what has no width.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    is_unseen(c)
        || c.is_control()
        || matches!(
            c,
            '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}' | '\u{891}'
                | '\u{8E2}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2800}' | '\u{FE0E}' | '\u{FE0F}' | '\u{110BD}'
                | '\u{110CD}' | '\u{13430}'..='\u{1343F}'
        )
}

/// A text as at most `max` characters, in which what cannot be seen is written as Rust writes it: `\n`, `\u{202e}`.
#[must_use]
pub fn text(text: &str, max: usize) -> String {
    let (mut shown, mut length) = (String::with_capacity(text.len().min(max)), 0);
    // Where to cut if there is more than fits.
    let mut fits = 0;
    for c in text.chars() {
        let escaped = is_hidden(c);
        length += if escaped { c.escape_default().len() } else { 1 };
        if length > max {
            shown.truncate(fits);
            shown.push(CUT);
            return shown;
        }
        if escaped {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        if length < max {
            fits = shown.len();
        }
    }
    shown
}

/// A name or an id: at most [`NAME_MAX`] characters.
#[must_use]
pub fn name(name: &str) -> String {
    text(name, NAME_MAX)
}

/// JSON in which what cannot be seen is written as JSON writes it: the same document.
#[must_use]
pub fn json(document: String) -> String {
    // Outside of strings JSON has no such characters but ends of lines and tabs, which the hub's own writer never makes.
    let hidden = |c: char| is_hidden(c) && !matches!(c, '\n' | '\t' | '\r');
    if document.is_ascii() && !document.contains('\u{7f}') || !document.contains(hidden) {
        return document;
    }
    let mut units = [0; 2];
    let mut escaped = String::with_capacity(document.len() + 64);
    for c in document.chars() {
        if hidden(c) {
            escaped.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A text that is kept as it is unless it has to change.
pub(crate) fn in_place(kept: &mut String, max: usize) {
    if kept.len() > max || kept.contains(is_hidden) {
        *kept = text(kept, max);
    }
}

/// The same for a text that may be borrowed.
#[must_use]
pub fn borrowed(given: &str, max: usize) -> Cow<'_, str> {
    if given.len() <= max && !given.contains(is_hidden) { given.into() } else { text(given, max).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_that_look_alike_are_told_apart() {
        for blank in ['\u{206c}', '\u{3164}', '\u{115f}', '\u{2800}', '\u{fe0f}', '\u{e0100}', '\u{1d173}', '\u{6dd}'] {
            assert!(name(&format!("echo{blank}.v1")).contains(r"\u{"), "{blank:?}");
        }
        assert_eq!(name("naïve 日本語 👩"), "naïve 日本語 👩");
    }

    #[test]
    fn nothing_ends_a_line_drives_a_terminal_or_hides() {
        for (given, expected) in [
            ("naïve, 日本語, 👩‍💻", "naïve, 日本語, 👩‍💻"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{1b}[2J\0", r"\u{1b}[2J\u{0}"),
            ("a\u{2028}b\u{2029}\u{85}", r"a\u{2028}b\u{2029}\u{85}"),
            ("abc\u{202e}cba\u{200f}", r"abc\u{202e}cba\u{200f}"),
            ("\u{e0041}", r"\u{e0041}"),
        ] {
            assert_eq!(text(given, 100), expected);
            assert_eq!(borrowed(given, 100), expected);
        }
    }

    #[test]
    fn what_is_cut_is_as_long_as_it_may_be_and_says_so() {
        assert_eq!(name(&"x".repeat(128)), "x".repeat(128));
        assert_eq!(name(&"x".repeat(8_000_000)), format!("{}…", "x".repeat(127)));
        assert_eq!(name(&"ä".repeat(129)).chars().count(), 128);
        for length in 0..40 {
            let short = text(&"a\u{202e}\n".repeat(20), length);
            assert!(short.chars().count() <= length.max(1), "{length}: {short}");
            assert!(!short.ends_with("{202e…") && !short.ends_with("\\…"), "an escape is whole or not there: {short}");
        }
    }

    #[test]
    fn a_document_stays_the_same_document() {
        let given = serde_json::json!({ "a\u{7f}": ["\u{2028}\u{202e}", "\u{e0041}", "plain\n"] });
        let shown = json(given.to_string());
        assert!(!shown.contains(is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), given);
        assert_eq!(json("{\"a\":\"ä\"}".to_owned()), "{\"a\":\"ä\"}");
    }
}
