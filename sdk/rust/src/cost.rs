//! What a call costs at its upstream, told to the hub.

use std::fmt::Display;

use serde_json::json;

use crate::context::Context;

/// The `CloudEvent` by which the hub learns what a call costs.
pub const COST_EVENT: &str = "bulkhead.cost";

impl Context {
    /// Tells the hub what this call costs, by the event [`COST_EVENT`]: an amount such as `"0.0125"`, and its unit, such as
    /// `USD` or `tokens`. Amounts of one unit are summed. That it cannot be told fails no call and is only logged.
    pub fn report_cost(&self, amount: impl Display, unit: &str) {
        // As digits: whoever computes with binary fractions rounds them where they are shown.
        if let Err(why) = self.emit(COST_EVENT, &json!({ "amount": amount.to_string(), "unit": unit })) {
            self.debug(format!("the cost in `{unit}` could not be reported: {why}"));
        }
    }
}
