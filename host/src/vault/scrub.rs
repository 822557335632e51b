//! Redaction: takes secret values out of what comes back.
//!
//! A value is recognised as it is, in UTF-16 (both byte orders), and in Base64 (RFC 4648, both alphabets, wherever in it the
//! value stands, padded or not) or hexadecimal of either; also in Base64 twice over. Each of them in any mixture of the
//! spellings of [`super::spelling`], and what is encoded also broken into lines.
//!
//! What no search can see is in `SECURITY.md`.

use std::ops::Range;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use data_encoding::{HEXLOWER, HEXUPPER};
use zeroize::Zeroizing;

use super::{
    spelling::{Letters, beginnings, end_of},
    value::SecretValue,
};
use crate::config::SecretName;

/// One secret's forms and what is shown in their place.
pub(super) struct Scrubber {
    forms: Vec<Form>,
    starts: Pairs,
    shown: String,
    /// The same in UTF-16, so that what is around it stays what it is.
    shown_wide: String,
}

/// Where a form stands.
struct Found {
    range: Range<usize>,
    /// In UTF-16, byte by byte.
    wide: bool,
}

struct Form {
    bytes: Zeroizing<Vec<u8>>,
    letters: Letters,
}

impl Scrubber {
    pub(super) fn new(name: &SecretName, value: &SecretValue) -> Self {
        let forms = forms(value.expose().as_bytes());
        let mut starts = Pairs::default();
        for form in &forms {
            if let [first, second, ..] = form.bytes[..] {
                for pair in beginnings(first, second, form.letters) {
                    starts.add(pair);
                }
            }
        }
        let shown = shown(name, value);
        let shown_wide = if shown.is_ascii() { wide(&shown) } else { shown.clone() };
        Self { forms, starts, shown, shown_wide }
    }

    /// Whether any form of the value is in `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        !self.find(text.as_bytes()).is_empty()
    }

    /// Replaces every form of the value in `text`.
    pub(super) fn text(&self, text: &mut String) {
        let found = self.find(text.as_bytes());
        if found.is_empty() {
            return;
        }
        let mut clean = String::with_capacity(text.len());
        let mut from = 0;
        for found in found {
            // Forms are ASCII, so what is found begins and ends between characters.
            clean.push_str(&text[from..found.range.start]);
            clean.push_str(self.instead_of(&found));
            from = found.range.end;
        }
        clean.push_str(&text[from..]);
        drop(Zeroizing::new(std::mem::replace(text, clean)));
    }

    /// Replaces every form of the value in `bytes`, which need not be text.
    pub(super) fn bytes(&self, bytes: &mut Vec<u8>) {
        let found = self.find(bytes);
        if found.is_empty() {
            return;
        }
        let mut clean = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for found in found {
            clean.extend_from_slice(&bytes[from..found.range.start]);
            clean.extend_from_slice(self.instead_of(&found).as_bytes());
            from = found.range.end;
        }
        clean.extend_from_slice(&bytes[from..]);
        drop(Zeroizing::new(std::mem::replace(bytes, clean)));
    }

    /// Replaces what goes from one of `parts` into the next: an answer may spread a value over several headers.
    pub(super) fn across(&self, parts: &mut [&mut String]) {
        let whole = Zeroizing::new(parts.iter().map(|part| part.as_str()).collect::<String>());
        let mut end = 0;
        let spans: Vec<_> = parts
            .iter()
            .map(|part| {
                let start = end;
                end += part.len();
                start..end
            })
            .collect();
        // From the last one on, so that the places of those before stay what they are.
        for found in self.find(whole.as_bytes()).into_iter().rev() {
            for (part, span) in parts.iter_mut().zip(&spans) {
                let (from, to) = (found.range.start.max(span.start), found.range.end.min(span.end));
                if from < to {
                    let shown = if from == found.range.start { self.instead_of(&found) } else { "" };
                    let clean = [&part[..from - span.start], shown, &part[to - span.start..]].concat();
                    drop(Zeroizing::new(std::mem::replace(&mut **part, clean)));
                }
            }
        }
    }

    fn instead_of(&self, found: &Found) -> &str {
        if found.wide { &self.shown_wide } else { &self.shown }
    }

    /// Where the value stands, in order and without overlaps.
    fn find(&self, text: &[u8]) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut at = 0;
        while let Some(start) = self.starts.next(text, at) {
            at = start + 1;
            let end_of = |form: &Form| end_of(&form.bytes, form.letters, text, start);
            let Some(end) = self.forms.iter().filter_map(end_of).max() else { continue };
            // A backslash that is left over would make the JSON around it invalid.
            let after = found.last().map_or(0, |found| found.range.end);
            let range = start - backslashes_at_end(&text[after..start])..end;
            found.push(Found { range, wide: text.get(start + 1) == Some(&0) });
            at = end;
        }
        found
    }
}

