//! The ownership rules of `docs/architecture.md`, read off the sources. Each rule is also shown something that it must
//! refuse, because a rule that cannot fail protects nothing. Whose an item is, is told by its path.

mod dials;
mod paths;

use std::{
    cell::OnceCell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use self::paths::Named;

/// The longest file that is still read in one sitting: about 400 lines.
const LINES_MAX: usize = 420;
/// The same for a suite of tests, which is read one test at a time.
const SUITE_LINES_MAX: usize = 520;

/// A source file by its path within the repository.
#[derive(Clone)]
struct Source {
    path: String,
    text: String,
    named: OnceCell<Named>,
}

impl Source {
    fn of(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), named: OnceCell::new() }
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

    /// Whether the source names one of these items, by whatever name.
    fn names(&self, items: &[&str]) -> bool {
        let named = self.named.get_or_init(|| Named::by(&self.text));
        items.iter().any(|item| named.has(item))
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
                found.push(Source::of(&within, &fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found
}

/// The hub: the host's own crate and the one that is its way out.
fn host() -> Vec<Source> {
    let found = [below("host/src"), below("outbound/src")].concat();
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

/// Clients of HTTP.
const HTTP_CLIENTS: [&str; 5] = ["reqwest", "hyper::client", "hyper_util::client", "hyper_rustls", "h2::client"];
/// The libraries of HTTP, which serve too.
const HTTP: [&str; 3] = ["hyper", "hyper_util", "h2"];
/// Where connections that come in are served.
const SERVES: &str = "host/src/http/connections/";

#[test]
fn only_outbound_has_an_http_client() {
    assert!(host().iter().any(|source| source.is_in("outbound/src/") && source.names(&["hyper_util::client"])));
    assert!(host().iter().any(|source| source.is_in(SERVES) && source.names(&["hyper_util::server"])));
    rule(
        &host(),
        |source| {
            let client = source.names(&HTTP_CLIENTS) || (source.names(&HTTP) && !source.is_in(SERVES));
            client && !source.is_in("outbound/src/")
        },
        &[
            Source::of("host/src/identity/jwks.rs", "use reqwest::Client;"),
            Source::of("host/src/api/mod.rs", "    let c = hyper_util::client::legacy::Client::builder(e); // fast"),
            Source::of("host/src/api/mod.rs", "use hyper_util::server::conn::auto::Builder;"),
            Source::of("host/src/http/connections/attend.rs", "use hyper_util::{client::legacy::Client, rt::TokioIo};"),
            Source::of("host/src/http/connections/attend.rs", "use hyper_util as util; fn f() { util::client::a() }"),
            Source::of("host/src/http/connections/attend.rs", "use hyper::*;"),
        ],
    );
}

#[test]
fn only_who_names_a_place_for_the_hub_itself_reaches_private_addresses() {
    let anywhere = |source: &Source| source.holds("Reach::Anywhere");
    // Commands that name a hub, and the config's own endpoints, which no provider has a say in.
    let places = ["host/src/cli/remote.rs", "host/src/endpoint.rs"];
    assert!(places.iter().all(|path| host().iter().any(|source| source.path == *path && anywhere(source))));
    rule(
        &host(),
        |source| anywhere(source) && !places.contains(&&*source.path) && !source.is_in("outbound/src/"),
        &[Source::of("host/src/registry/load.rs", "options.reach = Reach::Anywhere;")],
    );
}

/// What speaks to a database, and the rooms that may.
const DATABASE: [&str; 3] = ["rusqlite", "sqlx_core", "sqlx_postgres"];
const DATABASE_ROOMS: [&str; 2] = ["host/src/store/", "host/src/audit/"];
/// Supabase's vault is a view of the database, and what it shows nobody may see but the vault.
const SECRETS_IN_THE_DATABASE: &str = "host/src/vault/supabase.rs";

#[test]
fn only_store_and_audit_speak_to_the_database() {
    for room in DATABASE_ROOMS {
        assert!(host().iter().any(|source| source.is_in(room) && source.names(&DATABASE)), "{room}");
    }
    rule(
        &host(),
        |source| {
            let may = DATABASE_ROOMS.iter().any(|room| source.is_in(room)) || source.path == SECRETS_IN_THE_DATABASE;
            source.names(&DATABASE) && !may
        },
        &[
            Source::of("host/src/api/mod.rs", "use rusqlite::{Connection, params};"),
            Source::of("host/src/call/record.rs", "fn f(row: &rusqlite::Row<'_>) {}"),
            Source::of("host/src/call/record.rs", "use sqlx_postgres::PgConnection;"),
            Source::of("host/src/vault/local.rs", "use sqlx_core::query::query;"),
        ],
    );
}

/// Who has connections to PostgreSQL, how many, and why.
const CONNECTIONS: [(&str, &str); 8] = [
    ("host/src/audit/ledger/postgres/mod.rs", "one: a hub's writer"),
    (
        "host/src/audit/ledger/postgres/reading.rs",
        "two: those who search, so that nobody of them is in the writer's way",
    ),
    (
        "host/src/vault/supabase.rs",
        "one: secrets, which wait for no commit, and of which only the vault sees the values",
    ),
    (
        "host/src/store/overrides/mod.rs",
        "one: what admins have done to providers, which waits for no commit and is looked at every two seconds",
    ),
    ("host/src/audit/ledger/postgres/import.rs", "one: `bulkhead audit copy`, a program of its own"),
    ("host/src/audit/verify.rs", "one: `bulkhead audit verify`, a program of its own"),
    ("host/src/audit/heads.rs", "one: `bulkhead audit checkpoint`, a program of its own"),
    ("host/src/store/postgres/migrate.rs", "one: `bulkhead migrate`, a program of its own"),
];

#[test]
fn connections_to_the_database_are_listed() {
    let makes = |source: &Source| {
        let made = ["Session::open(", "Session::open_to_read(", "Session::unchecked(", "Session::open_as_owner("];
        source.path != "host/src/store/postgres/session.rs" && made.iter().any(|made| source.holds(made))
    };
    for (path, why) in CONNECTIONS {
        assert!(host().iter().any(|source| source.path == path && makes(source)), "{path}: {why}");
    }
    rule(
        &host(),
        |source| makes(source) && !CONNECTIONS.iter().any(|(path, _)| *path == source.path),
        &[Source::of("host/src/call/run.rs", "let mut session = Session::open(settings)?;")],
    );
}

const WASI: [&str; 2] = ["wasmtime_wasi", "wasmtime_wasi_http"];
/// What links all of WASI at once, and its sockets.
const WHOLE_WASI: [&str; 10] = [
    "wasmtime_wasi::p0",
    "wasmtime_wasi::p1",
    "wasmtime_wasi::p2::add_to_linker_async",
    "wasmtime_wasi::p2::add_to_linker_sync",
    "wasmtime_wasi::p2::add_to_linker_with_options_async",
    "wasmtime_wasi::p2::add_to_linker_with_options_sync",
    "wasmtime_wasi::p2::bindings::sockets",
    "wasmtime_wasi::sockets",
    "wasmtime_wasi_http::p2::add_to_linker_async",
    "wasmtime_wasi_http::p2::add_to_linker_sync",
];

#[test]
fn wasi_is_linked_without_sockets_and_without_a_client_of_its_own() {
    let piece = ["wasmtime_wasi::p2::bindings::cli::exit::add_to_linker"];
    assert!(host().iter().any(|source| source.names(&piece)));
    rule(
        &host(),
        |source| source.names(&WHOLE_WASI) || (!source.is_in("host/src/sandbox/") && source.names(&WASI)),
        &[
            Source::of("host/src/sandbox/wasi/mod.rs", "wasmtime_wasi::p2::add_to_linker_async(linker)?;"),
            Source::of(
                "host/src/sandbox/wasi/mod.rs",
                "use wasmtime_wasi::p2::bindings as wasi;\nfn f() { wasi::sockets::tcp::add_to_linker(linker, network) }",
            ),
            Source::of("host/src/sandbox/wasi/mod.rs", "use wasmtime_wasi::{WasiCtx, p2::*};"),
            Source::of("outbound/src/gate.rs", "use wasmtime_wasi_http::WasiHttpHooks;"),
        ],
    );
}

/// Features of dependencies that would bring in what the hub must not have, with what that is.
const BANNED_FEATURES: [(&str, &str); 3] = [
    // A client that asks neither the allowlist nor the resolver.
    ("wasmtime-wasi-http", "default-send-request"),
    // State that providers would share.
    ("reqwest", "cookies"),
    // Somebody who resolves and connects in the hub's place.
    ("reqwest", "socks"),
];

#[test]
fn no_dependency_brings_what_the_hub_must_not_have() {
    // Of this platform only: a machine that built the tests has downloaded nothing for others.
    let this_platform = said(Command::new("rustc").args(["--print", "host-tuple"]));
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &this_platform]);
    command.arg("--manifest-path").arg(root().join("Cargo.toml"));
    let metadata: Value = serde_json::from_str(&said(&mut command)).expect("JSON");
    for (name, feature) in BANNED_FEATURES {
        let packages = metadata["packages"].as_array().expect("packages");
        let package = packages.iter().find(|package| package["name"] == name).expect(name);
        assert!(package["features"].get(feature).is_some(), "{name} has no feature `{feature}` any more: what now?");
    }
    assert_eq!(banned(&metadata), Vec::<String>::new());

    let nodes = serde_json::json!([{ "id": "a", "features": ["p2", "default-send-request"] }]);
    let packages = serde_json::json!([{ "id": "a", "name": "wasmtime-wasi-http" }]);
    let wrong = serde_json::json!({ "packages": packages, "resolve": { "nodes": nodes } });
    assert_eq!(banned(&wrong), ["wasmtime-wasi-http: default-send-request"], "the rule can fail");
}

/// What a tool answers; if it fails, the test shows what it said.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// What of [`BANNED_FEATURES`] is on.
fn banned(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, feature) in BANNED_FEATURES {
        let packages = metadata["packages"].as_array().expect("packages").iter();
        for id in packages.filter(|package| package["name"] == name).map(|package| &package["id"]) {
            let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
            let node = nodes.iter().find(|node| node["id"] == *id).expect("a node");
            if node["features"].as_array().expect("features").iter().any(|on| on == feature) {
                found.push(format!("{name}: {feature}"));
            }
        }
    }
    found
}

#[test]
fn no_program_is_started_but_the_hub_itself() {
    let starts = |source: &Source| source.names(&["std::process::Command", "tokio::process"]);
    // Or what takes its place, by somebody's word.
    let successor = ["host/src/upgrade/program.rs", "host/src/upgrade/successor.rs"];
    let itself = [&["host/src/sandbox/compiler.rs", "host/src/cli/allocator.rs"], &successor[..]].concat();
    for path in &itself {
        assert!(host().iter().any(|source| source.path == *path && starts(source)), "{path}");
    }
    rule(
        &host(),
        |source| starts(source) && !itself.contains(&&*source.path) && !source.path.contains("/tests/"),
        &[
            Source::of("host/src/vault/local.rs", r#"std::process::Command::new("pass")"#),
            Source::of("host/src/registry/load.rs", "use tokio::process::Command;"),
            Source::of("host/src/cli/serve.rs", "use std::{fs, process::{Command, ExitCode}};"),
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
            Source::of("outbound/src/gate.rs", "headers.insert(name, secret.expose());"),
            Source::of("host/src/cli/admin.rs", "println!(\"{}\", value.expose())"),
            Source::of("host/src/api/tools.rs", "let value = SecretValue::new(text)?;"),
        ],
    );
}

/// The two files that may be unsafe: generated code of the SDK's, which glues a guest to the contract, and where what the
/// compiler's process made becomes code that runs.
const UNSAFE: [&str; 2] = ["sdk/rust/src/bindings.rs", "host/src/sandbox/precompiled.rs"];

#[test]
fn nothing_is_unsafe_but_generated_code_and_the_loading_of_compiled_code() {
    let sources = [host(), sdk(), providers()].concat();
    rule(
        &sources,
        |source| !UNSAFE.contains(&&*source.path) && source.has_word(&["unsafe"]),
        &[
            Source::of("host/src/sandbox/engine.rs", "    unsafe { Module::deserialize(bytes) }"),
            Source::of("sdk/rust/src/json.rs", "#[expect(unsafe_code)] unsafe fn f() {}"),
        ],
    );
    let loads = sources.iter().find(|source| source.path == UNSAFE[1]).expect("a file");
    let uses = loads.code().filter(|line| line.split_whitespace().any(|word| word == "unsafe")).count();
    assert_eq!(uses, 1, "one use, of code that the compiler's process made");
    // And the compiler watches over it, with nothing that would make it look away.
    let roots =
        sources.iter().filter(|source| source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs"));
    for root in roots {
        let excepts = ["sdk/rust/src/lib.rs", "host/src/lib.rs"].contains(&&*root.path);
        assert!(root.holds(if excepts { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" }), "{}", root.path);
    }
    rule(
        &sources,
        |source| {
            let watched = ["#![forbid(unsafe_code)]", "#![deny(unsafe_code)]"].iter().any(|watch| source.holds(watch));
            !UNSAFE.contains(&&*source.path) && source.has_word(&["unsafe_code"]) && !watched
        },
        &[
            Source::of("host/src/sandbox/engine.rs", "#[allow(unsafe_code)]\nmod cache;"),
            Source::of("host/src/vault/local.rs", "#[cfg_attr(test, expect(unsafe_code))]"),
        ],
    );
}

#[test]
fn errors_are_typed_everywhere_but_in_the_commands() {
    assert!(host().iter().any(|source| source.is_in("host/src/cli/") && source.names(&["anyhow"])));
    rule(
        &host(),
        |source| !source.is_in("host/src/cli/") && source.names(&["anyhow"]),
        &[Source::of("host/src/registry/load.rs", "fn load() -> anyhow::Result<()> {")],
    );
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    let sources = [host(), sdk(), providers(), below("xtask/src"), below("host/tests")].concat();
    let is_suite = |source: &Source| source.is_in("host/tests/") || source.path.contains("/tests/");
    rule(
        &sources,
        |source| source.text.lines().count() > if is_suite(source) { SUITE_LINES_MAX } else { LINES_MAX },
        &[
            Source::of("host/src/call/line.rs", &"let x = 1;\n".repeat(LINES_MAX + 1)),
            Source::of("host/tests/mcp.rs", &"let x = 1;\n".repeat(SUITE_LINES_MAX + 1)),
        ],
    );
}

/// The most that is kept of a fuzz target's corpus, in files and bytes: the tests try all of it.
const CORPUS_FILES_MAX: usize = 50;
const CORPUS_BYTES_MAX: u64 = 100 * 1024;

#[test]
fn every_fuzz_target_has_a_small_corpus_that_the_tests_try_again() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("a manifest");
    let targets: Vec<_> = below("fuzz/fuzz_targets").into_iter().map(|source| source.path).collect();
    assert!(targets.len() >= 7, "{targets:?}");
    for path in targets {
        let name = Path::new(&path).file_stem().expect("a name").to_str().expect("text");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is not in the manifest");
        let replay = format!("replay(\"{name}\"");
        assert!(host().iter().any(|source| source.holds(&replay)), "no test tries `{name}`'s corpus");
        let folder = fs::read_dir(root().join("fuzz/corpus").join(name)).expect("a corpus");
        let sizes: Vec<_> = folder.map(|entry| entry.expect("an entry").metadata().expect("a file").len()).collect();
        let bytes: u64 = sizes.iter().sum();
        let small = (1..=CORPUS_FILES_MAX).contains(&sizes.len()) && bytes <= CORPUS_BYTES_MAX;
        assert!(small, "{name}: {} files, {bytes} bytes", sizes.len());
    }
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
