//! The shipped config.

use std::{path::Path, process::Command};

use crate::support::hub::Folder;

#[test]
fn every_provider_of_the_shipped_config_loads_once_it_is_enabled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("a path");
    let shipped = std::fs::read_to_string(root.join("provider-config.yaml")).expect("a config");
    let folder = Folder::new();
    let config = folder.path().join("all.yaml");
    let enabled = shipped.replace("enabled: false", "enabled: true");
    let absolute = enabled.replace("component: providers/", &format!("component: {}/providers/", root.display()));
    std::fs::write(&config, absolute).expect("written");
    let output =
        Command::new(env!("CARGO_BIN_EXE_bulkhead")).args(["config", "check"]).arg(&config).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told} {output:?}");
    for provider in ["hello-rs", "netdata", "osv", "socket", "sentry"] {
        assert!(told.contains(&format!("{provider}: ok")), "{told}");
    }
}
