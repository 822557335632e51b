//! Components whose build alone is refused: what they hold, what they import, what they export.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{CALM, Refused, all_refused, entry, well_described};
use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{Folder, Hub, VIEWER};
use crate::support::raw::Raw;
use crate::support::testbed::replace;

/// A whole component, and what is said of it.
const COMPONENTS: &[(&str, &str, &[&str])] = &[
    ("imports-a-component", r#"(component (import "evil" (component)))"#, &["component imports are not supported"]),
    ("imports-a-module", r#"(component (import "evil" (core module)))"#, &["`evil`"]),
    ("imports-a-function", r#"(component (import "evil" (func)))"#, &["`evil`"]),
    ("imports-a-type", r#"(component (import "evil" (type (sub resource))))"#, &["`evil`"]),
    (
        "imports-a-nested-interface",
        r#"(component (import "wasi:io/streams@0.2.0" (instance (export "evil:inner/door" (instance)))))"#,
        &["does not export"],
    ),
    (
        "exports-a-function",
        r#"(component (import "wasi:io/poll@0.2.0" (func $f)) (export "bulkhead:provider/provider@1.0.0" (func $f)))"#,
        &["is a reexport of an imported function"],
    ),
    (
        "exports-a-component",
        r#"(component (component $c) (export "bulkhead:provider/provider@1.0.0" (component $c)))"#,
        &["exporting a component from the root component"],
    ),
    (
        "imports-twice",
        r#"(component (import "wasi:io/poll@0.2.0" (instance)) (import "wasi:io/poll@0.2.0" (instance)))"#,
        &["`wasi:io/poll@0.2.0` conflicts with previous name"],
    ),
    (
        "imports-two-versions",
        r#"(component (import "bulkhead:provider/events@1.0.0" (instance))
            (import "bulkhead:provider/events@1.1.0" (instance))
            (import "bulkhead:provider/events@2.0.0" (instance)))"#,
        &["it imports `bulkhead:provider/events@2.0.0`"],
    ),
    (
        "exports-two-versions",
        r#"(component (instance $i) (export "bulkhead:provider/provider@1.0.0" (instance $i))
            (export "bulkhead:provider/provider@1.1.0" (instance $i)))"#,
        &["its provider interface lacks `describe`"],
    ),
    (
        "exports-no-version",
        r#"(component (instance $i) (export "bulkhead:provider/provider" (instance $i)))"#,
        &["does not export `bulkhead:provider/provider@1`"],
    ),
];

/// What every component begins with.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component that stands beside a good provider within one component, and what is said of it.
const BESIDE: &[(&str, &str, &[&str])] = &[
    (
        "instances-65",
        "(core module $m) {65 (core instance (instantiate $m))}",
        &["68 core module instances", "maximum of 64"],
    ),
    ("instances-17", "(core module $m) {17 (core instance (instantiate $m))}", &["core instance limit 16 reached"]),
    (
        "instances-200000",
        "(core module $m) {200000 (core instance (instantiate $m))}",
        &["instances count exceeds limit"],
    ),
    ("memory-second", "(core module $m (memory 1)) (core instance (instantiate $m))", &["memories"]),
    ("memories-two", "(core module $m (memory 1) (memory 1)) (core instance (instantiate $m))", &["memories"]),
    ("memory-shared", "(core module $m (memory 1 1 shared)) (core instance (instantiate $m))", &["threads"]),
    ("memory-atomics", "(core module $m (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))", &["threads"]),
    ("memory-64", "(core module $m (memory i64 1)) (core instance (instantiate $m))", &["memor"]),
    ("memory-beyond", "(core module $m (memory 65536)) (core instance (instantiate $m))", &["memor"]),
    ("tables-nine", "(core module $m {9 (table 1 funcref)}) (core instance (instantiate $m))", &["tables"]),
    ("table-beyond", "(core module $m (table 100001 funcref)) (core instance (instantiate $m))", &["table"]),
    ("pages-of-a-byte", "(core module $m (memory 1 (pagesize 1)))", &["custom page sizes"]),
    ("gc", "(core module $m (type (struct (field i32))) (func (drop (struct.new_default 0))))", &["gc"]),
    ("exceptions", "(core module $m (tag $t) (func (throw $t)))", &["exceptions"]),
    (
        "stack-switching",
        "(core module $m (type $f (func)) (type $c (cont $f)) (func (param (ref $c))))",
        &["stack switching"],
    ),
    (
        "wide-arithmetic",
        "(core module $m (func (result i64 i64) (i64.mul_wide_s (i64.const 1) (i64.const 1))))",
        &["wide arithmetic"],
    ),
    (
        "lifted-async",
        r#"(core module $m (func (export "f"))) (core instance $i (instantiate $m))
           (func (export "f") async (canon lift (core func $i "f") async))"#,
        &["async"],
    ),
    ("lowered-async", r#"(import "f" (func $f)) (core func (canon lower (func $f) async))"#, &["async"]),
    ("task-cancel", "(core func (canon task.cancel))", &["async"]),
    ("thread-index", "(core func (canon thread.index))", &["thread"]),
    ("error-context", "(core func (canon error-context.drop))", &["error"]),
    ("stream", "(type (stream u8))", &["async"]),
    ("future", "(type (future))", &["async"]),
    ("module-no-code", r#"(core module $m (func (result i32)))"#, &["type mismatch"]),
    ("imports-itself", r#"(core module $m (import "a" "b" (func))) (core instance (instantiate $m))"#, &["missing"]),
];

const BEYOND: &[&str] = &["takes more than 2 GiB of memory to compile"];

/// The same, of what is odd and harmless: it is served.
const HARMLESS: &[(&str, &str)] = &[
    ("functions-20000", "(core module $m {20000 (func)}) (core instance (instantiate $m))"),
    ("types-20000", "(core module $m {20000 (type (func (param i32)))})"),
    ("globals-20000", "(core module $m {20000 (global i64 (i64.const 0))}) (core instance (instantiate $m))"),
    ("function-of-nops", "(core module $m (func {500000 (nop)}))"),
    ("function-references", "(core module $m (type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0))))"),
    (
        "tail-calls",
        "(core module $m (func $f (return_call $f)) (export \"f\" (func $f))) (core instance (instantiate $m))",
    ),
    ("modules-500", "{500 (core module)}"),
];

/// A text with `{3 words}` three times in it.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
    let (times, words, after) = rest
        .split_once('}')
        .and_then(|(inner, after)| inner.split_once(' ').map(|(times, words)| (times, words, after)))
        .expect("a number and words");
    format!("{before}{}{}", words.repeat(times.parse().expect("a number")), repeated(after))
}

fn good() -> Raw<'static> {
    Raw { text: CALM, description: Some(well_described()), ..Raw::default() }
}

/// A good provider with another component in it, which is instantiated.
fn beside(other: &[u8]) -> Vec<u8> {
    let mut bytes = good().build();
    // The encoder makes a component of its own, number 0, for the exported interface: this one is number 1.
    bytes.push(4);
    bytes.extend(leb(other.len()));
    bytes.extend(other);
    // One instance: of component 1, with no arguments.
    bytes.extend([5, 4, 1, 0, 1, 0]);
    bytes
}

/// Components within components, so many levels of them.
fn nested(levels: usize) -> Vec<u8> {
    // Each is as long as its head and the one within: the outermost stands first.
    let inner = |inner: &usize| Some(HEADER.len() + 1 + leb(*inner).len() + inner);
    let mut lengths: Vec<_> = std::iter::successors(Some(HEADER.len()), inner).take(levels - 1).collect();
    lengths.reverse();
    let heads = lengths.iter().flat_map(|length| [&[4], &leb(*length)[..], HEADER].concat());
    HEADER.iter().copied().chain(heads).collect()
}

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// The same length, another version.
fn with_version(version: &[u8; 5]) -> Vec<u8> {
    let mut bytes = good().build();
    let name = b"provider/provider@1.0.0";
    let places: Vec<_> = memchr::memmem::find_iter(&bytes, name).collect();
    for place in places {
        let end = place + name.len();
        bytes[end - version.len()..end].copy_from_slice(version);
    }
    bytes
}

const MISFIT: &[&str] = &["its interfaces do not match bulkhead:provider@1"];

/// A name, words of the contract and what stands instead of them, imports beside the gates, and what is said of it.
type Built = (&'static str, (&'static str, &'static str), &'static str, &'static [&'static str]);

/// Built against a contract in which some words are others.
const CONTRACTS: &[Built] = &[
    ("describe-gives-text", ("describe: func() -> description", "describe: func() -> string"), "", MISFIT),
    ("health-gives-more", ("enum health-status { ok,", "enum health-status { splendid, ok,"), "", MISFIT),
    ("tool-has-more", ("schema-version: string,", "schema-version: string, secret: string,"), "", MISFIT),
    ("log-takes-a-number", ("log: func(level: level,", "log: func(level: u32,"), "", MISFIT),
    (
        "secrets-has-more",
        ("reference: func(name: string)", "steal: func(name: string) -> string; reference: func(name: string)"),
        r#"(import "bulkhead:provider/secrets@1.0.0" "steal" (func (param i32 i32 i32)))"#,
        &["`bulkhead:provider/secrets@1.0.0`"],
    ),
];

#[tokio::test]
async fn a_component_that_is_built_as_no_provider_may_be_is_refused_with_the_reason() {
    let mut rows: Vec<Refused> = Vec::new();
    for (name, text, telling) in COMPONENTS {
        rows.push(Refused::new(name, wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}")), telling));
    }
    for (name, contract, imports, telling) in CONTRACTS {
        rows.push(Refused::new(name, Raw { contract: *contract, imports, ..good() }.build(), telling));
    }
    let no_export: &[&str] = &["does not export `bulkhead:provider/provider@1`"];
    rows.push(Refused::new("version-0-9", with_version(b"0.9.0"), no_export));
    rows.push(Refused::new("version-2-0", with_version(b"2.0.0"), no_export));
    rows.push(Refused::new("version-no-number", with_version(b"1.x.0"), &["it is broken, or made of what"]));
    all_refused(&rows, Duration::from_secs(60)).await;
}

#[tokio::test]
async fn what_stands_beside_a_good_provider_is_held_to_the_same_limits() {
    let rows = BESIDE.iter().map(|(name, text, telling)| {
        let text = format!("(component {})", repeated(text));
        let other = wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Refused::new(name, beside(&other), telling)
    });
    // Of this the compiler would take all of the machine's memory.
    let nested = Refused::new("components-nested", beside(&nested(100_000)), BEYOND);
    all_refused(&rows.chain([nested]).collect::<Vec<_>>(), Duration::from_secs(60)).await;
}

#[tokio::test]
async fn what_is_odd_and_harmless_is_served_and_soon() {
    let folder = Folder::new();
    let put = |name: &str, bytes: &[u8]| {
        entry(name, &replace(folder.path(), &format!("{name}.wasm"), bytes).display().to_string())
    };
    let mut config = HELLO.to_owned();
    for (name, text) in HARMLESS {
        let other =
            wat::parse_str(format!("(component {})", repeated(text))).unwrap_or_else(|error| panic!("{name}: {error}"));
        config.push_str(&put(name, &beside(&other)));
    }
    // Every 1.x is served.
    config.push_str(&put("version-1-1", &with_version(b"1.1.0")));
    let started = Instant::now();
    let hub = Hub::start(&config);
    eprintln!("{} odd providers in {:?}", HARMLESS.len() + 1, started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let token = hub.token(VIEWER);
    let health = hub.get("/health", Some(&token)).await.json();
    for name in HARMLESS.iter().map(|(name, _)| *name).chain(["version-1-1"]) {
        assert_eq!(error_of(&health, name).replace("not checked yet", ""), "", "{name}");
        let call = hub.call(&token, &format!("{name}/calm"), &json!({})).await;
        assert_eq!(call.status, 200, "{name}: {call:?}");
    }
}
