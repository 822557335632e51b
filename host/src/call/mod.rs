//! One way through: every operation is a [`Call`] that walks one line and ends in an [`Answer`].

mod advice;
mod answer;
mod error;
mod findings;
mod hub;
mod input;
mod label;
mod large;
mod line;
mod misaddress;
mod monitor;
mod nearest;
mod offers;
mod operation;
mod read_trail;
mod record;
mod refusal;
mod replay;
mod replayed;
mod run;
mod trail;
mod way_in;

pub use advice::{Advice, Retry};
pub use answer::{Answer, Output};
pub use error::{CallError, ProviderFault, RequestFault};
pub use hub::{Hub, HubParts};
pub use input::{Document, Input, InputFault};
pub(crate) use large::{of_size, size_of};
pub use misaddress::Misaddress;
pub use monitor::watch as watch_health;
pub use nearest::did_you_mean;
pub use offers::Offers;
pub use operation::{Call, HubOperation, Operation, Principal, ProviderOperation};
pub use replay::Replay;
pub use trail::{ExportRequest, ListRequest, StreamRequest, TrailOperation, TrailOutput, UsageRequest};
