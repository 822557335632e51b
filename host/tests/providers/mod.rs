//! The providers as they are shipped, each in a hub, against what stands for its upstream.

mod netdata;
mod osv;
mod sentry;
mod socket;
