//! The smallest complete provider: copy it to start your own.

#![forbid(unsafe_code)]

use bulkhead_sdk::prelude::*;
use serde::Serializer;

/// What `echo.v1` takes.
#[derive(Deserialize, JsonSchema)]
struct EchoInput {
    /// What to say back, such as "hi".
    message: String,
}

/// What `echo.v1` returns.
#[derive(Serialize, JsonSchema)]
struct EchoOutput {
    /// The message, unchanged.
    message: String,
}

fn echo(_cx: &Context, input: EchoInput) -> Result<EchoOutput, CallError> {
    Ok(EchoOutput { message: input.message })
}

/// What `sum.v1` takes.
#[derive(Deserialize, JsonSchema)]
struct SumInput {
    /// The numbers to add, such as [1, 2.5]. None at all sum to 0.
    numbers: Vec<f64>,
}

/// What `sum.v1` returns.
#[derive(Serialize, JsonSchema)]
struct SumOutput {
    /// The sum, as a double-precision number.
    #[serde(serialize_with = "whole_without_fraction")]
    sum: f64,
}

/// Writes 3 and not 3.0, as people and other languages do.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn whole_without_fraction<S: Serializer>(number: &f64, out: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: below it every whole double is exact
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return out.serialize_i64(*number as i64);
    }
    out.serialize_f64(*number)
}

fn sum(_cx: &Context, input: SumInput) -> Result<SumOutput, CallError> {
    let sum: f64 = input.numbers.iter().fold(0.0, |total, number| total + number);
    if !sum.is_finite() {
        return Err(CallError::invalid_input("`numbers` add up to more than a double can hold: give smaller ones"));
    }
    Ok(SumOutput { sum })
}

/// The provider: everything it offers, in one place.
#[must_use]
pub fn provider() -> Provider {
    Provider::new("Says hello: the example provider, to try the hub with.", env!("CARGO_PKG_VERSION"))
        .tool(
            Tool::read("echo.v1", "1.0", echo)
                .title("Echo")
                .description("Returns the message unchanged. Use it to check that the hub answers."),
        )
        .tool(Tool::read("sum.v1", "1.0", sum).title("Sum").description("Adds numbers and returns their sum."))
        .resource(
            Resource::new("hello://greeting", "greeting", |_cx| Ok("Hello, MCP"))
                .description("A greeting, to check that resources work."),
        )
        .prompt(
            Prompt::new("hello-plan", "A plan to greet somebody and try every part of this provider.", |_cx, arguments| {
                let name = arguments.require("name")?;
                Ok(format!(
                    "Greet {name}. Read the resource hello://greeting, send its text through the tool echo.v1, add 1 and 2 \
                     with sum.v1, and tell {name} what came back."
                ))
            })
            .required("name", "Whom to greet, such as Ada."),
        )
        .health(|_cx| Health::ok())
}

bulkhead_sdk::export!(provider);
