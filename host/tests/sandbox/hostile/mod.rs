//! Providers that mean harm. Each ends as its row says, within its time, with one row in the audit; the next call of the
//! same provider works, and so do the others.

mod flood;
mod loops;
mod providers;
mod tools;
mod wire;
