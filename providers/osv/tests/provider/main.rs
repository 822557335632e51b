//! The whole provider, natively, against scripted answers of OSV.dev.

mod advisories;
mod batches;
mod failures;
mod queries;
mod setup;
