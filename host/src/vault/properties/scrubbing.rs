//! Scrubbing: no form of a value is left, and everything else is.

use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use memchr::memmem;
use serde_json::Value;

use super::{name, secret};
use crate::vault::scrub::Scrubber;
use bulkhead_properties::{expanded, first_line};

/// Scrubbing. The first line of the input is the value, the rest a text in which `$` and a letter stand for the value in
/// one of its forms.
///
/// # Panics
/// When a form of the value is left, a second pass finds more, text and bytes disagree, a text without the value changes,
/// or what was JSON is JSON no longer.
pub fn scrubbing(input: &[u8]) {
    let Some((value, template)) = first_line(input) else { return };
    let (Some(name), Some(secret)) = (name("token"), secret(value)) else { return };
    let scrubber = Scrubber::new(&name, &secret);
    let text = expanded(template, |letter| form(letter, value));
    let mut clean = text.clone();
    scrubber.bytes(&mut clean);

    for letter in LETTERS.bytes() {
        let form = form(letter, value).unwrap_or_default();
        assert!(memmem::find(&clean, form.as_bytes()).is_none(), "`{form}` is left");
    }
    assert!(!decodings(&clean).iter().any(|text| text.contains(value)), "the value is left behind an encoding");
    let mut again = clean.clone();
    scrubber.bytes(&mut again);
    assert!(again == clean, "a second pass finds more");
    if let Ok(mut text) = String::from_utf8(text.clone()) {
        scrubber.text(&mut text);
        assert!(text.as_bytes() == clean, "text and bytes disagree");
    }
    // Lines may be broken, and pieces of several forms make another one when what is between them is blank.
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let squeezed: Vec<u8> = text.iter().copied().filter(|byte| !blank(byte)).collect();
    let holds = |text: &[u8], form: &str| memmem::find(text, form.as_bytes()).is_some();
    let cannot_hold_it = !text.iter().any(|byte| b"%\\&+".contains(byte))
        && !LETTERS.bytes().filter_map(|letter| form(letter, value)).any(|form| {
            let unbroken: String = form.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
            holds(&text, &form) || holds(&squeezed, &unbroken)
        });
    assert!(!cannot_hold_it || clean == text, "a text without the value is changed");
    // A value that is itself a piece of JSON, a number or an escape has nothing to be replaced with in its place.
    let harmless = value.starts_with('Z') && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if harmless && serde_json::from_slice::<Value>(&text).is_ok() {
        assert!(serde_json::from_slice::<Value>(&clean).is_ok(), "it was JSON");
    }
}

/// Every letter that [`form`] knows.
const LETTERS: &str = "pfuUjJnNsbcdBCDhHwWeElLvV";

/// The value as `letter` says; each written with other code than the one that is to recognise it.
fn form(letter: u8, value: &str) -> Option<String> {
    let json =
        |text: &str| serde_json::to_string(text).map(|text| text[1..text.len() - 1].to_owned()).unwrap_or_default();
    let each = |write: &dyn Fn(u8) -> String| value.bytes().map(write).collect::<String>();
    // Without the characters at both ends that also depend on the neighbours.
    let base64 = |before: usize, engine: &GeneralPurpose| {
        let text = engine.encode([&b"--"[..before], value.as_bytes()].concat());
        let first = [0, 2, 3][before];
        text[first..text.len() - usize::from(!(before + value.len()).is_multiple_of(3))].to_owned()
    };
    Some(match letter {
        b'p' => value.to_owned(),
        b'f' => url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        b'u' => each(&|byte| format!("%{byte:02x}")),
        b'U' => each(&|byte| format!("%{byte:02X}")),
        b'j' => json(value),
        b'J' => json(&json(value)),
        b'n' => each(&|byte| format!("\\u{byte:04x}")),
        b'N' => each(&|byte| format!("&#{byte};")),
        b's' => json(value).replace('/', "\\/"),
        b'b' => base64(0, &STANDARD_NO_PAD),
        b'c' => base64(1, &STANDARD_NO_PAD),
        b'd' => base64(2, &STANDARD_NO_PAD),
        b'B' => base64(0, &URL_SAFE_NO_PAD),
        b'C' => base64(1, &URL_SAFE_NO_PAD),
        b'D' => base64(2, &URL_SAFE_NO_PAD),
        b'w' => broken(&base64(0, &STANDARD_NO_PAD), "\n"),
        b'W' => broken(&base64(1, &STANDARD_NO_PAD), "\r\n  "),
        b'e' => twice(&base64(0, &STANDARD_NO_PAD)),
        b'E' => twice(&base64(2, &URL_SAFE_NO_PAD)),
        b'l' => each(&|byte| format!("{}\0", char::from(byte))).trim_end_matches('\0').to_owned(),
        b'L' => each(&|byte| format!("\\u{byte:04x}\\u0000")).trim_end_matches("\\u0000").to_owned(),
        b'v' => twice(&each(&|byte| format!("{}\0", char::from(byte)))),
        b'V' => broken(&each(&|byte| format!("{byte:02x}")), "\n"),
        b'h' => each(&|byte| format!("{byte:02x}")),
        b'H' => each(&|byte| format!("{byte:02X}")),
        _ => return None,
    })
}

/// Base64 of a text, without the characters at its end that also depend on the neighbour.
fn twice(text: &str) -> String {
    let mut encoded = STANDARD_NO_PAD.encode(text);
    if !text.len().is_multiple_of(3) {
        encoded.pop();
    }
    encoded
}

/// A text in lines of five characters.
fn broken(text: &str, with: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(5).map(|line| String::from_utf8_lossy(line)).collect();
    lines.join(with)
}

/// What a reader might make of a text.
fn decodings(text: &[u8]) -> Vec<String> {
    let mut found = vec![String::from_utf8_lossy(text).into_owned()];
    let pairs = url::form_urlencoded::parse(text);
    found.extend(pairs.flat_map(|(key, value)| [key.into_owned(), value.into_owned()]));
    let quoted = [b"\"", text, b"\""].concat();
    for json in [serde_json::from_slice(text), serde_json::from_slice(&quoted)].into_iter().flatten() {
        strings(json, &mut found);
    }
    found
}

fn strings(json: Value, found: &mut Vec<String>) {
    match json {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.into_iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.into_iter().for_each(|(key, value)| {
            found.push(key);
            strings(value, found);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
