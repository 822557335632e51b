//! What the suites share.

pub mod bugsink;
pub mod campaign;
pub mod certificates;
pub mod clients;
pub mod dns;
pub mod events;
pub mod frames;
pub mod generators;
pub mod health;
pub mod hello;
pub mod hub;
pub mod issuer;
pub mod jwt;
pub mod killable;
pub mod netdata;
pub mod postgres;
pub mod raw;
pub mod served;
pub mod sloth;
pub mod socket;
pub mod spellings;
pub mod stdio;
pub mod testbed;
pub mod tools;
pub mod upstream;
pub mod upstreams;
