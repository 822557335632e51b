//! TLS at the hub's own port: the certificate and its key, who may connect, and how they follow their files.
//!
//! The files are those of `--tls-cert`, `--tls-key` and `--tls-client-ca`. They are looked at every second and taken when
//! they have stayed as they are from one look to the next; what cannot be used changes nothing, and is told.

mod files;
mod follow;

pub use files::{TlsError, TlsFiles};
pub use follow::Tls;
