//! Times as PostgreSQL keeps them: microseconds since 2000. A hub writes whole milliseconds, and no other time is its own.

use chrono::{DateTime, Utc};
use sqlx_core::{
    decode::Decode,
    encode::{Encode, IsNull},
    error::BoxDynError,
    types::Type,
};
use sqlx_postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, Postgres};

/// 2000-01-01, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// A time of whole milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Millis(pub(super) DateTime<Utc>);

/// The whole millisecond in which a time is, whosever it is: for a place in an order, which every row has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nearest(pub(super) DateTime<Utc>);

impl Type<Postgres> for Nearest {
    fn type_info() -> PgTypeInfo {
        Millis::type_info()
    }
}

impl Decode<'_, Postgres> for Nearest {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let micros = micros(&value)?.saturating_add(EPOCH);
        Ok(Self(known(DateTime::from_timestamp_micros(micros).unwrap_or(if micros < 0 { FIRST } else { LAST }))))
    }
}

/// The time nearest to one that a cursor or a search names, of which a row can be.
pub(super) fn known(at: DateTime<Utc>) -> DateTime<Utc> {
    at.clamp(FIRST, LAST)
}

const FIRST: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;
/// The end of the year 9999.
const LAST: DateTime<Utc> = match DateTime::from_timestamp_millis(253_402_300_799_999) {
    Some(last) => last,
    None => DateTime::<Utc>::MAX_UTC,
};

fn micros(value: &PgValueRef<'_>) -> Result<i64, BoxDynError> {
    if value.format() != PgValueFormat::Binary {
        return Err("no time in binary form".into());
    }
    Ok(i64::from_be_bytes(value.as_bytes()?.try_into()?))
}

impl Type<Postgres> for Millis {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl PgHasArrayType for Millis {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("_timestamptz")
    }
}

impl Encode<'_, Postgres> for Millis {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let micros = self.0.timestamp_millis().checked_mul(1000).and_then(|micros| micros.checked_sub(EPOCH));
        buffer.extend(&micros.ok_or("a time that PostgreSQL does not know")?.to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Millis {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        // `infinity` is none.
        let micros =
            micros(&value)?.checked_add(EPOCH).filter(|micros| micros % 1000 == 0).ok_or("no time of a hub's")?;
        DateTime::from_timestamp_micros(micros).map(Self).ok_or_else(|| "no time of a hub's".into())
    }
}
