//! What the hub and its providers tell others as it happens: CloudEvents, each written with a row of the audit trail, and then
//! delivered at least once.

mod hub_event;
mod teller;

pub use hub_event::HubEvent;
pub use teller::{Events, Untold};
