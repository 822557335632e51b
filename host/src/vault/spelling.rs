//! The ways in which one byte of a value can be written: plain, percent-encoded (RFC 3986, 2.1), escaped as in JSON
//! (RFC 8259, 7) or JavaScript, as a character reference of HTML, and nested in itself a few times. What is encoded already,
//! as in Base64, may also be broken into lines, each of them indented.
//!
//! Matching accepts more than any encoder writes, which is safe: all bytes of a value have to follow one another.

mod breaks;
mod byte;

use breaks::{BLANKS, after_break, begins_break};
use byte::{BACKSLASHES, NAMED, Places, aliases, backslashes, ends, hex_digits, plain};

/// How the letters and digits of a form may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    /// Escaped like everything else: an upstream may write any character by its number.
    Any,
    /// As they are: nobody escapes the letters of what is encoded already.
    Plain,
}

/// Where `value` ends in `text`, the furthest way, if it is written at `start` in any mixture of spellings.
pub(super) fn end_of(value: &[u8], letters: Letters, text: &[u8], start: usize) -> Option<usize> {
    let written = text.get(start..)?;
    let possible = |wanted: u8, byte: u8| {
        byte == wanted || (is_special(byte) && (letters == Letters::Any || !wanted.is_ascii_alphanumeric()))
    };
    if !possible(*value.first()?, *written.first()?) {
        return None;
    }
    // As long as all is written as it is, there is one place to go on from.
    let same = value.iter().zip(written).take_while(|(wanted, byte)| wanted == byte && !is_special(**byte)).count();
    let Some(&wanted) = value.get(same) else { return Some(start + same) };
    // A hostile text may be all backslashes: where too many follow, they escape nothing.
    let idle = wanted != b'\\' && written[same..].starts_with(&[b'\\'; BACKSLASHES + 1]);
    let next = *written.get(same)?;
    let breaks = letters == Letters::Plain && same > 0 && begins_break(next);
    if idle || !(breaks || possible(wanted, next)) {
        return None;
    }
    let mut places = Places::at(start + same);
    let mut rest = &value[same..];
    while let Some((&wanted, after)) = rest.split_first() {
        let mut next = Places::default();
        // Nobody can tell which of many backslashes in a row belong together, so they are taken as one.
        let run = rest.iter().take_while(|byte| **byte == b'\\').count();
        rest = if run > 0 { &rest[run..] } else { after };
        for &at in places.as_slice() {
            // What is encoded already may be broken into lines anywhere.
            let behind = if letters == Letters::Plain && at > start { after_break(text, at) } else { None };
            for at in [Some(at), behind].into_iter().flatten() {
                if run > 0 {
                    backslashes(text, at, run, rest.is_empty(), &mut next);
                } else if letters == Letters::Plain && wanted.is_ascii_alphanumeric() {
                    plain(text, at, wanted, &mut next);
                } else {
                    aliases(wanted).for_each(|wanted| ends(text, at, wanted, &mut next));
                }
            }
        }
        places = next;
        if places.as_slice().is_empty() {
            return None;
        }
    }
    places.as_slice().iter().max().copied()
}

/// Whether a byte can begin a spelling, or be one of a space.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&' | b'+')
}

