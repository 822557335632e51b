//! No module imports itself by way of others: read off the sources of the host, the SDK, the providers and xtask.
//!
//! A module that only hands names on (`pub use`) is looked through: an import leads to where a name is defined. What only
//! tests and fuzz targets compile is left out, and so are visibilities.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility, visit::Visit};

/// A module's path within its crate; empty for the root.
type Module = Vec<String>;
/// Which modules each module imports from.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// What one file says of others.
#[derive(Default)]
struct Said {
    /// Paths as they are written, those of `use` included.
    paths: Vec<Vec<String>>,
    /// What it hands on, by the name that it has here.
    handed_on: BTreeMap<String, Vec<String>>,
}

impl<'ast> Visit<'ast> for Said {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_for_tests(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut leaves = Vec::new();
        leaves_of(&item.tree, &mut Vec::new(), &mut leaves);
        for (path, name) in leaves {
            if !matches!(item.vis, Visibility::Inherited) {
                self.handed_on.insert(name, path.clone());
            }
            self.paths.push(path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        let mut words = Vec::new();
        words_of(invocation.tokens.clone(), &mut words);
        let starts = words.iter().enumerate().filter(|(_, word)| matches!(word.as_str(), "crate" | "super"));
        for (start, _) in starts {
            let path = words[start..].split(|word| word != ":" && !is_name(word)).next().unwrap_or_default();
            self.paths.push(path.iter().filter(|word| is_name(word)).cloned().collect());
        }
        syn::visit::visit_macro(self, invocation);
    }

    /// `pub(in …)` takes nothing from there.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The words of what is given to a macro, groups included.
fn words_of(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                words.push("(".to_owned());
                words_of(group.stream(), words);
                words.push(")".to_owned());
            }
            token => words.push(token.to_string()),
        }
    }
}

/// Each path of a `use`, and the name that it gets.
fn leaves_of(tree: &UseTree, before: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, String)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            leaves_of(&path.tree, before, leaves);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            leaves.push((before.clone(), before.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => {
            leaves.push(([&before[..], &[name.ident.to_string()]].concat(), name.ident.to_string()));
        }
        UseTree::Rename(renamed) => {
            leaves.push(([&before[..], &[renamed.ident.to_string()]].concat(), renamed.rename.to_string()));
        }
        UseTree::Glob(_) => leaves.push((before.clone(), "*".to_owned())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves_of(tree, before, leaves)),
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let mut words = Vec::new();
        if let Ok(list) = attribute.meta.require_list() {
            words_of(list.tokens.clone(), &mut words);
        }
        words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not")
    })
}

/// The sources of one crate, by module.
#[derive(Default)]
struct Sources(BTreeMap<Module, Said>);

impl Sources {
    /// Reads the file of `module` and those of the modules that it declares.
    fn read(&mut self, file: &Path, module: &Module) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(&text, module, |name, path| {
            let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
                Some("lib" | "main" | "mod") | None => file.parent().expect("a folder").to_path_buf(),
                Some(_) => file.with_extension(""),
            };
            let of_its_own: Option<PathBuf> = path.map(|path| file.parent().expect("a folder").join(path));
            let found =
                of_its_own.into_iter().chain([folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")]);
            found.into_iter().find(|file| file.is_file())
        });
    }

    /// Adds a module's text; `file_of` tells where a module that it declares is.
    fn add(&mut self, text: &str, module: &Module, file_of: impl Fn(&str, Option<String>) -> Option<PathBuf>) {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{module:?}: {error}"));
        let mut said = Said::default();
        said.visit_file(&parsed);
        self.0.insert(module.clone(), said);
        let declared = parsed.items.iter().filter_map(|item| match item {
            Item::Mod(declared) if declared.content.is_none() && !is_for_tests(&declared.attrs) => Some(declared),
            _ => None,
        });
        for declared in declared {
            let name = declared.ident.to_string();
            let path = declared.attrs.iter().find(|attribute| attribute.path().is_ident("path"));
            let path = path.and_then(|attribute| match &attribute.meta.require_name_value().ok()?.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            });
            if let Some(file) = file_of(&name, path) {
                self.read(&file, &[&module[..], &[name]].concat());
            }
        }
    }

    /// The module in which what `path` names is defined, as far as that can be told; `None` for what is another crate's.
    fn defining(&self, from: &Module, path: &[String], hops: usize) -> Option<Module> {
        let (mut base, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => {
                let up = path.iter().take_while(|word| *word == "super").count();
                (from[..from.len().checked_sub(up)?].to_vec(), &path[up..])
            }
            first if self.0.contains_key(&[&from[..], &[first.to_owned()]].concat()) => (from.clone(), path),
            _ => return None,
        };
        while let Some(next) = rest.first() {
            let deeper = [&base[..], std::slice::from_ref(next)].concat();
            if !self.0.contains_key(&deeper) {
                break;
            }
            (base, rest) = (deeper, &rest[1..]);
        }
        let handed_on = rest.first().and_then(|name| self.0.get(&base)?.handed_on.get(name));
        match handed_on {
            Some(further) if hops < 8 => self.defining(&base, further, hops + 1).or(Some(base)),
            _ => Some(base),
        }
    }

    /// What imports what. The root only declares.
    fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        for (module, said) in self.0.iter().filter(|(module, _)| !module.is_empty()) {
            let imported = said.paths.iter().filter_map(|path| self.defining(module, path, 0));
            let imported = imported.filter(|other| other != module && !other.is_empty());
            graph.insert(module.join("::"), imported.map(|other| other.join("::")).collect());
        }
        graph
    }
}

