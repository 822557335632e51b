//! Who calls: verifies bearer tokens and turns them into a [`Caller`].
//!
//! Two sources of keys: a key pair of the hub's own in the data folder (the default), or an identity provider's JWKS.
//! There is no mode without authentication.

mod caller;
mod error;
mod jwks;
mod key_set;
mod lifetime;
mod local;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod remembered;
mod source;
#[cfg(test)]
mod tests;
mod verify;

pub use caller::Caller;
pub use error::{IdentityError, JwksError};
pub use jwks::{IdpSettings, JwksSource};
pub use local::{KEY_FILE, LocalKeys, LocalKeysError, MintRequest};
pub use source::Identity;
