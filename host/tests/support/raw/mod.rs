//! Providers written by hand in core WebAssembly text, without the SDK, which is too polite for what is needed here.
//!
//! A file of `tools/` holds tools, one `(func $name (type $tool)` each; a file of `providers/` holds the parts of a provider
//! that differ from a well-behaved one. `frame.wat` is the rest: memory, allocator, gates, answers. What the component's
//! description says is laid out by [`description`].

pub mod description;

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use description::{Description, Tool};

const FRAME: &str = include_str!("frame.wat");
const CONTRACT: &str = include_str!("../../../../wit/provider.wit");
const RANDOM: &str = "package wasi:random@0.2.0; interface random { get-random-u64: func() -> u64; }";
/// What a component may import; what its module does not, the component does not either.
const WORLD: &str = "package test:raw;
    world raw {
        include bulkhead:provider/provider-world@1.0.0;
        import wasi:random/random@0.2.0;
    }";
const INTERFACE: &str = "bulkhead:provider/provider@1.0.0#";
/// Where constant data begins in memory; below is scratch space that tools may use.
const DATA: usize = 64 * 1024;
const PAGE: usize = 64 * 1024;

/// What a component consists of beside the frame.
#[derive(Debug, Clone, Default)]
pub struct Raw<'a> {
    /// WAT of tools and of parts that replace the frame's.
    pub text: &'a str,
    /// What it says of itself, if not simply its tools.
    pub description: Option<Description>,
    /// What else it might say: the text returns `{other.0}`, `{other.1}`, …
    pub others: Vec<Description>,
    /// WAT of imports beside the gates.
    pub imports: &'a str,
    /// Words of the contract, and what it is built against instead of them.
    pub contract: (&'a str, &'a str),
}

impl<'a> Raw<'a> {
    pub fn of(text: &'a str) -> Self {
        Self { text, ..Self::default() }
    }

    /// The names of its tools, in the order of the text.
    pub fn tools(&self) -> Vec<&'a str> {
        tools(self.text)
    }

    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        let text = self.module();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let mut resolve = Resolve::default();
        let mut push = |name: &str, text: &str| resolve.push_source(name, text).expect("WIT");
        assert!(CONTRACT.contains(self.contract.0), "{:?} is not in the contract", self.contract.0);
        push("provider.wit", &CONTRACT.replacen(self.contract.0, self.contract.1, 1));
        push("random.wit", RANDOM);
        let package = push("raw.wit", WORLD);
        let world = resolve.select_world(&[package], Some("raw")).expect("the world");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
        ComponentEncoder::default().module(&module).and_then(|encoder| encoder.encode()).expect("a component")
    }

    fn module(&self) -> String {
        let names = self.tools();
        let description = self.description.clone().unwrap_or_else(|| Description {
            tools: names.iter().map(|name| Tool::named(name)).collect(),
            ..Description::default()
        });
        let mut data = Data { bytes: Vec::new() };
        let described = description.lay_out(&mut data);
        let others: Vec<_> = self.others.iter().map(|other| other.lay_out(&mut data)).collect();
        let mut dispatch = String::new();
        for name in &names {
            let at = data.put(name.as_bytes());
            writeln!(
                dispatch,
                "(if (call $same (local.get $name) (local.get $name_len) (i32.const {at}) (i32.const {}))
                   (then (return (call ${name} (local.get $input) (local.get $input_len)))))",
                name.len()
            )
            .expect("a string");
        }
        let heap = (DATA + data.bytes.len()).next_multiple_of(16);
        let escaped: String = data.bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").expect("a string");
            text
        });
        // What the text defines itself, the frame leaves out.
        let (head, parts) = FRAME.split_once("\n;; part ").expect("parts");
        let parts = parts.split("\n;; part ").filter_map(|part| part.split_once('\n'));
        let parts = parts.filter(|(mark, _)| !self.text.contains(mark)).map(|(_, part)| part);
        let frame = [head].into_iter().chain(parts).collect::<Vec<_>>().join("\n");
        let text = others.iter().enumerate().fold(self.text.to_owned(), |text, (index, address)| {
            text.replace(&format!("{{other.{index}}}"), &address.to_string())
        });
        frame
            .replace("{imports}", self.imports)
            .replace("{text}", &text)
            .replace("{interface}", INTERFACE)
            .replace("{described}", &described.to_string())
            .replace("{heap}", &heap.to_string())
            .replace("{pages}", &(heap.div_ceil(PAGE) + 1).to_string())
            .replace("{dispatch}", &dispatch)
            .replace("{data}", &format!("(data (i32.const {DATA}) \"{escaped}\")"))
    }
}

/// The names of the tools that a text defines.
pub fn tools(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| line.contains("(type $tool)"))
        .filter_map(|line| line.trim_start().strip_prefix("(func $")?.split_whitespace().next())
        .collect()
}

/// Constant data of a component, in the layout of the canonical ABI.
pub struct Data {
    bytes: Vec<u8>,
}

impl Data {
    /// Puts bytes at the next address that is a multiple of 8, which it gives back.
    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = DATA + self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        at.try_into().expect("an address")
    }

    /// Puts bytes and gives what points to them: address and length.
    pub fn text(&mut self, bytes: &[u8]) -> [u8; 8] {
        let at = self.put(bytes);
        pointer(at, bytes.len())
    }

    /// Puts a list of records and gives what points to it.
    pub fn list(&mut self, records: &[Vec<u8>]) -> [u8; 8] {
        let at = self.put(&records.concat());
        pointer(at, records.len())
    }
}

fn pointer(at: u32, len: usize) -> [u8; 8] {
    let mut pointer = [0; 8];
    pointer[..4].copy_from_slice(&at.to_le_bytes());
    pointer[4..].copy_from_slice(&u32::try_from(len).expect("a length").to_le_bytes());
    pointer
}
