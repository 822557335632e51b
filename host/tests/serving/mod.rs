//! How the hub is reached, ends and makes way for another.

mod shutdown;
mod tls;
