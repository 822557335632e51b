//! SECURITY.md says which test proves what: those tests must be there.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file's modules, such as `["mcp", "texts"]`, and its text.
type Source = (Vec<String>, String);

/// Every Rust file below `folder`.
fn sources(folder: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let path = entry.with_extension("");
            let modules = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let modules = modules.filter(|module| module != "mod").collect();
            found.push((modules, fs::read_to_string(&entry).expect("a text")));
        }
    }
    found
}

/// What stands in backquotes and looks like a test: `suite::name`.
fn tests_named_in(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    quoted.filter(|name| name.contains("::") && name.split("::").all(is_word)).collect()
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let model = fs::read_to_string(root().join("SECURITY.md")).expect("a text");
    let named = tests_named_in(&model);
    assert!(named.len() > 50, "only {named:?}");
    let sources: Vec<_> =
        ["host/src", "host/tests", "outbound/src"].iter().flat_map(|folder| sources(&root().join(folder))).collect();
    let missing = named.iter().filter(|name| {
        let (place, function) = name.rsplit_once("::").expect("a name with its place");
        // Unit tests stand in their file's own `tests`.
        let place: Vec<_> = place.strip_suffix("::tests").unwrap_or(place).split("::").collect();
        let function = format!("fn {function}(");
        let stands_there = |modules: &[String]| modules.windows(place.len()).any(|part| part == place);
        !sources.iter().any(|(modules, text)| stands_there(modules) && text.contains(&function))
    });
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new(), "SECURITY.md names tests that are not there");
}

#[test]
fn every_fuzz_target_that_the_threat_model_names_exists() {
    let model = fs::read_to_string(root().join("SECURITY.md")).expect("a text");
    let named = model.split("fuzz target").skip(1).flat_map(|after| {
        let list = after.split(['|', '\n']).next().unwrap_or_default();
        list.split('`').skip(1).step_by(2)
    });
    let named: Vec<_> = named.collect();
    assert!(!named.is_empty());
    for name in named {
        let file = root().join("fuzz/fuzz_targets").join(format!("{name}.rs"));
        assert!(file.exists(), "{} is missing", file.display());
    }
}
