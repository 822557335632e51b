//! Large blocks of memory go back to the system as soon as they are free.
//!
//! glibc would keep them: once a block of some MiB has been freed, it takes later ones of that size from the arena of each
//! thread, which does not shrink again. Ten MiB through every thread leave a hub twice its size for good. The switch that
//! prevents it is read when a program starts, from `GLIBC_TUNABLES`; calling `mallopt` instead would need `unsafe`. So a hub
//! that starts without it starts itself once more, as the same process.

use std::{env, ffi::OsString, os::unix::process::CommandExt as _, process::Command};

const VARIABLE: &str = "GLIBC_TUNABLES";
const TUNABLE: &str = "glibc.malloc.mmap_threshold";
/// From this size on, in bytes, a block is the system's own: glibc's first value, which then stays.
const THRESHOLD: usize = 128 * 1024;

/// Starts the program again with the switch, unless it is there. Does nothing where the C library is another.
pub(super) fn give_back_large_blocks() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return;
    }
    let Some(tunables) = with_threshold(env::var_os(VARIABLE)) else { return };
    // By its own name, which `ps` shows and `pkill` looks for.
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let error = again.args(arguments).env(VARIABLE, tunables).exec();
    tracing::debug!(%error, "large blocks of memory stay with the hub once they were used");
}

/// The tunables with the threshold; `None` if they say one already.
fn with_threshold(tunables: Option<OsString>) -> Option<OsString> {
    let mut tunables = tunables.unwrap_or_default();
    if tunables.to_string_lossy().contains(TUNABLE) {
        return None;
    }
    if !tunables.is_empty() {
        tunables.push(":");
    }
    tunables.push(format!("{TUNABLE}={THRESHOLD}"));
    Some(tunables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_joins_what_is_there_and_never_twice() {
        let once = with_threshold(None).expect("a change");
        assert_eq!(once, "glibc.malloc.mmap_threshold=131072");
        assert_eq!(with_threshold(Some(once)), None);
        let both = with_threshold(Some("glibc.malloc.arena_max=2".into())).expect("a change");
        assert_eq!(both, "glibc.malloc.arena_max=2:glibc.malloc.mmap_threshold=131072");
        assert_eq!(with_threshold(Some("glibc.malloc.mmap_threshold=4194304".into())), None, "an admin's choice");
    }
}
