//! How much a document may be.

/// How deep arrays and objects may be nested.
pub const DEPTH_MAX: usize = 64;
/// How many values a document may hold: a tree of so many takes some 20 MB, whatever its text takes.
pub const VALUES_MAX: usize = 200_000;
/// The longest key, in bytes.
pub const KEY_MAX: usize = 1024;
/// The longest string, in bytes. A string costs no more memory than its text does, and a file travels in one, as base64:
/// so this is near the largest body (6 MB of file), and a tool that wants less says `maxLength` in its schema.
pub const STRING_MAX: usize = 8 * 1024 * 1024;
