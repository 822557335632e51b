//! Which items a source names, by their whole paths: what it imports, and what it writes out, with imported names led back to
//! where they are from. Read from tokens, so that what stands in a macro counts too, and comments and texts do not.

use std::collections::{BTreeMap, BTreeSet};

/// The items that a source names.
#[derive(Clone)]
pub struct Named(BTreeSet<String>);

impl Named {
    /// Those of a source.
    pub fn by(text: &str) -> Self {
        let tokens = tokens(text);
        let (mut tokens, mut imports, mut written) =
            (tokens.iter().map(String::as_str).peekable(), Imports::default(), vec![]);
        while let Some(token) = tokens.next() {
            if token == "use" {
                imports.tree(&mut tokens, "");
            } else if is_name(token) {
                let mut path = token.to_owned();
                while tokens.next_if_eq(&"::").is_some() {
                    let Some(segment) = tokens.next_if(|next| is_name(next)) else { break };
                    path = format!("{path}::{segment}");
                }
                written.push(path);
            }
        }
        let resolved: BTreeSet<_> = written.iter().flat_map(|path| imports.resolve(path)).collect();
        Self(&resolved | &imports.all)
    }

    /// Whether an item is among them, or something within it, or all of something that it is in.
    pub fn has(&self, item: &str) -> bool {
        self.0.iter().any(|named| match named.strip_suffix("::*") {
            Some(all) => is_within(item, all) || is_within(all, item),
            None => is_within(named, item),
        })
    }
}

fn is_within(item: &str, outer: &str) -> bool {
    item.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// What a source imports.
#[derive(Default)]
struct Imports {
    all: BTreeSet<String>,
    /// By the name that it has here. Two modules of one file may mean different items by one name.
    by_name: BTreeMap<String, BTreeSet<String>>,
}

impl Imports {
    /// Reads one branch of an import, up to what ends it.
    fn tree<'a>(&mut self, tokens: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>, around: &str) {
        let (mut item, mut name) = (around.to_owned(), String::new());
        while let Some(token) = tokens.next_if(|next| !["}", ",", ";", "<"].contains(next)) {
            match token {
                "::" => {}
                "{" => {
                    while tokens.next_if_eq(&"}").is_none() && tokens.peek().is_some() {
                        self.tree(tokens, &item);
                        tokens.next_if(|next| *next != "}");
                    }
                    return;
                }
                "as" => name = tokens.next().unwrap_or_default().to_owned(),
                "self" if !item.is_empty() => name = item.rsplit("::").next().unwrap_or_default().to_owned(),
                segment => {
                    name = segment.to_owned();
                    item = if item.is_empty() { name.clone() } else { format!("{item}::{name}") };
                }
            }
        }
        if !item.is_empty() {
            self.all.insert(item.clone());
            self.by_name.entry(name).or_default().insert(item);
        }
    }

    /// A path as it is written, by what its first name may stand for.
    fn resolve(&self, path: &str) -> Vec<String> {
        let (first, rest) = path.split_at(path.find("::").unwrap_or(path.len()));
        let Some(items) = self.by_name.get(first) else { return vec![path.to_owned()] };
        items.iter().map(|item| format!("{item}{rest}")).collect()
    }
}

/// Names, `::` and single characters, without comments, texts and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            // A letter in quotes, or a lifetime.
            let letter = rest[1..].starts_with('\\') || rest[1..].chars().nth(1) == Some('\'');
            if letter { quoted(rest, '\'') } else { 1 + word(&rest[1..]) }
        } else {
            let length = if rest.starts_with("::") { 2 } else { word(rest).max(first.len_utf8()) };
            if !first.is_whitespace() {
                found.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[length..];
    }
    found
}

/// The length of the name or number that a text begins with.
fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of what stands in quotes, with them.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of a raw text, if there is one: `r"…"`, `br#"…"#`.
fn raw_text(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = inner.len() - inner.trim_start_matches('#').len();
    let inner = inner[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(text.len() - inner.len() + length)
}

#[test]
fn items_are_found_however_they_are_named() {
    for text in [
        "use tokio::net::TcpStream;\nfn f() { TcpStream::connect(a) }",
        "use tokio::{io, net::{TcpListener, TcpStream as Stream}};\nfn f() { Stream::connect(a) }",
        "use tokio::net;\nfn f() { tokio::select! { s = net::TcpStream::connect(a) => {} } }",
        "use tokio::net::{self as wires, TcpListener};\nfn f() { wires::TcpStream::connect(a) }",
        "use tokio::net::{self};\nfn f() { let s = net::TcpStream::connect(a); }",
        "fn f() { ::tokio::net::TcpStream::connect(a) }",
        "use tokio as t;\nfn f() { t :: net :: TcpStream :: connect(a) }",
        "use tokio::net::*;\nfn f() { TcpStream::connect(a) }",
        "mod a { use std::net::TcpStream; }\nmod b { use tokio::net::TcpStream;\nfn f() { TcpStream::connect(a) } }",
        "fn f<'a>() -> impl Sized + use<'a> { let c = '\"'; tokio::net::TcpStream::connect(a) }",
        "const A: &str = r#\"\"#; use tokio::net::TcpStream::connect;",
    ] {
        assert!(Named::by(text).has("tokio::net::TcpStream::connect"), "{text}");
    }
    for text in [
        "// tokio::net::TcpStream::connect\nuse tokio::net::TcpStream;",
        "const A: &str = \"tokio::net::TcpStream::connect\";",
        "const A: &str = r#\"\" tokio::net::TcpStream::connect\"#;",
        "use tokio::net::TcpStream;\nfn connect() { let client = broker.connect(TcpStream::from_std(a)); }",
        "use tokio_net::net::TcpStream;\nfn f() { TcpStream::connect(a) }",
        "use nats::Client;\nfn f() { Client::connect(a) }",
    ] {
        assert!(!Named::by(text).has("tokio::net::TcpStream::connect"), "{text}");
    }
    assert!(Named::by("use rusqlite::{Connection, params};").has("rusqlite"));
}
