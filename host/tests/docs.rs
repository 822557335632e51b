//! What the documents say of the code: the files, functions, suites and tools that they name are there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DOCUMENTS: [&str; 13] = [
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/postgresql.md",
    "docs/supabase.md",
    "docs/provider-contract.md",
    "docs/providers.md",
    "sdk/rust/README.md",
    "fuzz/README.md",
    "host/tests/support/clients/README.md",
];
/// What a path in a document may be relative to, besides the document itself.
const ROOTS: [&str; 5] = ["", "host", "host/src", "host/src/call", "outbound/src"];
const ENDINGS: [&str; 9] = [".rs", ".md", ".yaml", ".json", ".toml", ".wit", ".sql", ".svg", ".py"];
/// What the hub, a build or a reader makes.
const MADE: [&str; 7] =
    ["data/", "writers/", "vault.json", "src/lib.rs", "tests/provider/main.rs", "providers/orders/", "target/corpus/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// What stands in backquotes, outside of blocks of code.
fn quoted(text: &str) -> Vec<String> {
    let outside: String = text.split("```").step_by(2).collect();
    outside.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn is_path(word: &str) -> bool {
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    plain
        && word != "/"
        && !word.starts_with('/')
        && (word.ends_with('/') || ENDINGS.iter().any(|end| word.ends_with(end)))
}

/// Where a path in a document leads, if anywhere.
fn found(document: &str, path: &str) -> Option<PathBuf> {
    let beside = Path::new(document).parent().map(|folder| root().join(folder).join(path));
    let below = ROOTS.iter().map(|folder| root().join(folder).join(path));
    beside.into_iter().chain(below).find(|file| file.exists())
}

/// The paths that a document names: in backquotes, and as links.
fn paths(text: &str) -> Vec<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links = links.filter(|link| !link.is_empty() && !link.contains("://")).map(str::to_owned);
    let named = quoted(text).into_iter().filter(|word| is_path(word) && !MADE.contains(&word.as_str()));
    named.chain(links).filter(|path| !path.contains("NAME")).collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    assert!(found("README.md", "limits/gone.rs").is_none() && is_path("limits/gone.rs"), "it can fail");
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let paths = paths(&read(document));
        missing.extend(paths.into_iter().filter(|path| found(document, path).is_none()).map(|path| (document, path)));
    }
    assert_eq!(missing, [], "name them as they are now");
}

#[test]
fn every_function_and_type_that_the_map_names_is_in_its_file() {
    let text = read("docs/architecture.md");
    let mut checked = 0;
    let section = text.split("## Where would I add").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("it");
    for answer in section.split('`').collect::<Vec<_>>().windows(3) {
        // `file.rs` (`symbol`
        let [file, between, symbol] = answer else { continue };
        if *between != " (" || !file.ends_with(".rs") {
            continue;
        }
        let source = fs::read_to_string(found("docs/architecture.md", file).expect(file)).expect(file);
        let is_there = ["fn ", "enum ", "struct ", "const "].iter().any(|kind| {
            source.split(kind).skip(1).any(|rest| {
                rest.strip_prefix(symbol)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            })
        });
        assert!(is_there, "{file} has no `{symbol}`");
        checked += 1;
    }
    assert!(checked >= 18, "only {checked}");
}

#[test]
fn every_suite_that_the_invariants_name_exists() {
    let text = read("docs/architecture.md");
    let mut suites = BTreeSet::new();
    let is_suite = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b':');
    for list in text.split("(suite").skip(1).chain(text.split("; suite").skip(1)) {
        let list = list.split(')').next().unwrap_or_default();
        suites.extend(list.split('`').skip(1).step_by(2).filter(is_suite).map(|suite| suite.replace("::", "/")));
    }
    assert!(suites.len() > 8, "only {suites:?}");
    let tests = root().join("host/tests");
    let missing = suites
        .iter()
        .filter(|suite| !tests.join(suite).join("mod.rs").exists() && !tests.join(format!("{suite}.rs")).exists());
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}

/// What the steps on Supabase name is what the migrations make and the program takes.
#[test]
fn the_steps_on_supabase_name_what_there_is() {
    let text = read("docs/supabase.md");
    let migrations =
        ["0001_trail", "supabase", "supabase_vault"].map(|name| read(&format!("migrations/postgres/{name}.sql")));
    for made in [
        "bulkhead_hub",
        "bulkhead_vault",
        "ops_admin",
        "ops_auditor",
        "run_events",
        "run_intents",
        "caller_id",
        "authenticated",
        "anon",
        "service_role",
    ] {
        assert!(text.contains(made) && migrations.iter().any(|migration| migration.contains(made)), "{made}");
    }
    let help =
        std::process::Command::new(env!("CARGO_BIN_EXE_bulkhead")).args(["serve", "--help"]).output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let flags = text
        .split(|c: char| c.is_whitespace() || c == '`' || c == '=')
        .filter(|word| word.starts_with("--") && word.len() > 2);
    let flags: BTreeSet<_> = flags.collect();
    assert!(flags.len() >= 6, "{flags:?}");
    for flag in flags {
        assert!(help.contains(flag), "{flag}");
    }
}

/// Tool, class and least role of each tool that the shipped config grants.
fn granted() -> BTreeSet<[String; 3]> {
    let config = bulkhead::config::read(&root().join("provider-config.yaml")).expect("the shipped config");
    let of = |name: &bulkhead::names::ProviderName, provider: &bulkhead::config::ProviderConfig| {
        let row = |tool: &bulkhead::config::ToolGrant| {
            [format!("{name}.{}", tool.name), tool.class.as_str().to_owned(), tool.min_role.to_string()]
        };
        provider.tools.iter().map(row).collect::<Vec<_>>()
    };
    config.providers.iter().flat_map(|(name, provider)| of(name, provider)).collect()
}

#[test]
fn the_readmes_table_of_tools_is_the_shipped_config() {
    let rows: BTreeSet<_> = read("README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(tool, rest)| {
            let mut cells = rest.split(" | ").map(|cell| cell.trim_matches('`').to_owned());
            [tool.to_owned(), cells.next().unwrap_or_default(), cells.next().unwrap_or_default()]
        })
        .collect();
    assert_eq!(rows, granted());
}

#[test]
fn the_comparison_with_the_vendors_servers_names_every_tool_with_its_class_and_role() {
    let text = read("docs/providers.md");
    for [tool, class, role] in granted().iter().filter(|[tool, ..]| !tool.starts_with("hello-rs.")) {
        let quoted = format!("`{tool}`");
        let line = text.lines().find(|line| line.contains(&quoted)).unwrap_or_else(|| panic!("{tool} is missing"));
        let mut cells =
            line.split(" | ").skip(1).map(|cell| cell.trim_end_matches(" |").split(", ").collect::<Vec<_>>());
        let (tools, classes, roles) = (cells.next(), cells.next(), cells.next());
        let at = tools.expect(line).iter().position(|cell| *cell == quoted).expect(line);
        let role = role.trim_start_matches("ops_");
        assert_eq!((classes.expect(line)[at], roles.expect(line)[at]), (class.as_str(), role), "{tool}");
    }
}

#[test]
fn every_alert_is_explained_to_whoever_it_wakes_and_no_other() {
    let rules = read("deploy/prometheus/alerts.yaml");
    let alerts: BTreeSet<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let operations = read("docs/operations.md");
    let rows = operations.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let explained: BTreeSet<_> = rows.filter(|cell| cell.starts_with("Bulkhead")).collect();
    assert!(alerts.len() > 5);
    assert_eq!(explained, alerts);
}
