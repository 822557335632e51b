//! Times as upstreams write them and as people and models read them. A provider has no clock: the one instant that it
//! knows is [`Context::now_ms`](crate::Context::now_ms).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01. Counting years from March puts the leap day last, where it shifts nothing.
const EPOCH_FROM_MARCH_0: u64 = 719_468;

/// Milliseconds since the Unix epoch as RFC 3339 in UTC, such as `2026-01-01T00:00:00Z`. Milliseconds appear only where
/// there are any: `2026-01-01T00:00:00.250Z`.
#[must_use]
pub fn rfc3339(ms: u64) -> String {
    let (seconds, millis) = (ms / 1000, ms % 1000);
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The Gregorian date of a count of days since 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_FROM_MARCH_0;
    let (era, day_of_era) = (days / 146_097, days % 146_097); // an era is 400 years
    // A year is 365 days, plus the leap days so far: one in 4 years, none in 100, but one in 400.
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153; // five months of 31, 30, 31, 30, 31 days are 153
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

/// An HTTP date in any of its three forms, such as `Sun, 06 Nov 1994 08:49:37 GMT`, as milliseconds since the Unix epoch.
#[must_use]
pub fn http_date(text: &str) -> Option<u64> {
    let since: Duration = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// Milliseconds since the Unix epoch as an HTTP date, such as `Sun, 06 Nov 1994 08:49:37 GMT`. `None` beyond the year 9999.
#[must_use]
pub fn to_http_date(ms: u64) -> Option<String> {
    const YEAR_10_000: u64 = 253_402_300_800;
    let instant: SystemTime = UNIX_EPOCH.checked_add(Duration::from_secs(ms / 1000))?;
    (ms / 1000 < YEAR_10_000).then(|| httpdate::fmt_http_date(instant))
}

#[cfg(test)]
mod tests {
    use super::{http_date, rfc3339, to_http_date};

    #[test]
    fn known_instants() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696_000, "2000-02-29T12:34:56Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }

    #[test]
    fn the_three_forms_of_an_http_date() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(http_date(text), Some(784_111_777_000), "{text}");
        }
        for text in ["", "soon", "2026-01-01T00:00:00Z", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(http_date(text), None, "{text}");
        }
        assert_eq!(to_http_date(784_111_777_250).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(to_http_date(u64::MAX), None);
    }
}
