//! The hash chain: each row's keyed hash (HMAC) covers its fields and the hash of the row before it of the same writer.
//!
//! The key lives in the data folder, not in the database: whoever can only change the database cannot make a row that
//! verifies.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    constant_time, hmac,
    rand::{SecureRandom, SystemRandom},
};
use uuid::Uuid;

use super::rows::Field;
use crate::store::private_file;

const KEY_FILE: &str = "audit.key";

/// The key that audit rows are hashed with (HMAC-SHA-256).
#[derive(Clone)]
pub struct AuditKey(hmac::Key);

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey")
    }
}

impl AuditKey {
    /// Where the key of a data folder is.
    #[must_use]
    pub fn path(data: &Path) -> PathBuf {
        data.join(KEY_FILE)
    }

    /// Reads the key in `data`, or makes one there (mode 0600).
    ///
    /// # Errors
    /// When the file cannot be read or made.
    pub fn open(data: &Path) -> io::Result<Self> {
        let bytes = private_file::read_or_create(&Self::path(data), || {
            let mut fresh = vec![0; 32];
            SystemRandom::new().fill(&mut fresh).map_err(|_| io::Error::other("the system's random source failed"))?;
            Ok(fresh)
        })?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// Reads the key in `data`; `None` if there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(data: &Path) -> io::Result<Option<Self>> {
        let bytes = private_file::read(&Self::path(data))?;
        Ok(bytes.map(|bytes| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
    }

    /// The hash that a writer's first row builds on.
    pub(super) fn genesis(&self, writer: Uuid, parent_hash: Option<&[u8]>) -> Vec<u8> {
        self.over(&[], [Field::Text(Some(&writer.to_string())), Field::Bytes(parent_hash)].into_iter())
    }

    /// Whether `hash` is what this key makes of the fields. Takes as long for a near miss as for any other.
    pub(super) fn made<'a>(&self, hash: &[u8], previous: &[u8], fields: impl Iterator<Item = Field<'a>>) -> bool {
        constant_time::verify_slices_are_equal(&self.over(previous, fields), hash).is_ok()
    }

    /// The hash of a row that follows one with `previous`.
    pub(super) fn over<'a>(&self, previous: &[u8], fields: impl Iterator<Item = Field<'a>>) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(previous);
        for field in fields {
            // Tag and length make the encoding unambiguous: no two different rows have the same bytes.
            let (tag, number);
            let bytes: &[u8] = match field {
                Field::Text(None) | Field::Bytes(None) => {
                    tag = 0u8;
                    &[]
                }
                Field::Text(Some(text)) => {
                    tag = 1;
                    text.as_bytes()
                }
                Field::Bytes(Some(bytes)) => {
                    tag = 2;
                    bytes
                }
                Field::Integer(value) => {
                    tag = 3;
                    number = value.to_be_bytes();
                    &number
                }
            };
            context.update(&[tag]);
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        }
        context.sign().as_ref().to_vec()
    }
}
