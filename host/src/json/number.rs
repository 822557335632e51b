//! Numbers of a document as they are written, before a parser has rounded them.
//!
//! JSON Schema 2020-12 (Core §4.2.3) takes `10.0` and `1e1` for integers, and providers read integers into 64 bits: so whole
//! numbers become integers, those that a double-precision number can stand for exactly. What cannot be kept is refused and
//! never rounded: an id that lost its last digits is another id. A parser's own feature for this, `arbitrary_precision`, would
//! let a document hide in a string (see [`super::parse`]); so the text is looked at where the parser has found such a number.

use serde_json::Value;

use super::{Violation, limits::DEPTH_MAX};

/// The largest whole number up to which all have a double-precision number of their own.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// The same: it has 16 digits.
const WHOLE_MAX_DIGITS: u64 = 9_007_199_254_740_992;

const BEYOND: &str = "it may be rounded: write whole numbers beyond 2^53 in digits alone and within 64 bits, or as a string \
    where the schema takes one";
const TOO_FINE: &str = "it may be rounded to a whole number: write it with 15 digits at most";

/// Which numbers of a document are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Of an input: whole numbers up to 2^53, larger ones in digits alone and within 64 bits, and fractions.
    Exact,
    /// Of an output: whole numbers that are written again as they were, and fractions.
    Unchanged,
    /// All that the parser takes.
    Any,
}

/// Whether a number that the parser has made may be another than the one that was written.
pub(super) fn may_be_rounded(parsed: f64) -> bool {
    parsed.fract() == 0.0
}

/// The first number of a document that is not taken. What is no JSON may be taken for anything.
pub(super) fn first_refused(document: &[u8], numbers: Numbers) -> Option<Violation> {
    let mut places: Vec<Place<'_>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = document.get(at) {
        let mut next = at + 1;
        match byte {
            b'{' => places.push(Place::Member { name: b"\"\"", is_value: false }),
            b'[' => places.push(Place::Element(0)),
            b'}' | b']' => drop(places.pop()),
            b':' | b',' => {
                if let Some(place) = places.last_mut() {
                    place.pass(*byte);
                }
            }
            b'"' => {
                next = end_of_string(document, at)?;
                if let Some(Place::Member { name, is_value: false }) = places.last_mut() {
                    *name = document.get(at..next)?;
                }
            }
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
                next = at + document.get(at..)?.iter().take_while(|byte| is_part(byte)).count();
                let literal = std::str::from_utf8(document.get(at..next)?).ok()?;
                if let Some(why) = refusal(literal, numbers) {
                    return Some(Violation { pointer: pointer(&places), message: why.to_owned() });
                }
            }
            _ => {}
        }
        if places.len() > DEPTH_MAX {
            return None;
        }
        at = next;
    }
    None
}

/// Where the scan is within one array or object.
enum Place<'a> {
    Element(usize),
    /// The name as it is written, and whether it has been passed.
    Member {
        name: &'a [u8],
        is_value: bool,
    },
}

impl Place<'_> {
    fn pass(&mut self, separator: u8) {
        match self {
            Self::Element(index) => *index += 1,
            Self::Member { is_value, .. } => *is_value = separator == b':',
        }
    }
}

/// Behind the quote that ends the string at `start`.
fn end_of_string(document: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', document.get(at..)?)?;
        match document.get(at)? {
            b'"' => return Some(at + 1),
            // Whatever is escaped is not the end.
            _ => at += 2,
        }
    }
}

/// RFC 6901.
fn pointer(places: &[Place<'_>]) -> String {
    let step = |place: &Place<'_>| match place {
        Place::Element(index) => index.to_string(),
        Place::Member { name, .. } => {
            serde_json::from_slice::<String>(name).unwrap_or_default().replace('~', "~0").replace('/', "~1")
        }
    };
    places.iter().flat_map(|place| ["/".to_owned(), step(place)]).collect()
}

fn refusal(literal: &str, numbers: Numbers) -> Option<&'static str> {
    if numbers == Numbers::Any || literal.parse::<i64>().is_ok() || literal.parse::<u64>().is_ok() {
        return None;
    }
    // What is no number is for the parser to tell.
    let parsed: f64 = literal.parse().ok()?;
    let written = Decimal::of(literal);
    let is_kept = match numbers {
        Numbers::Exact => written.is_whole_within_double(),
        Numbers::Unchanged | Numbers::Any => parsed.is_finite() && written == Decimal::of(&format!("{parsed:e}")),
    };
    match (written.is_whole(), numbers) {
        (true, _) if is_kept => None,
        (true, _) => Some(BEYOND),
        // Of beyond 2^53 no fraction is left.
        (false, Numbers::Exact) if may_be_rounded(parsed) && parsed.abs() >= WHOLE_MAX => Some(BEYOND),
        (false, Numbers::Exact) if may_be_rounded(parsed) => Some(TOO_FINE),
        (false, _) => None,
    }
}

