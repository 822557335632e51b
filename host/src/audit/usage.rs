//! What an operation used of its upstream: requests, bytes, and what its provider says that it cost.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Units of one operation's cost that are kept.
const UNITS_MAX: usize = 4;
/// The longest name of a unit, in bytes.
const UNIT_MAX: usize = 16;
/// The largest amount of one operation, in whole units.
const AMOUNT_MAX: i64 = 1_000_000_000;
/// A unit in millionths.
const MILLION: i64 = 1_000_000;
/// The most requests of one operation that are told: stores have 31 bits for them.
const REQUESTS_MAX: u32 = i32::MAX.cast_unsigned();
/// The most bytes of one operation that are told: a tebibyte. Limits of the sandbox end it long before.
const BYTES_MAX: u64 = 1 << 40;

/// What an operation used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests to upstreams.
    pub requests: u32,
    /// Bytes of those requests and of what came back.
    pub bytes: u64,
    /// What its provider says that it cost.
    pub costs: Costs,
}

/// Amounts by their units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs(BTreeMap<Unit, Millionths>);

/// What an amount is in: `USD`, `tokens`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit(String);

/// An amount, in millionths of its unit: decimal fractions are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Millionths(i64);

/// An amount as a provider reports it, by the event `bulkhead.cost`.
#[derive(Debug, Deserialize)]
pub struct ReportedCost {
    /// A number, or its digits in a text.
    amount: Box<RawValue>,
    unit: String,
}

/// Why a cost that was reported is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// The unit is no name of one.
    #[error("`unit` has to be 1 to {UNIT_MAX} letters, digits, `_` or `-`, such as `USD`")]
    Unit,
    /// The amount is none.
    #[error("`amount` has to be a number from 0 to {AMOUNT_MAX}, or its digits in a text")]
    Amount,
    /// There are too many units already.
    #[error("an operation costs something in {UNITS_MAX} units at most")]
    Units,
}

impl Usage {
    /// Adds what another operation used.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.bytes = self.bytes.saturating_add(other.bytes);
        for (unit, amount) in &other.costs.0 {
            // What has no place in this row is told by none.
            let _ = self.costs.put(unit.clone(), *amount);
        }
    }

    /// Within the bounds of what is kept.
    pub(super) fn into_kept(mut self) -> Self {
        self.requests = self.requests.min(REQUESTS_MAX);
        self.bytes = self.bytes.min(BYTES_MAX);
        self
    }
}

impl Costs {
    /// Adds what a provider reports. Amounts in one unit are summed.
    ///
    /// # Errors
    /// When it is none that can be kept.
    pub fn report(&mut self, reported: &ReportedCost) -> Result<(), CostError> {
        let unit = Unit::read(&reported.unit).ok_or(CostError::Unit)?;
        let amount = Millionths::reported(reported.amount.get()).ok_or(CostError::Amount)?;
        self.put(unit, amount)
    }

    fn put(&mut self, unit: Unit, Millionths(amount): Millionths) -> Result<(), CostError> {
        if amount == 0 {
            return Ok(());
        }
        if self.0.len() >= UNITS_MAX && !self.0.contains_key(&unit) {
            return Err(CostError::Units);
        }
        let Millionths(sum) = self.0.entry(unit).or_insert(Millionths(0));
        *sum = sum.saturating_add(amount).min(AMOUNT_MAX * MILLION);
        Ok(())
    }

    /// Each unit and how many millionths of it.
    pub(super) fn each(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(Unit(unit), Millionths(amount))| (unit.as_str(), *amount))
    }

    /// As it is sealed and stored: canonical JSON of an object, with millionths for each unit. `None` if it cost nothing.
    pub(super) fn written(&self) -> Option<String> {
        // Units have no character that JSON escapes, and stand in order.
        let members: Vec<_> = self.each().map(|(unit, amount)| format!("\"{unit}\":{amount}")).collect();
        (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
    }

    /// What [`Self::written`] gave; an error tells what is wrong with it.
    pub(super) fn read(written: &str) -> Result<Self, String> {
        let told = || "is not written as the hub writes it".to_owned();
        let members: BTreeMap<String, i64> = serde_json::from_str(written).map_err(|_| told())?;
        let mut costs = Self::default();
        for (unit, amount) in members {
            let unit = Unit::read(&unit).filter(|_| amount > 0).ok_or_else(told)?;
            costs.put(unit, Millionths(amount)).map_err(|_| told())?;
        }
        if costs.written().as_deref() == Some(written) { Ok(costs) } else { Err(told()) }
    }
}

impl Unit {
    fn read(text: &str) -> Option<Self> {
        let is_name = (1..=UNIT_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        is_name.then(|| Self(text.to_owned()))
    }
}

impl Millionths {
    /// A JSON number, or the same in a text.
    fn reported(json: &str) -> Option<Self> {
        let text = json.strip_prefix('"').map_or(Some(json), |rest| rest.strip_suffix('"'))?;
        Self::decimal(text)
    }

