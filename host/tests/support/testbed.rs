//! The provider `testbed` (`providers/testbed`), which misbehaves in every way that a test asks for.

use std::fs;
use std::path::{Path, PathBuf};

use super::hub::component;

/// The tools that it is granted where a test does not name its own.
pub const TOOLS: [&str; 26] = [
    "calls.count",
    "clock.busy",
    "crash.panic",
    "embed.resource",
    "event.emit",
    "fail.with",
    "fetch.ask",
    "fetch.get",
    "fetch.many",
    "fetch.send",
    "log.flood",
    "memory.grow",
    "output.large",
    "output.wrong",
    "scan.slow",
    "secret.leak",
    "secret.reference",
    "secret.reveal",
    "secret.see",
    "secret.smuggle",
    "secret.twice",
    "secret.write",
    "spin.forever",
    "spin.recurse",
    "variant.tell",
    "write.note",
];

/// Every tool of `second-door` (`providers/second-door`), which speaks `wasi:http`.
const SECOND_DOOR: [&str; 12] = [
    "clock.spin",
    "exit.now",
    "fetch.ask",
    "fetch.flood",
    "fetch.get",
    "fetch.send",
    "handles.hoard",
    "print.lines",
    "random.take",
    "sleep.long",
    "surroundings.tell",
    "upload.flood",
];

/// The class of a tool of either.
fn class(tool: &str) -> &'static str {
    match tool {
        "scan.slow" => "scan",
        "fetch.send" | "secret.smuggle" | "secret.write" | "upload.flood" | "write.note" => "write",
        _ => "read",
    }
}

/// What is granted of the testbed beside tools.
const ITEMS: &str = "    resources: ['testbed://leak', 'testbed://sent', 'testbed://items/{id}']
    prompts: [leak, send, embed]
";

/// How a testbed is configured; [`Testbed::yaml`] is the provider's entry.
#[derive(Debug, Clone)]
pub struct Testbed<'a> {
    pub name: &'a str,
    pub component: &'a str,
    /// Further lines, each `key: value`.
    pub with: &'a [&'a str],
    pub min_role: &'a str,
    pub timeout_ms: u32,
    pub tools: &'a [&'a str],
}

impl Default for Testbed<'_> {
    fn default() -> Self {
        Self {
            name: "testbed",
            component: "{testbed.wasm}",
            with: &[],
            min_role: "ops_viewer",
            timeout_ms: 5000,
            tools: &TOOLS,
        }
    }
}

impl Testbed<'_> {
    /// The component that goes to the network through `wasi:http`.
    pub fn second_door() -> Self {
        Self { name: "second-door", component: "{second-door.wasm}", tools: &SECOND_DOOR, ..Self::default() }
    }

    pub fn yaml(&self) -> String {
        let Self { name, component, with, min_role, timeout_ms, tools } = self;
        let with: String = with.iter().map(|line| format!("    {line}\n")).collect();
        let tools: String = tools
            .iter()
            .map(|tool| {
                let class = class(tool);
                format!(
                    "      - {{ name: {tool}, class: {class}, min_role: {min_role}, timeout_ms: {timeout_ms}, schema_version: '1.0' }}\n"
                )
            })
            .collect();
        let items = if component.contains("testbed") { ITEMS } else { "" };
        format!("  {name}:\n    component: {component}\n{with}{items}    tools:\n{tools}")
    }
}

/// A testbed with these further lines.
pub fn testbed(with: &[&str]) -> String {
    Testbed { with, ..Testbed::default() }.yaml()
}

/// The component as a variant of itself: another component, that may also describe itself badly (see
/// `providers/testbed/src/variant.rs`).
pub fn variant(name: &str) -> Vec<u8> {
    let mut bytes = fs::read(component("testbed")).expect("the component");
    let mark = |name: &str| format!("testbed-variant={name:<8}").into_bytes();
    let (plain, other) = (mark("plain"), mark(name));
    assert_eq!(plain.len(), other.len(), "{name} is too long");
    let places: Vec<_> = memchr::memmem::find_iter(&bytes, &plain).collect();
    let [place] = places[..] else { panic!("the mark stands {} times in the component", places.len()) };
    bytes[place..place + other.len()].copy_from_slice(&other);
    bytes
}

/// Puts a component into a folder in one step, as a deployment does.
pub fn replace(folder: &Path, file: &str, bytes: &[u8]) -> PathBuf {
    let (path, fresh) = (folder.join(file), folder.join(format!(".{file}.new")));
    fs::write(&fresh, bytes).expect("written");
    fs::rename(&fresh, &path).expect("renamed");
    path
}
