//! What the rooms' `properties` share: the small language of their inputs, and the inputs that fuzzing kept.
#![forbid(unsafe_code)]

/// `template` with `$` and a letter replaced by what `put` gives for it.
pub fn expanded(template: &[u8], put: impl Fn(u8) -> Option<String>) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = template;
    while let Some((&byte, after)) = rest.split_first() {
        let inserted = after.first().filter(|_| byte == b'$').and_then(|letter| put(*letter));
        if let Some(inserted) = inserted {
            text.extend_from_slice(inserted.as_bytes());
            rest = &after[1..];
        } else {
            text.push(byte);
            rest = after;
        }
    }
    text
}

/// The first line of `input`, if it is text, and what follows it.
#[must_use]
pub fn first_line(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(b'\n', input)?;
    Some((std::str::from_utf8(&input[..end]).ok()?, &input[end + 1..]))
}

/// How many inputs a property is tried with: `reduced`, always the same, in the test command; in a campaign
/// (`cargo xtask campaign properties`) many times as many, others each time.
#[cfg(not(fuzzing))]
#[must_use]
pub fn tries(reduced: u32) -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, RngSeed};

    /// A campaign takes about this many times as long.
    const WHOLE: u32 = 20;
    if std::env::var_os("BULKHEAD_CAMPAIGN").is_some() {
        return Config::with_cases(reduced * WHOLE);
    }
    Config { rng_seed: RngSeed::Fixed(1), ..Config::with_cases(reduced) }
}

/// Checks a property with every input that was kept for a fuzz target (`fuzz/corpus`).
///
/// # Panics
/// When there is none, or the property does.
#[cfg(not(fuzzing))]
#[expect(clippy::expect_used, reason = "for tests alone")]
pub fn replay(target: &str, property: impl Fn(&[u8])) {
    use std::{fs, path::Path};

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        // Shown if the property fails.
        println!("{}", file.display());
        property(&fs::read(&file).expect("an input"));
    }
}
