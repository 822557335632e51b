//! Where an entry is in the database: one number says of which writer it is, and which of its entries.

use std::ops::RangeInclusive;

/// Bits of a position that are the number within the chain.
const SEQ_BITS: u32 = 40;
const SEQ_MAX: i64 = (1 << SEQ_BITS) - 1;
/// The largest number of a writer.
pub(super) const NUMBER_MAX: i64 = i64::MAX >> SEQ_BITS;

pub(super) fn of(number: i64, seq: i64) -> i64 {
    (number << SEQ_BITS) | (seq & SEQ_MAX)
}

/// The writer's number and the number in its chain.
pub(super) fn parts(position: i64) -> (i64, i64) {
    (position >> SEQ_BITS, position & SEQ_MAX)
}

/// All positions of a writer.
pub(super) fn all(number: i64) -> RangeInclusive<i64> {
    of(number, 0)..=of(number, SEQ_MAX)
}
