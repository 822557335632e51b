//! Files that are no component.

use std::fs;
use std::time::Duration;

use super::{CALM, all_refused_in, entry, well_described};
use crate::support::hello::HELLO;
use crate::support::hub::Folder;
use crate::support::raw::Raw;

const NO_COMPONENT: &[&str] = &["its component is refused: not a WebAssembly component"];
const BROKEN: &[&str] = &["its component is refused: it is broken, or made of what the hub does not support"];
const UNREADABLE: &[&str] = &["cannot be read"];

/// A file's name, and what is said of it.
const ROWS: &[(&str, &[&str])] = &[
    ("empty", NO_COMPONENT),
    ("one-byte", NO_COMPONENT),
    ("header-only", &["it does not export `bulkhead:provider/provider@1`"]),
    ("truncated", BROKEN),
    ("trailing", BROKEN),
    ("noise", NO_COMPONENT),
    ("text", NO_COMPONENT),
    // Compiled by the same runtime: code for this machine that nobody has checked.
    ("precompiled", NO_COMPONENT),
    ("elf", NO_COMPONENT),
    ("missing", UNREADABLE),
    ("folder", UNREADABLE),
    ("leads-to-itself", UNREADABLE),
    ("sparse", &["cannot be read: it is larger than 64 MiB"]),
    ("endless", &["cannot be read: it is a device"]),
    ("pipe", &["cannot be read: it is a FIFO"]),
];

#[tokio::test]
async fn a_file_that_is_no_component_is_refused_whatever_it_is() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name);
    let good = Raw { text: CALM, description: Some(well_described()), ..Raw::default() }.build();
    let noise: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let engine = wasmtime::Engine::default();
    let precompiled = engine.precompile_component(&good).expect("it compiles");
    assert!(precompiled.starts_with(b"\x7fELF"));
    let contents: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("one-byte", vec![0]),
        ("header-only", good[..8].to_vec()),
        ("truncated", good[..good.len() / 2].to_vec()),
        ("trailing", [&good[..], &noise].concat()),
        ("noise", noise),
        ("text", b"(component)".to_vec()),
        ("precompiled", precompiled),
        ("elf", fs::read("/proc/self/exe").expect("a program")[..4096].to_vec()),
    ];
    for (name, bytes) in contents {
        fs::write(path(name), bytes).expect("written");
    }
    fs::create_dir(path("folder")).expect("a folder");
    std::os::unix::fs::symlink("leads-to-itself", path("leads-to-itself")).expect("a link");
    fs::File::create(path("sparse")).expect("a file").set_len(1 << 40).expect("a long one");
    std::os::unix::fs::symlink("/dev/zero", path("endless")).expect("a link");
    let piped = std::process::Command::new("mkfifo").arg(path("pipe")).status().expect("it runs");
    assert!(piped.success());
    let entries = ROWS.iter().map(|(name, _)| entry(name, &path(name).display().to_string()));
    all_refused_in(&format!("{HELLO}{}", entries.collect::<String>()), ROWS, Duration::from_secs(30)).await;
}
