//! Running a provider natively, against a scripted gate.
//!
//! ```
//! use bulkhead_sdk::testing::prelude::*;
//!
//! # #[derive(Serialize, JsonSchema)] struct Number { value: u32 }
//! fn provider() -> Provider {
//!     Provider::new("Fetches a number.", "1.0.0").tool(Tool::read("number.get", "1.0", |cx, _: NoInput| {
//!         let value = cx.get("https://api.example/number").bearer_secret("token").send()?.json()?;
//!         Ok(Number { value })
//!     }))
//! }
//!
//! let gate = FakeGate::new().secret("token").on(Method::Get, "https://api.example/", Reply::json(200, &json!(42)));
//! let run = testing::run(provider()).gate(gate);
//! assert_eq!(run.call("number.get", json!({})).unwrap(), json!({"value": 42}));
//! assert_eq!(run.gate_seen().requests()[0].url, "https://api.example/number");
//! ```
//!
//! Not in the component: outside of `cfg(test)`, nothing may name this module.

mod fake_gate;
mod problems;
mod reply;
mod run;
mod schema_check;
mod script;

pub use fake_gate::FakeGate;
pub use reply::Reply;
pub use run::{Run, run};

/// What nearly every test needs, the author's [`prelude`](crate::prelude) included:
/// `use bulkhead_sdk::testing::prelude::*;`.
pub mod prelude {
    pub use super::{FakeGate, Reply, Run};
    pub use crate::prelude::*;
    pub use crate::{HealthStatus, HttpRequest, Level, ResourceBody, ToolClass, testing};
    pub use serde_json::{self, Value};
}
