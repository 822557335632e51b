//! Takes secret values out of what comes back.
//!
//! A value is recognised as it is, in Base64 (RFC 4648, both alphabets, wherever in it the value stands, padded or not)
//! and in hexadecimal, each of them in any mixture of the spellings of [`super::spelling`].
//!
//! What no search can see: a value that is encrypted, compressed, reversed or otherwise changed (a host name in lower
//! case), a part of one (the key out of a DSN), or one that a provider which may read it takes apart and says in pieces.

use std::ops::Range;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::{
    SecretValue,
    spelling::{Letters, beginnings, end_of},
};
use crate::config::SecretName;

/// One secret's forms and what is shown in their place.
pub(super) struct Scrubber {
    forms: Vec<Form>,
    starts: Pairs,
    shown: String,
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
        Self { forms, starts, shown: shown(name, value) }
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
        for range in found {
            // Forms are ASCII, so what is found begins and ends between characters.
            clean.push_str(&text[from..range.start]);
            clean.push_str(&self.shown);
            from = range.end;
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
        for range in found {
            clean.extend_from_slice(&bytes[from..range.start]);
            clean.extend_from_slice(self.shown.as_bytes());
            from = range.end;
        }
        clean.extend_from_slice(&bytes[from..]);
        drop(Zeroizing::new(std::mem::replace(bytes, clean)));
    }

    /// Where the value stands, in order and without overlaps.
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while let Some(start) = self.starts.next(text, at) {
            at = start + 1;
            let Some(end) = self.forms.iter().filter_map(|form| end_of(&form.bytes, form.letters, text, start)).max()
            else {
                continue;
            };
            // A backslash that is left over would make the JSON around it invalid.
            let after = found.last().map_or(0, |range| range.end);
            found.push(start - backslashes_at_end(&text[after..start])..end);
            at = end;
        }
        found
    }
}

fn backslashes_at_end(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| **byte == b'\\').count()
}

fn forms(plain: &[u8]) -> Vec<Form> {
    let mut encoded: Vec<Zeroizing<String>> = Vec::new();
    // Base64 writes the value in three ways, depending on what stands before it, such as the user's name in Basic
    // credentials. Characters that also hold bits of a neighbour are left out.
    for before in 0..3 {
        let bytes = Zeroizing::new([&[0; 2][..before], plain].concat());
        let (shared_first, shared_last) = ([0, 2, 3][before], usize::from(!bytes.len().is_multiple_of(3)));
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)].map(Zeroizing::new) {
            encoded.push(Zeroizing::new(text[shared_first..text.len() - shared_last].to_owned()));
        }
    }
    let hex = Zeroizing::new(crate::audit::hex(plain));
    encoded.push(Zeroizing::new(hex.to_ascii_uppercase()));
    encoded.push(hex);
    encoded.dedup_by(|one, other| **one == **other);
    let mut forms = vec![Form { bytes: Zeroizing::new(plain.to_vec()), letters: Letters::Any }];
    forms.extend(
        encoded
            .into_iter()
            .map(|text| Form { bytes: Zeroizing::new(text.as_bytes().to_vec()), letters: Letters::Plain }),
    );
    forms
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
            &crate::audit::hex(b"p4ss/w\"rd+1"),
            &crate::audit::hex(b"p4ss/w\"rd+1").to_uppercase(),
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
