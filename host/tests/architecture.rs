//! The ownership rules of `docs/architecture.md`, read off the sources. Each rule is also shown something that it must
//! refuse, because a rule that cannot fail protects nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The longest file that is still read in one sitting.
const LINES_MAX: usize = 450;

/// A source file by its path within the repository.
#[derive(Clone)]
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn of(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// The lines without comments, each as its words and the rest of it. Block comments are not used here.
    fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| line.split_once(" // ").map_or(line, |(code, _)| code))
    }

    fn has_word(&self, words: &[&str]) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.code().any(|line| line.split(|c| !is_part(c)).any(|word| words.contains(&word)))
    }

    /// Whether the code holds a text, wherever lines break.
    fn holds(&self, text: &str) -> bool {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        squeezed(&self.code().collect::<Vec<_>>().join(" ")).contains(text)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below a folder of the repository.
fn below(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let within = path.strip_prefix(root()).expect("below").to_str().expect("text").to_owned();
                found.push(Source { path: within, text: fs::read_to_string(&path).expect("text") });
            }
        }
    }
    found
}

fn host() -> Vec<Source> {
    let found = below("host/src");
    assert!(found.len() > 50, "the hub is larger than {} files", found.len());
    found
}

fn sdk() -> Vec<Source> {
    below("sdk/rust/src")
}

fn providers() -> Vec<Source> {
    let folders = fs::read_dir(root().join("providers")).expect("providers");
    let names = folders.map(|entry| entry.expect("an entry").path()).filter(|path| path.join("src").is_dir());
    names.flat_map(|path| below(&format!("providers/{}/src", path.file_name().expect("a name").display()))).collect()
}

/// No source breaks the rule, and each of the counterexamples does.
fn rule(sources: &[Source], breaks: impl Fn(&Source) -> bool, counterexamples: &[Source]) {
    let broken: Vec<_> = sources.iter().filter(|source| breaks(source)).map(|source| source.path.as_str()).collect();
    assert!(broken.is_empty(), "{broken:?}");
    for example in counterexamples {
        assert!(breaks(example), "the rule does not see `{}` in {}", example.text, example.path);
    }
}

#[test]
fn only_outbound_has_an_http_client() {
    let clients = ["reqwest", "hyper", "hyper_util", "hyper_rustls"];
    assert!(host().iter().any(|source| source.is_in("host/src/outbound/") && source.has_word(&clients)));
    rule(
        &host(),
        |source| !source.is_in("host/src/outbound/") && source.has_word(&clients),
        &[
            Source::of("host/src/identity/jwks.rs", "use reqwest::Client;"),
            Source::of("host/src/api/mod.rs", "    let c = hyper_util::client::legacy::Client::builder(e); // fast"),
        ],
    );
}

#[test]
fn only_audit_writes_events() {
    assert!(host().iter().any(|source| source.is_in("host/src/audit/") && writes_events(&source.text)));
    rule(
        &host(),
        |source| !source.is_in("host/src/audit/") && writes_events(&source.text),
        &[
            Source::of("host/src/store/sqlite.rs", r#"db.execute("INSERT INTO ops.run_events (id) VALUES (?)", [])"#),
            Source::of("host/src/api/mod.rs", "\"insert into \\\n    run_events values (1)\""),
            Source::of("host/src/api/mod.rs", r#""DELETE FROM ops.run_events""#),
        ],
    );
}

/// Whether a text holds SQL that would write events, however it is quoted and broken into lines.
fn writes_events(text: &str) -> bool {
    let plain = text.to_lowercase().replace(['"', '`', '\\'], " ").replace("ops.", "");
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    ["into", "update", "delete from"].iter().any(|write| plain.contains(&format!("{write} run_events")))
}

#[test]
fn only_the_vault_handles_secret_values() {
    let makes = |source: &Source| source.holds("SecretValue::") || source.holds("SecretValue(");
    assert!(host().iter().any(|source| source.is_in("host/src/vault/") && source.holds(".expose(")));
    assert!(host().iter().any(|source| source.path == "host/src/cli/admin.rs" && makes(source)), "from stdin");
    rule(
        &host(),
        |source| {
            let from_stdin = source.path == "host/src/cli/admin.rs";
            !source.is_in("host/src/vault/") && (source.holds(".expose(") || makes(source) && !from_stdin)
        },
        &[
            Source::of("host/src/outbound/gate.rs", "headers.insert(name, secret.expose());"),
            Source::of("host/src/cli/admin.rs", "println!(\"{}\", value.expose())"),
            Source::of("host/src/api/tools.rs", "let value = SecretValue::new(text)?;"),
        ],
    );
}

#[test]
fn nothing_is_unsafe_but_what_the_sdk_generates() {
    let sources = [host(), sdk(), providers()].concat();
    rule(
        &sources,
        |source| source.path != "sdk/rust/src/bindings.rs" && source.has_word(&["unsafe"]),
        &[
            Source::of("host/src/sandbox/engine.rs", "    unsafe { Module::deserialize(bytes) }"),
            Source::of("sdk/rust/src/json.rs", "#[expect(unsafe_code)] unsafe fn f() {}"),
        ],
    );
    let lib = host().into_iter().find(|source| source.path == "host/src/lib.rs").expect("the library");
    assert!(lib.holds("#![forbid(unsafe_code)]"), "and the compiler watches over it");
}

#[test]
fn errors_are_typed_everywhere_but_in_the_commands() {
    assert!(host().iter().any(|source| source.is_in("host/src/cli/") && source.has_word(&["anyhow"])));
    rule(
        &host(),
        |source| !source.is_in("host/src/cli/") && source.has_word(&["anyhow"]),
        &[Source::of("host/src/registry/load.rs", "fn load() -> anyhow::Result<()> {")],
    );
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    rule(
        &host(),
        |source| source.text.lines().count() > LINES_MAX,
        &[Source::of("host/src/call/line.rs", &"let x = 1;\n".repeat(LINES_MAX + 1))],
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    // Files of tests are named after what they test.
    let sources = [host(), sdk(), providers()].concat();
    let sources: Vec<_> = sources.into_iter().filter(|source| !source.path.contains("/tests/")).collect();
    let says = |line: &str| (line.starts_with("//! ") && line.len() > 10) || line.starts_with("#![doc = include_str!(");
    rule(
        &sources,
        |source| !source.text.lines().next().is_some_and(says),
        &[
            Source::of("host/src/a.rs", "use std::fmt;\n"),
            Source::of("host/src/b.rs", "// Not a doc comment.\n"),
            Source::of("host/src/c.rs", "//! \n"),
            Source::of("host/src/d.rs", ""),
        ],
    );
}