/// The size of a number, exactly: `digits` × 10^`power`.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    /// Without zeros at either end; none for zero.
    digits: String,
    power: i64,
}

impl Decimal {
    fn of(literal: &str) -> Self {
        let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole.trim_start_matches('-'), fraction].concat();
        let digits = all.trim_end_matches('0');
        let zeros = all.len() - digits.len();
        let digits = digits.trim_start_matches('0').to_owned();
        // One that does not fit is larger than any document has digits.
        let endless = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
        let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap_or(endless);
        let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let power = exponent.saturating_sub(length(fraction.len())).saturating_add(length(zeros));
        Self { power: if digits.is_empty() { 0 } else { power }, digits }
    }

    fn is_whole(&self) -> bool {
        self.power >= 0
    }

    /// Whether it is whole and at most 2^53.
    fn is_whole_within_double(&self) -> bool {
        let Ok(power @ 0..=15) = u32::try_from(self.power) else { return false };
        let digits = if self.digits.is_empty() { Ok(0) } else { self.digits.parse::<u64>() };
        digits
            .ok()
            .and_then(|digits| digits.checked_mul(10_u64.pow(power)))
            .is_some_and(|size| size <= WHOLE_MAX_DIGITS)
    }
}

/// Makes integers of the whole numbers of a document that was held against [`Numbers::Exact`].
pub fn settle(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(integer) = number.as_f64().filter(|_| number.is_f64()).and_then(integer) {
                *number = integer.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(members) => members.values_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn integer(double: f64) -> Option<i64> {
    let is_whole = double.fract() == 0.0 && double.abs() <= WHOLE_MAX;
    is_whole.then(|| format!("{double:.0}").parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::json::{self as document, JsonError};

    /// What becomes of a number that a caller sends.
    fn sent(literal: &str) -> Result<String, &'static str> {
        match document::parse_settled(format!(r#"{{"a":[{literal}]}}"#).as_bytes()) {
            Ok(value) => Ok(value["a"][0].to_string()),
            Err(JsonError::Number(wrong)) => {
                assert_eq!(wrong.pointer, "/a/0");
                Err([BEYOND, TOO_FINE].into_iter().find(|text| *text == wrong.message).expect("a text"))
            }
            Err(other) => panic!("{literal}: {other:?}"),
        }
    }

    #[test]
    fn whole_numbers_are_integers_however_they_are_written() {
        for (literal, integer) in [
            ("10", "10"),
            ("10.0", "10"),
            ("1e1", "10"),
            ("1E+1", "10"),
            ("100e-1", "10"),
            ("1.5e1", "15"),
            ("-2.50e2", "-250"),
            ("-0.0", "0"),
            ("-0", "0"),
            ("0e999999999999999999999", "0"),
            ("0.000e-5", "0"),
            ("9007199254740992.0", "9007199254740992"),
            ("-9007199254740992e0", "-9007199254740992"),
            ("9007199254740991.0", "9007199254740991"),
            ("9007199254740987.000", "9007199254740987"),
            ("9007199254740993", "9007199254740993"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(sent(literal).as_deref(), Ok(integer), "{literal}");
        }
        assert_eq!(sent(&format!("1{}e-400", "0".repeat(400))).as_deref(), Ok("1"));
    }

    #[test]
    fn fractions_stay_what_they_are() {
        for (literal, kept) in [
            ("0.1", "0.1"),
            ("-2.5", "-2.5"),
            ("1e-3", "0.001"),
            ("5e-324", "5e-324"),
            ("4503599627370495.5", "4503599627370495.5"),
        ] {
            assert_eq!(sent(literal).as_deref(), Ok(kept), "{literal}");
        }
    }

    #[test]
    fn what_would_be_rounded_is_refused_where_it_stands() {
        for literal in [
            "9007199254740993.0",
            "9007199254740993e0",
            "-9007199254740994.0",
            "9007199254740992.5",
            "1e16",
            "1e300",
            "1E400",
            "-1e99999999999999999999",
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901234567890",
        ] {
            assert_eq!(sent(literal), Err(BEYOND), "{literal}");
        }
        for literal in [
            "1e-400",
            "-1e-99999999999999999999",
            "0.99999999999999999999",
            "1.00000000000000000001",
            "4503599627370496.1",
        ] {
            assert_eq!(sent(literal), Err(TOO_FINE), "{literal}");
        }
    }

    #[test]
    fn the_pointer_leads_to_the_number() {
        for (document, pointer) in [
            ("1e99", ""),
            ("[1,[],{},[2,1e99]]", "/3/1"),
            (r#"{"a":"1e99","b":{"c/d~":[true,{"1e99":1e99}]}}"#, "/b/c~1d~0/1/1e99"),
            (r#"{"x\"":{"1":1},"\u00e4\\":1e99}"#, "/ä\\"),
            (r#"{"a":{"b":1},"c":["1",1],"d":1e400}"#, "/d"),
            (r#"{"a": 1e999"#, "/a"),
        ] {
            let Err(JsonError::Number(wrong)) = document::parse(document.as_bytes()) else { panic!("{document}") };
            assert_eq!(wrong.pointer, pointer, "{document}");
        }
        for text in [r#"{"a":"1e99 -1e99 \" 1e99"}"#, r#"["[1e99","\\"]"#] {
            assert!(document::parse(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_output_is_given_as_it_was_or_not_at_all() {
        for literal in ["10.0", "1e1", "1e22", "1e300", "1.8446744073709552e19", "0.1", "-0.0", "9007199254740992.0"] {
            let kept = document::parse_output(literal.as_bytes()).expect(literal);
            assert_eq!(Decimal::of(&kept.to_string()), Decimal::of(literal), "{literal}: {kept}");
        }
        for literal in ["9007199254740993.0", "18446744073709551616", "123456789012345678901234567890", "1e400"] {
            let refused = document::parse_output(format!(r#"{{"id":{literal}}}"#).as_bytes());
            assert!(
                matches!(&refused, Err(JsonError::Number(wrong)) if wrong.pointer == "/id"),
                "{literal}: {refused:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(bulkhead_properties::tries(256))]
        #[test]
        fn no_whole_number_is_changed(digits in any::<i64>(), power in 0..20_u32, point in 0..40_usize, exponent: bool) {
            // The same number, written with a point or an exponent somewhere else.
            let size = i128::from(digits) * 10_i128.pow(power);
            let text = size.unsigned_abs().to_string();
            let sign = if size < 0 { "-" } else { "" };
            let literal = if exponent {
                let padded = format!("{text:0>width$}", width = point + 1);
                let (whole, fraction) = padded.split_at(padded.len() - point);
                let whole = if whole.trim_start_matches('0').is_empty() { "0" } else { whole.trim_start_matches('0') };
                let fraction = if fraction.is_empty() { "0" } else { fraction };
                format!("{sign}{whole}.{fraction}e{point}")
            } else {
                format!("{sign}{text}.{}", "0".repeat(point + 1))
            };
            prop_assume!(serde_json::from_str::<f64>(&literal).is_ok());
            let expected = (size.abs() <= 1 << 53).then(|| size.to_string());
            prop_assert_eq!(sent(&literal).ok(), expected);
        }

        #[test]
        fn a_fraction_is_the_nearest_double_and_never_whole(digits in any::<i64>(), power in 1..30_i32) {
            let literal = format!("{digits}e-{power}");
            let parsed: f64 = literal.parse().expect("a number");
            match sent(&literal) {
                Ok(kept) => prop_assert_eq!(kept.parse::<f64>().expect("a number").to_bits(), parsed.to_bits()),
                Err(_) => prop_assert!(parsed.fract() == 0.0),
            }
        }

        #[test]
        fn the_scan_finds_what_the_parser_finds(numbers in prop::collection::vec(any::<f64>(), 0..6), key in "\\PC{0,6}") {
            let document = json!({ &key: numbers, "b": { "c": numbers } }).to_string();
            let refused = first_refused(document.as_bytes(), Numbers::Exact);
            let wrong = numbers.iter().position(|number| number.abs() > WHOLE_MAX);
            prop_assert_eq!(refused.is_some(), wrong.is_some());
            if let Some(pointer) = refused.map(|refused| refused.pointer) {
                let value: Value = serde_json::from_str(&document).expect("JSON");
                prop_assert!(value.pointer(&pointer).and_then(Value::as_f64).is_some_and(|found| found.abs() > WHOLE_MAX));
            }
        }

        #[test]
        fn the_scan_bears_anything(text in r#"([\[\]{}:,"\\0-9eE.+-]|"a":|\\u00|é){0,60}"#) {
            let _ = first_refused(text.as_bytes(), Numbers::Exact);
            let _ = first_refused(text.as_bytes(), Numbers::Unchanged);
        }
    }
}
