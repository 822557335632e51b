//! Breaks in a line: what is encoded is often written in lines of some length, each of them indented, and the breaks are then
//! spelled like everything else.

use super::byte::{Places, after_backslashes, escape, percent_or_reference};

/// What lines are broken and indented with.
pub(super) const BLANKS: [u8; 4] = *b" \t\r\n";
/// The longest break and indentation between two characters, in bytes of the text.
const BREAK_MAX: usize = 256;

/// Whether a break can begin with this byte.
pub(super) fn begins_break(byte: u8) -> bool {
    BLANKS.contains(&byte) || matches!(byte, b'%' | b'\\' | b'&')
}

/// Where a break in a line ends that is written at `at`, with what the next line is indented by.
pub(super) fn after_break(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while at - start < BREAK_MAX {
        let Some(end) = blank(text, at) else { break };
        at = end;
    }
    (at > start).then_some(at)
}

/// Where one of [`BLANKS`] ends, in any spelling.
fn blank(text: &[u8], at: usize) -> Option<usize> {
    let byte = *text.get(at)?;
    if BLANKS.contains(&byte) {
        return Some(at + 1);
    }
    if !begins_break(byte) {
        return None;
    }
    let mut places = Places::default();
    for wanted in BLANKS {
        percent_or_reference(text, at, wanted, &mut places);
        escape(text, at, wanted, &mut places);
    }
    // The short ones, of JSON and all that is like it.
    let behind = after_backslashes(text, at);
    if behind > at && matches!(text.get(behind), Some(b'n' | b'r' | b't')) {
        places.add(behind + 1);
    }
    places.as_slice().iter().max().copied()
}

#[cfg(test)]
mod tests {
    use crate::vault::spelling::{Letters, beginnings, end_of};

    #[test]
    fn what_is_encoded_may_be_broken_into_lines_anywhere() {
        let breaks = [
            "\n",
            "\r\n",
            "\n    ",
            " ",
            "\t",
            r"\n",
            r"\r\n  ",
            r"\\n",
            r"\u000a",
            r"\u000D\u000A",
            "%0A",
            "%0d%0a%20",
            "%250A",
        ];
        for broken in breaks.into_iter().chain(["&#10;", "&#xD;&#xA;", "\\\n", "%5Cn", "\n\n \t\n"]) {
            for at in 1..8 {
                let text = format!("{}{broken}{}", &"abc/efgh"[..at], &"abc/efgh"[at..]);
                let end = end_of(b"abc/efgh", Letters::Plain, text.as_bytes(), 0);
                assert_eq!(end, Some(text.len()), "{broken:?} at {at}");
                assert_eq!(end_of(b"abc/efgh", Letters::Any, text.as_bytes(), 0), None, "a value is not encoded");
                let begins = [text.as_bytes()[0], text.as_bytes()[1]];
                assert!(beginnings(b'a', b'b', Letters::Plain).contains(&begins), "{broken:?} at {at}");
            }
            let each = "abc/efgh".chars().map(|letter| format!("{letter}{broken}")).collect::<Vec<_>>().concat();
            let end = end_of(b"abc/efgh", Letters::Plain, each.as_bytes(), 0);
            assert_eq!(end, Some(each.len() - broken.len()), "{broken:?} everywhere");
        }
        for other in ["ab\u{b}c/efgh", "ab,c/efgh", "ab\\c/efgh", "ab%0Bc/efgh", "ab\\qc/efgh"] {
            assert_eq!(end_of(b"abc/efgh", Letters::Plain, other.as_bytes(), 0), None, "{other}");
        }
        let far = format!("ab{}c/efgh", " ".repeat(10_000));
        assert_eq!(end_of(b"abc/efgh", Letters::Plain, far.as_bytes(), 0), None);
    }
}
