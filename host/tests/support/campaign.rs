//! Long tests: reduced in the test command, whole by `cargo xtask campaign NAME`.

/// How much of something a test does: `reduced`, at most a minute's worth, or `whole` in a campaign.
pub fn size<T>(reduced: T, whole: T) -> T {
    if std::env::var_os("BULKHEAD_CAMPAIGN").is_some() { whole } else { reduced }
}
