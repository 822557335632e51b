//! Telling random text from text that somebody made up.

/// The shortest text that is worth a look, in characters.
const LENGTH_MIN: usize = 16;
/// Bits per character, at least. Of 20 random letters and digits the fewest hundredth has 3.5; of hexadecimal digits 2.9.
const ENTROPY_MIN: f64 = 3.2;
/// The same for text of hexadecimal digits alone.
const ENTROPY_MIN_HEX: f64 = 2.8;
/// What stands in a text that only shows where a credential would go.
const PLACEHOLDERS: [&str; 12] =
    ["example", "sample", "placeholder", "your", "dummy", "changeme", "xxxx", "0123", "1234", "abcd", "fake", "test"];

/// Whether a text looks as if a machine had drawn it.
pub(super) fn is_random(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let has = |is: fn(&u8) -> bool| text.bytes().filter(is).count();
    let (letters, digits) = (has(u8::is_ascii_alphabetic), has(u8::is_ascii_digit));
    let least = if text.bytes().all(|byte| byte.is_ascii_hexdigit()) { ENTROPY_MIN_HEX } else { ENTROPY_MIN };
    text.len() >= LENGTH_MIN
        && letters >= 3
        && digits >= 3
        && entropy(text) >= least
        && !PLACEHOLDERS.iter().any(|placeholder| lower.contains(placeholder))
}

/// Shannon's entropy of its characters, in bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}