fn backslashes_at_end(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| **byte == b'\\').count()
}

fn forms(plain: &[u8]) -> Vec<Form> {
    // A value is ASCII: in UTF-16 its bytes have zeroes between them, and one before or behind that is left standing.
    let wide = Zeroizing::new(plain.iter().flat_map(|byte| [*byte, 0]).collect::<Vec<u8>>());
    let wide = &wide[..wide.len() - 1];
    let once = base64_of(plain);
    let mut encoded: Vec<_> = once.iter().flat_map(|text| base64_of(text.as_bytes())).collect();
    encoded.extend(once);
    encoded.extend(base64_of(wide));
    for bytes in [plain, wide] {
        encoded.extend([HEXUPPER, HEXLOWER].map(|hex| Zeroizing::new(hex.encode(bytes))));
    }
    encoded.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    encoded.dedup();
    let mut forms: Vec<_> = [plain, wide]
        .map(|bytes| Form { bytes: Zeroizing::new(bytes.to_vec()), letters: Letters::Any })
        .into_iter()
        .collect();
    forms.extend(
        encoded
            .into_iter()
            .map(|text| Form { bytes: Zeroizing::new(text.as_bytes().to_vec()), letters: Letters::Plain }),
    );
    forms
}

/// Base64 writes a value in three ways, depending on what stands before it, such as the user's name in Basic credentials, and
/// each of them in two alphabets. Characters that also hold bits of a neighbour are left out.
fn base64_of(plain: &[u8]) -> Vec<Zeroizing<String>> {
    let mut encoded: Vec<Zeroizing<String>> = Vec::new();
    for before in 0..3 {
        let bytes = Zeroizing::new([&[0; 2][..before], plain].concat());
        let (shared_first, shared_last) = ([0, 2, 3][before], usize::from(!bytes.len().is_multiple_of(3)));
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)].map(Zeroizing::new) {
            let own = Zeroizing::new(text[shared_first..text.len() - shared_last].to_owned());
            if !encoded.contains(&own) {
                encoded.push(own);
            }
        }
    }
    encoded
}

/// ASCII in UTF-16, without the zero before or behind it.
fn wide(text: &str) -> String {
    let wide: String = text.chars().flat_map(|letter| [letter, '\0']).collect();
    wide.trim_end_matches('\0').to_owned()
}

/// What is shown instead: `[secret name]`. Its brackets are ones that the value lacks and its text does not hold the
/// value, so that no form can begin, end or lie in it, and one pass leaves none behind.
fn shown(name: &SecretName, value: &SecretValue) -> String {
    let value = value.expose();
    let brackets = [('[', ']'), ('(', ')'), ('{', '}'), ('<', '>')];
    // Values are ASCII.
    let (open, close) = brackets.into_iter().find(|pair| !value.contains([pair.0, pair.1])).unwrap_or(('‹', '›'));
    let inner = format!("secret {name}");
    if inner.contains(value) { format!("{open}secret{close}") } else { format!("{open}{inner}{close}") }
}

/// A set of pairs of bytes, to search a long text for the few places that are worth a second look.
struct Pairs(Box<[u64; 1024]>);

impl Default for Pairs {
    fn default() -> Self {
        Self(Box::new([0; 1024]))
    }
}

impl Pairs {
    fn place([first, second]: [u8; 2]) -> (usize, u64) {
        let pair = usize::from(first) << 8 | usize::from(second);
        (pair >> 6, 1 << (pair & 63))
    }