    /// `12.5`, `1e-3`: rounded to millionths by its digits.
    fn decimal(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        if whole.is_empty() || digits.len() > 64 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        // Digits that stand for millionths or more.
        let kept = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(6)?;
        let digit = |place: i32| {
            let found = usize::try_from(place).ok().and_then(|place| digits.as_bytes().get(place));
            found.map_or(0, |digit| i64::from(digit - b'0'))
        };
        let leading = i32::try_from(digits.bytes().take_while(|digit| *digit == b'0').count()).ok()?;
        let mut millionths = 0_i64;
        // Nothing stands before the first digit that is not zero, so that the loop is short whatever the exponent.
        for place in leading..kept.min(leading.saturating_add(17)) {
            millionths = millionths.checked_mul(10)?.checked_add(digit(place))?;
        }
        let is_beyond = kept.saturating_sub(leading) > 17 && leading < i32::try_from(digits.len()).ok()?;
        let rounded = millionths + i64::from(digit(kept) >= 5);
        (!is_beyond && rounded <= AMOUNT_MAX * MILLION).then_some(Self(rounded))
    }
}

/// Millionths as a decimal number: `1.5`.
pub(super) fn decimal(millionths: i128) -> String {
    let million = i128::from(MILLION);
    let (whole, fraction) = (millionths / million, millionths % million);
    let text = format!("{whole}.{fraction:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(json: &str) -> Result<Option<String>, CostError> {
        let mut costs = Costs::default();
        costs.report(&serde_json::from_str(json).expect("JSON"))?;
        Ok(costs.written())
    }

    #[test]
    fn amounts_are_decimal_and_exact() {
        for (amount, millionths) in [
            ("0.1", 100_000),
            ("12", 12_000_000),
            ("1.5e-3", 1500),
            ("1E2", 100_000_000),
            ("\"0.000001\"", 1),
            ("0.30000000000000004", 300_000),
            ("0.0000015", 2),
            ("0.00000049", 0),
            ("5e-7", 1),
            ("1e-400", 0),
            ("0e999999", 0),
            ("1000000000", 1_000_000_000_000_000_i64),
        ] {
            let json = format!("{{\"amount\":{amount},\"unit\":\"USD\"}}");
            let expected = (millionths > 0).then(|| format!("{{\"USD\":{millionths}}}"));
            assert_eq!(reported(&json), Ok(expected), "{amount}");
        }
        for amount in [
            "-1",
            "1000000000.000001",
            "1e10",
            "1e999",
            "1e99999999999",
            "\"\"",
            "\".5\"",
            "\"1,5\"",
            "\"NaN\"",
            "{}",
            "null",
        ] {
            let json = format!("{{\"amount\":{amount},\"unit\":\"USD\"}}");
            assert_eq!(reported(&json), Err(CostError::Amount), "{amount}");
        }
        for unit in ["", "a b", "\\u0000", "x\\\"", "seventeen_letters", "€"] {
            assert_eq!(reported(&format!("{{\"amount\":1,\"unit\":\"{unit}\"}}")), Err(CostError::Unit), "{unit}");
        }
        assert_eq!(decimal(1_500_000), "1.5");
        assert_eq!(
            (decimal(0), decimal(1), decimal(20_000_000)),
            ("0".to_owned(), "0.000001".to_owned(), "20".to_owned())
        );
    }

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        let mut costs = Costs::default();
        for (amount, unit) in [("0.1", "USD"), ("0.2", "USD"), ("7", "tokens")] {
            let json = format!("{{\"amount\":{amount},\"unit\":\"{unit}\"}}");
            costs.report(&serde_json::from_str(&json).expect("JSON")).expect("kept");
        }
        let written = costs.written().expect("it cost something");
        assert_eq!(written, r#"{"USD":300000,"tokens":7000000}"#);
        assert_eq!(Costs::read(&written), Ok(costs));
        for other in [
            "",
            "{}",
            r#"{"USD":0}"#,
            r#"{"USD":-1}"#,
            r#"{"USD": 1}"#,
            r#"{"USD":1.5}"#,
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"b":1,"c":1,"d":1,"e":1}"#,
            r#"{"USD":1000000000000001}"#,
        ] {
            assert!(Costs::read(other).is_err(), "{other}");
        }
    }

    #[test]
    fn units_and_sums_are_bounded() {
        let mut costs = Costs::default();
        let report = |costs: &mut Costs, unit: &str| {
            costs.report(&serde_json::from_str(&format!("{{\"amount\":900000000,\"unit\":\"{unit}\"}}")).expect("JSON"))
        };
        for unit in ["a", "b", "c", "d", "a", "a"] {
            assert_eq!(report(&mut costs, unit), Ok(()));
        }
        assert_eq!(report(&mut costs, "e"), Err(CostError::Units));
        assert_eq!(costs.each().next(), Some(("a", 1_000_000_000_000_000)));
    }
}
