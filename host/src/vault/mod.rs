//! The only room that holds secret values.
//!
//! Providers get references; [`CallSecrets`] puts values into outgoing headers at the last moment and takes them out of
//! whatever comes back.
//!
//! Values are sealed until a call asks for them; then one copy stays, to be looked for, until the process ends, and every
//! other one that this room makes is wiped when the call ends. Two are out of its reach: the header values that the HTTP client holds and writes, and what a provider that may read a value has
//! in its own memory.

mod cached;
mod credential;
mod error;
mod fresh;
mod grants;
mod handed_out;
mod local;
mod placeholder;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod references;
mod scrub;
mod spelling;
mod supabase;
mod value;

pub use cached::Vault;
pub use error::{SecretError, VaultError};
pub use grants::Grants;
pub use local::{KEY_FILE, LocalVault, SealedSecrets, VAULT_FILE};
pub use references::CallSecrets;
pub use value::{SECRET_MAX, SECRET_MIN, SecretValue};
