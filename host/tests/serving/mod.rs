//! How the hub is reached, ends and makes way for another.

mod deployment;
mod nginx;
mod shutdown;
mod tls;
mod upgrade;