/// What is left of a graph when everything has been taken away that is in no circle: each import of it.
fn circles(mut graph: Graph) -> Vec<String> {
    loop {
        let before = graph.len();
        let known: BTreeSet<_> = graph.keys().cloned().collect();
        graph.values_mut().for_each(|imported| imported.retain(|module| known.contains(module)));
        let wanted: BTreeSet<_> = graph.values().flatten().cloned().collect();
        graph.retain(|module, imported| !imported.is_empty() && wanted.contains(module));
        if graph.len() == before {
            let arrows = graph.iter().flat_map(|(from, to)| to.iter().map(move |to| format!("{from} -> {to}")));
            return arrows.collect();
        }
    }
}

/// The same between the rooms: what is behind the first name of a path does not matter.
fn of_rooms(graph: &Graph) -> Graph {
    let room = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let mut rooms = Graph::new();
    for (module, imported) in graph {
        let others = imported.iter().map(|other| room(other)).filter(|other| *other != room(module));
        rooms.entry(room(module)).or_default().extend(others);
    }
    rooms
}

fn crate_at(file: &str) -> Graph {
    let mut sources = Sources::default();
    sources.read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file), &Module::new());
    sources.graph()
}

/// A crate whose modules have these texts.
fn crate_of(modules: &[(&str, &str)]) -> Graph {
    let mut sources = Sources::default();
    for (module, text) in modules {
        let module: Module = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        sources.add(text, &module, |_, _| None);
    }
    sources.graph()
}

#[test]
fn no_module_imports_itself_by_way_of_others() {
    let host = crate_at("host/src/lib.rs");
    assert!(host.len() > 100, "{}", host.len());
    assert_eq!(circles(of_rooms(&host)), Vec::<String>::new(), "between rooms of the host");
    let providers = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../providers")).expect("providers");
    let providers = providers.filter_map(|entry| {
        let file = entry.expect("an entry").path().join("src/lib.rs");
        file.is_file()
            .then(|| format!("providers/{}", file.display().to_string().rsplit_once("/providers/").expect("it").1))
    });
    let all = ["host/src/lib.rs", "outbound/src/lib.rs", "sdk/rust/src/lib.rs", "xtask/src/main.rs"]
        .map(str::to_owned)
        .into_iter()
        .chain(providers);
    for file in all {
        assert_eq!(circles(crate_at(&file)), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn the_ground_floor_imports_no_other_room() {
    let rooms = of_rooms(&crate_at("host/src/lib.rs"));
    for room in ["names", "json", "text"] {
        assert_eq!(rooms[room], BTreeSet::new(), "{room}");
    }
}

#[test]
fn circles_are_seen_whichever_way_they_are_written() {
    let circle = |a: &str, b: &str| {
        circles(crate_of(&[("", ""), ("a", a), ("b", b), ("c", "pub struct C;"), ("b::d", "pub struct D;")]))
    };
    let there = "use super::b::B; pub struct A;";
    for back in [
        "use crate::a::A;",
        "use crate::{c, a::{A, X as Y}};",
        "fn f() { crate::a::run() }",
        "fn f() -> super::a::A { todo!() }",
        "fn f() { println!(\"{}\", [crate::a::A]) }",
        "use crate::a::*;",
        "#[cfg(not(test))] mod inner { use crate::a; }",
    ] {
        assert_eq!(circle(there, back), ["a -> b", "b -> a"], "{back}");
    }
    for none in [
        "#[cfg(test)] mod tests { use crate::a::A; }",
        "#[cfg(any(test, fuzzing))] mod tests { use crate::a::A; }",
        "pub(in crate::a) struct B;",
        "// use crate::a;\nuse other::a;",
    ] {
        assert_eq!(circle(there, none), Vec::<String>::new(), "{none}");
    }
    // What is handed on is imported from where it is.
    assert_eq!(circle("use super::b::D;", "pub use d::D; use crate::a;"), Vec::<String>::new());
}
