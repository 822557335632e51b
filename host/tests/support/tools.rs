//! Finds what `cargo xtask test` installed for the tests.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of a test tool, such as `("python", "bin/python")`.
///
/// # Panics
///
/// Where the tool is missing: a test that needs it must fail and say why, not pass unseen.
pub fn test_tool(tool: &str, file: &str) -> PathBuf {
    let folder = folder();
    let path = folder.join(tool).join(file);
    if !path.exists() {
        let reason = fs::read_to_string(folder.join(format!("{tool}.missing"))).unwrap_or_default();
        panic!("this test needs the tool `{tool}`: run `cargo xtask tools`, then the test again. {reason}");
    }
    path
}

/// `cargo xtask test` names it. A plain `cargo test` finds it where xtask puts it: beside cargo's folder for tests.
fn folder() -> PathBuf {
    env::var_os("BULKHEAD_TEST_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-tools"), PathBuf::from)
}