    fn add(&mut self, pair: [u8; 2]) {
        let (word, bit) = Self::place(pair);
        self.0[word] |= bit;
    }

    /// The next place at or after `from` where one of the pairs begins.
    fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let pairs = text.get(from..)?.windows(2);
        let holds = |pair: &[u8]| {
            let (word, bit) = Self::place([pair[0], pair[1]]);
            self.0[word] & bit != 0
        };
        pairs.into_iter().position(holds).map(|at| from + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber(value: &str) -> Scrubber {
        let value = SecretValue::new(Zeroizing::new(value.to_owned())).expect("a secret");
        Scrubber::new(&"api_key".parse().expect("name"), &value)
    }

    #[test]
    fn every_form_is_replaced_in_text_and_bytes() {
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let text = [
            "a p4ss/w\"rd+1 b",
            "p4ss%2Fw%22rd%2B1",
            "p4ss%2fw%22rd%2b1",
            r#"{"k":"p4ss/w\"rd+1"}"#,
            r#"{"k":"p4ss\/w\"rd\u002B1"}"#,
            &base64("p4ss/w\"rd+1"),
            &base64("ada:p4ss/w\"rd+1"),
            &base64("adam:p4ss/w\"rd+1 and more"),
            &base64("p4ss/w\"rd+1").replace('=', "%3D").replace('/', "%2F").replace('+', "%2B"),
            &HEXLOWER.encode(b"p4ss/w\"rd+1"),
            &HEXLOWER.encode(b"p4ss/w\"rd+1").to_uppercase(),
        ];
        let count = text.len();
        let mut text = text.join("\n");
        let mut bytes = [b"\xff\xfe".as_slice(), text.as_bytes(), b"\x00p4ss/w\"rd+1"].concat();
        let scrubber = scrubber("p4ss/w\"rd+1");
        scrubber.text(&mut text);
        assert_eq!(text.matches("[secret api_key]").count(), count, "{text}");
        scrubber.bytes(&mut bytes);
        assert_eq!(String::from_utf8_lossy(&bytes).matches("[secret api_key]").count(), count + 1);
    }

    #[test]
    fn a_value_is_recognised_in_utf_16_twice_over_in_base64_and_broken_into_lines() {
        let value = "p4ss/w\"rd+1, and longer than one line of Base64 is, or so it should be";
        let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let wrapped = |text: &str, width: usize, with: &str| {
            let lines: Vec<_> = text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line)).collect();
            lines.join(with)
        };
        let little: Vec<u8> = value.bytes().flat_map(|byte| [byte, 0]).collect();
        let big: Vec<u8> = value.bytes().flat_map(|byte| [0, byte]).collect();
        let by_numbers = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
        let mut texts = vec![
            by_numbers(&little),
            by_numbers(&big),
            little.iter().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat(),
            base64(&little),
            base64(&big),
            base64(&[b"\xff\xfe", &little[..]].concat()),
            HEXLOWER.encode(&little),
            wrapped(&HEXLOWER.encode(value.as_bytes()), 32, "\n"),
            base64(&base64(value.as_bytes()).into_bytes()),
            wrapped(&base64(base64(format!("ada:{value}").as_bytes()).as_bytes()), 76, "\r\n"),
        ];
        for width in [1, 4, 19, 64, 76] {
            for with in ["\n", "\r\n", "\r\n\t", "\n        ", r"\n", r"\r\n", "%0A", "&#10;"] {
                texts.push(wrapped(&base64(format!("x{value}").as_bytes()), width, with));
            }
        }
        for text in &texts {
            let mut clean = format!("\"{text}\"");
            scrubber(value).text(&mut clean);
            assert!(clean.contains("[secret api_key]") && clean.len() < 64, "{text}: {clean}");
        }
        // In UTF-16 itself, what is around stays what it is.
        for (bytes, read) in [(&little, u16::from_le_bytes as fn([u8; 2]) -> u16), (&big, u16::from_be_bytes)] {
            let around = |text: &str| -> Vec<u8> {
                let units = text.encode_utf16();
                units.flat_map(|unit| if read([1, 0]) == 1 { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
            };
            let mut text = [around("grün "), bytes.clone(), around(" weiß")].concat();
            scrubber(value).bytes(&mut text);
            let units: Vec<_> = text.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
            assert_eq!(String::from_utf16_lossy(&units), "grün [secret api_key] weiß");
        }
    }

    #[test]
    fn a_value_that_is_spread_over_parts_is_replaced_once() {
        for (parts, clean) in [
            (&["a pa55", "w0rd! b"][..], &["a [secret api_key]", " b"][..]),
            (&["p", "a", "5", "5", "w0rd!"], &["[secret api_key]", "", "", "", ""]),
            (
                &["pa55w0rd!", "pa55w0r", "d!pa5", "5w0rd!"],
                &["[secret api_key]", "[secret api_key]", "[secret api_key]", ""],
            ),
            (&["grün cGE1NXcw", "cmQh weiß"], &["grün [secret api_key]", " weiß"]),
            (&["pa55", "x", "w0rd!"], &["pa55", "x", "w0rd!"]),
            (&["", "pa55w0rd"], &["", "pa55w0rd"]),
        ] {
            let mut parts: Vec<_> = parts.iter().map(|part| (*part).to_owned()).collect();
            scrubber("pa55w0rd!").across(&mut parts.iter_mut().collect::<Vec<_>>());
            assert_eq!(parts, clean);
        }
    }

    /// The bound is for a build without optimisation on a busy machine, where 4 MiB of JSON took 2.3 s, of Base64 0.8 s, and of
    /// nothing but escapes that might begin the value, which only a hostile upstream sends, 29 s.
    #[test]
    fn a_large_body_is_searched_in_bearable_time() {
        let scrubber = scrubber("sk-live-9f8e7d6c5b4a39281706f5e4d3c2b1a0");
        let prose = r#"{"name":"the quick brown fox","path":"a\/b\u0020c","size":1234567,"tags":["x y","z"]},"#;
        let digest = |number: u64| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_be_bytes());
        let random: Vec<u8> = (0..100_000).flat_map(|number| digest(number).as_ref().to_vec()).collect();
        let encoded = base64::engine::general_purpose::STANDARD.encode(&random);
        for (what, text) in
            [("JSON", prose), ("Base64", encoded.as_str()), ("blanks", "s s\ns "), ("escapes", "\\u0073\\n")]
        {
            let mut body = text.repeat((4 << 20) / text.len() + 1).into_bytes();
            let started = std::time::Instant::now();
            scrubber.bytes(&mut body);
            let took = started.elapsed();
            assert!(took.as_secs() < 20, "{what}: {took:?}");
        }
    }

