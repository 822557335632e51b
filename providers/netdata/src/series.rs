//! The time series inside the answers: the same table in two dialects, `json` (v1) and `json2` (v3, Cloud).

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{Number, Value};
use bulkhead_sdk::time::rfc3339;

/// One row.
#[derive(Serialize, JsonSchema)]
pub struct Point {
    /// The end of the interval, RFC 3339 in UTC.
    pub time: String,
    /// One value per dimension; null where nothing was collected.
    pub values: Vec<Option<Number>>,
}

/// The part that both dialects share: labels (the first is `time`) and rows of time and cells.
#[derive(Deserialize)]
pub struct Table {
    labels: Vec<String>,
    data: Vec<Vec<Value>>,
    point: Option<PointFormat>,
}

/// Where a `json2` cell keeps what.
#[derive(Deserialize)]
struct PointFormat {
    value: usize,
    pa: Option<usize>,
}

/// The bit of a cell's annotations that says that nothing was collected.
const EMPTY: u64 = 1;

impl Table {
    /// The names of the columns, without the time.
    pub fn dimensions(&self) -> &[String] {
        self.labels.get(1..).unwrap_or_default()
    }

    /// The rows, oldest first, whatever order they came in.
    pub fn points(&self) -> Result<Vec<Point>, CallError> {
        let mut rows = self
            .data
            .iter()
            .map(|row| {
                let (time, cells) = row.split_first()?;
                (cells.len() == self.dimensions().len())
                    .then_some((millis(time)?, cells.iter().map(|cell| self.value(cell)).collect()))
            })
            .collect::<Option<Vec<(u64, Vec<Option<Number>>)>>>()
            .ok_or_else(|| {
                CallError::upstream_failed(
                    "Netdata answered rows that do not fit their labels: check the Agent's version",
                )
            })?;
        rows.sort_by_key(|(time, _)| *time);
        Ok(rows.into_iter().map(|(time, values)| Point { time: rfc3339(time), values }).collect())
    }

    /// A cell is a number (v1) or an array of value, anomaly rate and annotations (json2).
    fn value(&self, cell: &Value) -> Option<Number> {
        match cell {
            Value::Number(number) => Some(number.clone()),
            Value::Array(parts) => {
                let format = self.point.as_ref();
                let annotations = format.and_then(|f| f.pa).and_then(|at| parts.get(at)).and_then(Value::as_u64);
                if annotations.is_some_and(|bits| bits & EMPTY != 0) {
                    return None;
                }
                match parts.get(format.map_or(0, |f| f.value)) {
                    Some(Value::Number(number)) => Some(number.clone()),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Agents write seconds or, with some options and versions, milliseconds.
fn millis(time: &Value) -> Option<u64> {
    let number = time.as_u64()?;
    Some(if number > 100_000_000_000 { number } else { number * 1000 })
}
