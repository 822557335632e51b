//! Whose a name is, for configs and offers in every state.

use std::collections::BTreeMap;

use super::*;
use crate::{
    config,
    registry::{Prompt, Resource},
    sandbox::ResourceDescription,
};

/// A provider: its name, lines of its config, and what it offers (URIs with a `:`, prompts without), if it has loaded.
type Provider<'a> = (&'a str, &'a str, Option<&'a [&'a str]>);

fn offer(items: &[&str]) -> Arc<Offer> {
    let (uris, prompts): (Vec<&str>, Vec<&str>) = items.iter().partition(|item| item.contains(':'));
    let resource = |uri: &&str| {
        let (uri, template) = ((*uri).to_owned(), uri.contains('{'));
        let (name, description, mime_type) = (String::new(), String::new(), String::new());
        Resource::of(ResourceDescription { uri, template, name, description, mime_type }).expect("a resource")
    };
    let prompt = |name: &&str| Prompt { name: (*name).to_owned(), description: String::new(), arguments: Vec::new() };
    Arc::new(Offer {
        summary: String::new(),
        version: String::new(),
        tools: BTreeMap::new(),
        resources: uris.iter().map(resource).collect(),
        prompts: prompts.iter().map(prompt).collect(),
    })
}

fn index(providers: &[Provider<'_>]) -> Index {
    let entries = providers.iter().map(|(name, lines, _)| {
        let lines = lines.split("; ").collect::<Vec<_>>().join("\n    ");
        format!("  {name}:\n    component: a.wasm\n    tools: []\n    {lines}\n")
    });
    let text = format!("version: '1.0'\nproviders:\n{}", entries.collect::<String>());
    let config = config::parse("c.yaml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let offers: BTreeMap<_, _> = providers.iter().map(|(name, _, items)| (*name, items.map(offer))).collect();
    Index::of(config.providers.iter().map(|(name, config)| {
        let offer = offers[name.as_str()].clone();
        (name, Stand { config, offer })
    }))
}

fn owner(index: &Index, asked: &str) -> String {
    match index.resource(asked) {
        Ok((provider, uri)) => format!("{provider} {uri}"),
        Err(Lost::Unknown) => "unknown".to_owned(),
        Err(Lost::Ambiguous(choices)) => choices.join(" or "),
    }
}

fn prompt_owner(index: &Index, asked: &str) -> String {
    match index.prompt(asked) {
        Ok((provider, prompt)) => format!("{provider} {prompt}"),
        Err(Lost::Unknown) => "unknown".to_owned(),
        Err(Lost::Ambiguous(choices)) => choices.join(" or "),
    }
}

fn listed(index: &Index) -> Vec<&str> {
    index.resources().iter().map(|listed| listed.name.as_str()).collect()
}

const GREETING: &str = "hello://greeting";
const HELLO: Provider<'_> =
    ("hello-rs", "resources: ['hello://greeting']; prompts: [hello-plan]", Some(&[GREETING, "hello-plan"]));

#[test]
fn a_prompt_cannot_be_named_so_that_it_answers_for_another() {
    for name in ["a", "z"] {
        let evil: Provider<'_> =
            (name, "prompts: all", Some(&["hello-rs.hello-plan", "hello-rs__hello-plan", "hello-rs__hello_plan"]));
        let index = index(&[HELLO, evil]);
        for wire in ["hello-rs.hello-plan", "hello-rs__hello-plan"] {
            assert_eq!(prompt_owner(&index, wire), "hello-rs hello-plan", "{wire}");
        }
        assert_eq!(prompt_owner(&index, &format!("{name}.hello-rs.hello-plan")), format!("{name} hello-rs.hello-plan"));
        assert_eq!(
            prompt_owner(&index, &format!("{name}__hello-rs_hello-plan")),
            format!("{name} hello-rs.hello-plan"),
            "what it is listed as at the flat endpoint"
        );
        assert_eq!(prompt_owner(&index, "hello-plan"), "hello-rs hello-plan");
    }
    // Not even where the real one is not there.
    let index = index(&[("x", "prompts: all", Some(&["hello-rs.hello-plan"]))]);
    assert_eq!(prompt_owner(&index, "hello-rs.hello-plan"), "hello-rs hello-plan", "of nobody");
}

#[test]
fn a_bare_prompt_is_the_one_that_the_config_names_whatever_has_loaded() {
    let both = "hello-go.hello-plan or hello-rs.hello-plan";
    for (lines, items, expected) in [
        ("prompts: [hello-plan]", Some(&["hello-plan"][..]), both),
        ("prompts: [hello-plan]", None, both),
        ("enabled: false; prompts: [hello-plan]", None, both),
        ("prompts: all", Some(&["hello-plan"]), "hello-rs hello-plan"),
        ("prompts: all", None, "hello-rs hello-plan"),
        ("prompts: all", Some(&["other"]), "hello-rs hello-plan"),
        ("prompts: [other]", None, "hello-rs hello-plan"),
        ("enabled: false; prompts: all", None, "hello-rs hello-plan"),
        ("enabled: true", None, "hello-rs hello-plan"),
    ] {
        for real in [HELLO, ("hello-rs", HELLO.1, None)] {
            let index = index(&[real, ("hello-go", lines, items)]);
            assert_eq!(prompt_owner(&index, "hello-plan"), expected, "{lines} {items:?} {real:?}");
        }
    }
    let index = index(&[HELLO]);
    for nobody in ["hello_plan", "", "plan", "hello-plan ", "Hello-Plan"] {
        assert_eq!(prompt_owner(&index, nobody), "unknown", "{nobody}");
    }
}

#[test]
fn what_is_granted_with_all_is_bare_only_while_no_other_can_have_it() {
    let all = "resources: all; prompts: all";
    let items: &[&str] = &[GREETING, "hello-plan"];
    for (lines, other, expected) in [
        (all, Some(items), "both"),
        (all, None, "both"),
        ("enabled: false; resources: all; prompts: all", None, "both"),
        (all, Some(&["other://a", "other"][..]), "one"),
        ("enabled: true", None, "one"),
        ("enabled: false", None, "one"),
        ("enabled: false; resources: ['hello://greeting']; prompts: [hello-plan]", None, "two"),
        ("resources: ['hello://greeting']; prompts: [hello-plan]", None, "two"),
        ("resources: ['hello://greeting']; prompts: [hello-plan]", Some(items), "two"),
    ] {
        let index = index(&[("one", all, Some(items)), ("two", lines, other)]);
        let (uri, prompt) = match expected {
            "both" => (
                "one+hello://greeting or two+hello://greeting".to_owned(),
                "one.hello-plan or two.hello-plan".to_owned(),
            ),
            only => (format!("{only} {GREETING}"), format!("{only} hello-plan")),
        };
        assert_eq!(owner(&index, GREETING), uri, "{lines} {other:?}");
        assert_eq!(prompt_owner(&index, "hello-plan"), prompt, "{lines} {other:?}");
        assert_eq!(listed(&index).contains(&GREETING), expected == "one" || (expected == "two" && other.is_some()));
    }
}

#[test]
fn the_same_scheme_and_authority_in_two_providers_is_bare_only_for_the_one_that_the_config_names() {
    let both = "hello-go+hello://greeting or hello-rs+hello://greeting";
    let (own, below) = ("hello-rs hello://greeting", "hello://greeting/of/go");
    let nobody_elses = format!("hello-rs {below}");
    let boths = both.replace(GREETING, below);
    for (lines, items, expected, expected_below) in [
        ("resources: all", Some(&[GREETING][..]), own, &boths),
        ("resources: all", Some(&["hello://greeting/{x}"]), own, &boths),
        ("resources: all", Some(&["hello://greeting/of/go"]), own, &boths),
        ("resources: all", None, own, &boths),
        ("resources: ['hello://greeting/{x}']", None, both, &boths),
        ("enabled: false; resources: ['hello://greeting']", None, both, &boths),
        ("resources: all", Some(&["hello://other"]), own, &nobody_elses),
        ("resources: ['hello://other/{x}']", None, own, &nobody_elses),
        ("enabled: false; resources: all", None, own, &boths),
        ("enabled: true", None, own, &nobody_elses),
    ] {
        for real in [HELLO, ("hello-rs", HELLO.1, None)] {
            let index = index(&[real, ("hello-go", lines, items)]);
            assert_eq!(owner(&index, GREETING), expected, "{lines} {items:?} {real:?}");
            assert_eq!(owner(&index, below), *expected_below, "{lines} {items:?} {real:?}");
            for provider in ["hello-rs", "hello-go"] {
                assert_eq!(owner(&index, &format!("{provider}+{GREETING}")), format!("{provider} {GREETING}"));
            }
        }
    }
}

#[test]
fn the_config_says_whose_a_uri_is() {
    let given = "resources: all; resources_for: ['hello://greeting']";
    for state in [Some(&[GREETING, "hello://greeting/{x}"][..]), None] {
        for enabled in ["", "enabled: false; "] {
            let lines = format!("{enabled}{given}");
            let others: [Provider<'_>; 2] = [
                ("a", "resources: all", Some(&[GREETING, "hello://greeting/{x}"])),
                ("z", "resources: ['hello://greeting']", None),
            ];
            let index = index(&[("hello-rs", &lines, state), others[0], others[1]]);
            assert_eq!(owner(&index, GREETING), "hello-rs hello://greeting", "{lines} {state:?}");
            let rest = owner(&index, "hello://greeting/7");
            assert!(rest.starts_with("a+hello://greeting/7 or "), "{rest}");
            let mut expected = vec!["a+hello://greeting", "a+hello://greeting/{x}"];
            if state.is_some() {
                expected.extend(["hello://greeting", "hello-rs+hello://greeting/{x}"]);
            }
            assert_eq!(listed(&index), expected);
        }
    }
    let template = "resources: ['hello://a/{x}']; resources_for: ['hello://a/{x}']";
    let index =
        index(&[("one", template, Some(&["hello://a/{x}"])), ("two", "resources: all", Some(&["hello://a/b"]))]);
    assert_eq!(listed(&index), ["hello://a/{x}", "two+hello://a/b"]);
    assert_eq!(owner(&index, "hello://a/b"), "one hello://a/b");
}

#[test]
fn a_scheme_with_a_plus_is_never_taken_for_a_provider_nor_a_provider_for_a_scheme() {
    let git: Provider<'_> = ("git", "resources: all", Some(&["https://a.example/"]));
    let mirror: Provider<'_> = ("mirror", "resources: all", Some(&["git+https://a.example/"]));
    for providers in [&[git, mirror][..], &[mirror]] {
        let index = index(providers);
        assert_eq!(owner(&index, "mirror+git+https://a.example/"), "mirror git+https://a.example/");
        let expected = if providers.len() == 2 { "git https://a.example/" } else { "unknown" };
        assert_eq!(owner(&index, "git+https://a.example/"), expected);
        assert!(listed(&index).contains(&"mirror+git+https://a.example/"));
        let uri = ResourceUri::parse("git+https://a.example/").expect("a URI");
        assert_eq!(index.shown(&"mirror".parse().expect("a name"), &uri), "mirror+git+https://a.example/");
    }
}

#[test]
fn whatever_is_listed_is_read_from_whoever_listed_it() {
    let one: &[&str] = &[GREETING, "hello://greeting/{x}", "git+ssh://a/b", "file:///a", "urn:a:{b}", "own://one/{x}"];
    let two: &[&str] = &[GREETING, "file:/a", "own://two", "one+own://one", "urn:a"];
    for lines in ["resources: all", "resources: all; resources_for: ['hello://greeting', 'urn:a']"] {
        let index = index(&[("one", "resources: all", Some(one)), ("two", lines, Some(two)), HELLO]);
        assert_eq!(index.resources().len(), one.len() + two.len() + 1);
        for listed in index.resources() {
            let asked = listed.name.replace("{x}", "7").replace("{b}", "7");
            let (provider, uri) = index.resource(&asked).unwrap_or_else(|lost| panic!("{asked}: {lost:?}"));
            assert_eq!(provider, listed.provider, "{asked} is {uri} of {provider}");
        }
        let mut names = listed(&index);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), index.resources().len(), "no name twice: {names:?}");
    }
}

#[test]
fn what_is_not_in_normal_form_is_nobodys() {
    let index = index(&[HELLO, ("x", "resources: all", Some(&["x://a/{b}"]))]);
    for asked in [
        "HELLO://greeting",
        "hello://Greeting",
        "hello://gr%65eting",
        "hello://greeting#",
        "hello://x@greeting",
        "hello://greeting:",
        "hello-rs+HELLO://greeting",
        "HELLO-RS+hello://greeting",
        "nobody+hello://greeting",
        "+hello://greeting",
        "hello-rs+",
        "hello-rs++hello://greeting",
        "x://a/../../greeting",
        "x://a/%2e",
        "greeting",
        "",
    ] {
        assert_eq!(owner(&index, asked), "unknown", "{asked}");
    }
}

#[test]
fn contents_are_labelled_as_they_can_be_read() {
    let index = index(&[HELLO, ("evil", "resources: all", Some(&["evil://a", "hello://greeting/{x}"]))]);
    let shown = |provider: &str, uri: &str| {
        index.shown(&provider.parse().expect("a name"), &ResourceUri::parse(uri).expect("a URI"))
    };
    assert_eq!(shown("evil", "evil://a"), "evil://a");
    assert_eq!(shown("evil", "evil://a/below"), "evil://a/below");
    assert_eq!(shown("evil", GREETING), "evil+hello://greeting");
    assert_eq!(shown("hello-rs", GREETING), GREETING, "the config names it");
    assert_eq!(shown("hello-rs", "hello://greeting/7"), "hello-rs+hello://greeting/7");
    assert_eq!(shown("hello-rs", "evil://a"), "hello-rs+evil://a");
}
