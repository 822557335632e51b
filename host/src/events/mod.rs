//! What the hub and its providers tell others as it happens: CloudEvents, each written with a row of the audit trail, and then
//! delivered at least once.

mod delivery;
mod error;
mod hub_event;
mod letter;
mod nats;
mod subject;
mod teller;

pub use delivery::Delivery;
pub use hub_event::HubEvent;
pub use teller::{Events, Untold};
