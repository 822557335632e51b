//! Why there is no backup, or nothing was restored.

use std::{io, path::PathBuf};

use crate::{
    audit::{AuditError, VerifyError},
    store::sqlite::StoreError,
};

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is overwritten.
    #[error("{} is there already: name another file, or remove that one", .0.display())]
    Exists(PathBuf),
    /// There is a hub's data where it is to be restored.
    #[error(
        "{} is there already: restore into an empty data folder (--data), so that nothing that is there is lost", .0.display()
    )]
    InTheWay(PathBuf),
    /// It cannot be encrypted.
    #[error("the backup cannot be encrypted: {0}")]
    Encrypt(#[from] age::EncryptError),
    /// It cannot be decrypted.
    #[error("the backup cannot be decrypted: {0} (is it whole, and is --identity one that it was made for?)")]
    Decrypt(#[from] age::DecryptError),
    /// A file that holds no identity.
    #[error("{} holds no identity: it has a line that begins with `AGE-SECRET-KEY-1`", .0.display())]
    NoIdentity(PathBuf),
    /// What is in it is no backup.
    #[error("this is no backup of a hub's: {0}")]
    Content(String),
    /// A newer program has made it.
    #[error(
        "the backup is of format {found}, and this program knows {known}: restore it with the program that made it, or a newer one"
    )]
    Newer {
        /// Its format.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The database cannot be copied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The trail cannot be read.
    #[error(transparent)]
    Trail(#[from] VerifyError),
    /// All is in its place, but the trail does not say so.
    #[error(
        "all is restored, but the audit trail could not be told ({0}): remove what was restored, and restore it again"
    )]
    NotStated(AuditError),
}

impl BackupError {
    pub(super) fn of(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::File { file, source }
    }
}
