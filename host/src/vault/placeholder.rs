//! Placeholders: what stands for a value during one call, and finding them in header values.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{
    error::SecretError,
    value::{SECRET_MAX, SecretValue},
};
use crate::outbound::OutboundError;

/// What every placeholder begins with. Long and odd enough that it never occurs by accident.
pub(super) const PREFIX: &str = "bulkhead-secret-";
/// Random bytes of a placeholder: nobody guesses one of 2¹²⁸ within a call.
const RANDOM: usize = 16;
/// The longest header value with values in it, in bytes: room for two secrets of the longest kind and more.
const FILLED_MAX: usize = 4 * SECRET_MAX;

/// Reads Basic credentials however a provider pads them. The hub writes them anew, as RFC 4648 has it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// [`PREFIX`] and 32 hexadecimal digits from 128 random bits.
#[derive(Clone)]
pub(super) struct Placeholder(String);

impl Placeholder {
    /// The length of each, in bytes.
    pub(super) const LEN: usize = PREFIX.len() + 2 * RANDOM;

    /// A fresh one.
    pub(super) fn new() -> Result<Self, SecretError> {
        let mut random = [0; RANDOM];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| SecretError::Unavailable("the system's random source failed".to_owned()))?;
        Ok(Self(format!("{PREFIX}{}", HEXLOWER.encode(&random))))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A header value with secrets in place of its placeholders, also of those behind the Base64 of Basic credentials
/// (RFC 7617), in the user's name as in the password; `None` if it has none.
///
/// # Errors
/// The first that `value_of` gives, and when the result would be longer than a header should be.
pub(super) fn filled(
    header: &[u8],
    value_of: impl Fn(&[u8]) -> Result<SecretValue, OutboundError>,
) -> Result<Option<Zeroizing<Vec<u8>>>, OutboundError> {
    if let Some(credentials) = basic_credentials(header)
        && let Some(filled) = replaced(&credentials, &value_of)?
    {
        let encoded = Zeroizing::new(STANDARD.encode(&*filled));
        return Ok(Some(Zeroizing::new([b"Basic ", encoded.as_bytes()].concat())));
    }
    replaced(header, value_of)
}

fn basic_credentials(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = header.split_at_checked("basic".len())?;
    let is_basic = scheme.eq_ignore_ascii_case(b"basic") && encoded.starts_with(b" ");
    if is_basic { LENIENT.decode(encoded.trim_ascii()).ok() } else { None }
}

/// `text` with values in place of its placeholders; `None` if there is none.
///
/// Whatever looks like the beginning of one, in upper or lower case, is looked up, so that one that is cut short or
/// written otherwise is refused and not sent. What is put in is not searched again.
fn replaced(
    text: &[u8],
    value_of: impl Fn(&[u8]) -> Result<SecretValue, OutboundError>,
) -> Result<Option<Zeroizing<Vec<u8>>>, OutboundError> {
    let too_long = || refused("the header would be longer than 32 KiB with its secrets: send fewer references");
    let mut rest = text;
    // Never grown, because the memory that it would leave behind is not wiped.
    let mut filled = Zeroizing::new(Vec::new());
    while let Some(at) = begin(rest) {
        filled.reserve_exact(FILLED_MAX);
        let (before, after) = rest.split_at(at);
        let (placeholder, after) = after.split_at(after.len().min(Placeholder::LEN));
        let value = value_of(placeholder)?;
        if filled.len() + before.len() + value.expose().len() + after.len() > FILLED_MAX {
            return Err(too_long());
        }
        filled.extend_from_slice(before);
        filled.extend_from_slice(value.expose().as_bytes());
        rest = after;
    }
    if rest.len() == text.len() {
        return Ok(None);
    }
    filled.extend_from_slice(rest);
    Ok(Some(filled))
}

fn begin(text: &[u8]) -> Option<usize> {
    text.windows(PREFIX.len()).position(|window| window.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

pub(super) fn refused(why: &str) -> OutboundError {
    OutboundError::InvalidRequest(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> SecretValue {
        SecretValue::new(Zeroizing::new(text.to_owned())).expect("a secret")
    }

    #[test]
    fn placeholders_are_random_and_of_one_length() {
        let some: std::collections::HashSet<_> = (0..1000).map(|_| Placeholder::new().expect("random").0).collect();
        assert_eq!(some.len(), 1000);
        assert!(some.iter().all(|text| text.len() == Placeholder::LEN && text.starts_with(PREFIX)));
    }

    /// Fills `header`, in which `{A}` and `{B}` stand for two placeholders.
    fn fill(header: &str) -> Result<Option<String>, OutboundError> {
        let (first, second) = (Placeholder::new().expect("random"), Placeholder::new().expect("random"));
        let header = header.replace("{A}", first.as_str()).replace("{B}", second.as_str());
        let header = match header.split_once("64:") {
            Some((before, credentials)) => format!("{before}{}", STANDARD.encode(credentials)),
            None => header,
        };
        let filled = filled(header.as_bytes(), |placeholder| match placeholder {
            text if text == first.as_str().as_bytes() => Ok(value("first value")),
            text if text == second.as_str().as_bytes() => Ok(value("{B} bulkhead-secret-")),
            _ => Err(refused("unknown")),
        })?;
        Ok(filled.map(|filled| String::from_utf8(filled.to_vec()).expect("text")))
    }

    #[test]
    fn every_placeholder_is_replaced_once() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (header, expected) in [
            ("Bearer {A}", "Bearer first value".to_owned()),
            ("{A}", "first value".to_owned()),
            ("key={A};other={B}, grün", "key=first value;other={B} bulkhead-secret-, grün".to_owned()),
            ("{A}{A}", "first valuefirst value".to_owned()),
            ("Basic 64:ada:{A}", basic("ada:first value")),
            ("Basic 64:{A}:", basic("first value:")),
            ("bASIC   64:{A}:{B}", basic("first value:{B} bulkhead-secret-")),
            ("Basic {A}", "Basic first value".to_owned()),
            ("Basic 64:ü:{A}", basic("ü:first value")),
        ] {
            assert_eq!(fill(header).expect("filled"), Some(expected), "{header}");
        }
        for header in ["", "Basic", "Bearer 64:{A}", "Digest 64:{A}", "bulkhead-secret", "Basic 64:ada:lovelace"] {
            assert_eq!(fill(header).expect("nothing to do"), None, "{header}");
        }
    }

    #[test]
    fn base64_without_padding_is_read_too() {
        let placeholder = Placeholder::new().expect("random");
        let header = format!("Basic {}", STANDARD.encode(format!("ada:{}", placeholder.as_str())));
        assert!(header.ends_with('='), "the test shows something");
        let filled = filled(header.trim_end_matches('=').as_bytes(), |_| Ok(value("pa55word!"))).expect("filled");
        assert_eq!(*filled.expect("one"), format!("Basic {}", STANDARD.encode("ada:pa55word!")).into_bytes());
    }

    #[test]
    fn what_only_looks_like_a_placeholder_is_refused() {
        let known = Placeholder::new().expect("random");
        let known = known.as_str();
        for wrong in [
            PREFIX.to_owned(),
            format!("Bearer {PREFIX}"),
            known[..known.len() - 1].to_owned(),
            format!("{PREFIX}{known}"),
            known.to_uppercase(),
            format!("{}{}", PREFIX.to_uppercase(), &known[PREFIX.len()..]),
            Placeholder::new().expect("random").0,
            format!("Basic {}", STANDARD.encode(format!("ada:{PREFIX}"))),
        ] {
            let filled = filled(wrong.as_bytes(), |text| match text {
                text if text == known.as_bytes() => Ok(value("first value")),
                _ => Err(refused("unknown")),
            });
            assert_eq!(filled.expect_err("refused"), refused("unknown"), "{wrong}");
        }
    }

    #[test]
    fn a_header_does_not_grow_without_bounds() {
        let known = Placeholder::new().expect("random");
        let long = value(&"x".repeat(SECRET_MAX));
        let fill = |count: usize| filled(known.as_str().repeat(count).as_bytes(), |_| Ok(long.clone()));
        assert!(fill(3).is_ok());
        assert!(fill(5).expect_err("too long").to_string().contains("32 KiB"));
    }
}
