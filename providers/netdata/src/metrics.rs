//! `metrics.query`.

mod fetch;
mod terms;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::time::rfc3339;

use terms::{Input, Metric, Output};

use crate::names;
use crate::source::Source;

/// Answers `metrics.query`.
pub fn query(cx: &Context, input: Input) -> Result<Output, CallError> {
    let metric = metric(&input)?;
    check_window(&input, cx.now_ms())?;
    match (Source::of(cx)?, &metric) {
        (Source::Agent(agent), Metric::Context(name)) => fetch::agent_context(&agent, name, &input),
        (Source::Agent(agent), Metric::Chart(_)) => fetch::agent_v1(&agent, &metric, &input),
        (Source::Cloud(cloud), Metric::Context(name)) => fetch::cloud(&cloud, name, &input),
        (Source::Cloud(_), Metric::Chart(_)) => Err(CallError::invalid_input(
            "`chart` does not work with Netdata Cloud: give `context`, and `group_by` \"instance\" to tell instances apart",
        )),
    }
}

fn metric(input: &Input) -> Result<Metric<'_>, CallError> {
    let metric = match (&input.context, &input.chart) {
        (Some(context), None) => {
            names::exact("context", context)?;
            Metric::Context(context)
        }
        (None, Some(chart)) => {
            names::exact("chart", chart)?;
            Metric::Chart(chart)
        }
        _ => {
            return Err(CallError::invalid_input(
                "give exactly one of `context` and `chart`; contexts.list shows contexts",
            ));
        }
    };
    for dimension in &input.dimensions {
        if dimension.is_empty() || dimension.contains([',', '|', '*', '!']) {
            return Err(CallError::invalid_input("`dimensions` must be exact names, each as its own element"));
        }
    }
    Ok(metric)
}

/// Netdata reads numbers up to three years of seconds as relative, even positive ones.
const RELATIVE: i64 = 94_608_000;

fn check_window(input: &Input, now_ms: u64) -> Result<(), CallError> {
    for (field, value) in [("after", input.after), ("before", input.before)] {
        if (1..=RELATIVE).contains(&value) {
            return Err(CallError::invalid_input(format!(
                "`{field}` is {value}, neither Unix seconds nor negative: write -{value} for {value} seconds back"
            )));
        }
    }
    let now = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
    let before = if input.before <= 0 { now + input.before } else { input.before };
    let after = if input.after <= 0 { before + input.after } else { input.after };
    if after >= before {
        return Err(CallError::invalid_input("the window is empty: `after` must be earlier than `before`"));
    }
    if after > now {
        return Err(CallError::invalid_input(format!("`after` is in the future: it is {} now", rfc3339(now_ms))));
    }
    Ok(())
}