    #[test]
    fn what_is_around_a_value_stays_whole() {
        for (text, clean) in [
            (r#"{"a":"\\\u0070a55w0rd!\n"}"#, r#"{"a":"[secret api_key]\n"}"#),
            (r#"["pa55w0rd!","pa55w0rd!pa55w0rd!"]"#, r#"["[secret api_key]","[secret api_key][secret api_key]"]"#),
            ("50%pa55w0rd!%", "50%[secret api_key]%"),
            ("grün pa55w0rd! weiß", "grün [secret api_key] weiß"),
            ("pa55w0rdpa55w0rd!", "pa55w0rd[secret api_key]"),
            ("pa55w0rd?", "pa55w0rd?"),
        ] {
            let mut scrubbed = text.to_owned();
            scrubber("pa55w0rd!").text(&mut scrubbed);
            assert_eq!(scrubbed, clean, "{text}");
        }
    }

    #[test]
    fn what_is_shown_instead_can_never_be_part_of_the_value() {
        for (value, shown) in [
            ("plain text", "[secret api_key]"),
            ("with a ] in it", "(secret api_key)"),
            ("with [ and ) in it", "{secret api_key}"),
            ("[({<all>})]", "‹secret api_key›"),
            ("t api_key", "[secret]"),
        ] {
            let mut text = value.repeat(3);
            scrubber(value).text(&mut text);
            assert_eq!(text, shown.repeat(3));
        }
    }
}