/// The first two bytes of every spelling of `first` followed by `second`: what a quick search looks for.
pub(super) fn beginnings(first: u8, second: u8, letters: Letters) -> Vec<[u8; 2]> {
    let mut pairs = Vec::new();
    for first in aliases(first) {
        // As it is, followed by the second one in whatever spelling.
        pairs.extend([[first, b'%'], [first, b'\\'], [first, b'&']]);
        pairs.extend(aliases(second).map(|second| [first, second]));
        if letters == Letters::Plain {
            pairs.extend(BLANKS.map(|blank| [first, blank]));
            if first.is_ascii_alphanumeric() {
                continue;
            }
        }
        // Percent-encoded itself, or first of all its percent sign, its ampersand or its backslash.
        pairs.extend([hex_digits(first)[0], b'2', b'5'].map(|next| [b'%', next]));
        pairs.extend([first, b'\\', b'%', b'u', b'x'].map(|next| [b'\\', next]));
        pairs.extend([[b'&', b'#'], [b'&', b'a']]);
        pairs.extend(NAMED.iter().filter(|(_, byte)| *byte == first).map(|(name, _)| [b'&', name.as_bytes()[0]]));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &[u8] = br#"a"/b\c %&d"#;

    /// Every spelling of it that some encoder writes.
    const SPELLINGS: &[(&str, &str)] = &[
        ("plain", r#"a"/b\c %&d"#),
        ("JSON", r#"a\"/b\\c %&d"#),
        ("PHP's JSON", r#"a\"\/b\\c %&d"#),
        ("Go's JSON", r#"a\"/b\\c %\u0026d"#),
        ("JSON in JSON", r#"a\\\"\\/b\\\\c %&d"#),
        ("JSON in JSON in JSON", r#"a\\\\\\\"/b\\\\\\\\c %&d"#),
        ("JSON by numbers", r"\u0061\u0022\u002f\u0062\u005C\u0063\u0020\u0025\u0026\u0064"),
        ("JavaScript", r"\x61\x22\x2F\x62\x5c\x63\x20\x25\x26\x64"),
        ("JavaScript with braces", r"\u{61}\u{22}\u{2f}\u{62}\u{5C}\u{63}\u{20}\u{000025}\u{26}d"),
        ("percent", "a%22%2Fb%5Cc%20%25%26d"),
        ("percent, lower case", "a%22%2fb%5cc%20%25%26d"),
        ("form", "a%22%2Fb%5Cc+%25%26d"),
        ("form twice", "a%2522%252Fb%255Cc%2B%2525%2526d"),
        ("percent of everything", "%61%22%2F%62%5C%63%20%25%26%64"),
        ("HTML", r"a&quot;/b\c %&amp;d"),
        ("HTML by numbers", "&#97;&#34;&#x2f;&#x62;&#92;c&#032;&#37;&#X26;&#100;"),
        ("HTML in HTML", r"a&amp;quot;/b\c %&amp;amp;d"),
        ("HTML in Go's JSON", r"a\u0026quot;/b\\c %\u0026amp;d"),
        ("percent of JSON", "a%5C%22%5C%2Fb%5C%5Cc%20%25%26d"),
        ("percent in JSON by numbers", r"a\u002522\u00252Fb\u00255Cc \u002525\u002526d"),
    ];

    #[test]
    fn a_value_is_recognised_in_every_spelling_and_up_to_its_end() {
        for (what, text) in SPELLINGS {
            let end = |text: &str| end_of(VALUE, Letters::Any, text.as_bytes(), 0);
            assert_eq!(end(text), Some(text.len()), "{what}");
            assert_eq!(end(&format!("{text}zz")), Some(text.len()), "{what}, and more behind it");
            assert_eq!(end(&text[..text.len() - 1]), None, "{what}, cut short");
            let begins = [text.as_bytes()[0], text.as_bytes()[1]];
            let stops = beginnings(VALUE[0], VALUE[1], Letters::Any).contains(&begins);
            assert!(stops, "{what}: the search does not stop there");
        }
    }

    #[test]
    fn other_texts_are_not_the_value() {
        for text in ["", "abcdefg", "ABCDEFGH", "abcdefg\\h", "abcdefg%6", "abcdefg%69", "abcdefg&#105;", "a\\bcdefgh"]
        {
            assert_eq!(end_of(b"abcdefgh", Letters::Any, text.as_bytes(), 0), None, "{text}");
        }
        assert!(end_of(b"abc/", Letters::Plain, b"abc%2F", 0).is_some());
        assert!(end_of(b"abc/", Letters::Plain, b"%61bc%2F", 0).is_none());
    }

    #[test]
    fn long_runs_are_given_up_early() {
        let value = br"\\\\\\\\\\\\\\\\%%%%%%%%%%%%%%%%&&&&&&&&";
        for unit in ["\\", "%25", "%", "&amp;", "&", "\\%5c", "\\u005c"] {
            let text = unit.repeat(300);
            let found = (0..text.len()).find(|at| end_of(value, Letters::Any, text.as_bytes(), *at).is_some());
            assert_eq!(found, None, "{unit}");
        }
    }

    #[test]
    fn many_backslashes_in_a_row_are_recognised_in_every_spelling() {
        for count in [1, 2, 3, 33] {
            let value = format!("a{}\"b", "\\".repeat(count));
            for (each, behind) in [
                ("\\", "\""),
                ("\\\\", "\\\""),
                ("\\\\", "\\u0022"),
                ("\\\\\\\\", "\\\\\\\""),
                ("%5C", "%22"),
                ("\\u005c", "\""),
                ("&#92;", "&quot;"),
            ] {
                let text = format!("a{}{behind}b", each.repeat(count));
                let end = end_of(value.as_bytes(), Letters::Any, text.as_bytes(), 0);
                assert_eq!(end, Some(text.len()), "{count} of {each}");
            }
        }
    }
}
