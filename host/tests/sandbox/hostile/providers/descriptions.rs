//! Providers that say of themselves what the hub does not take.

use std::time::Duration;

use super::{CALM, Refused, all_refused, well_described};
use crate::support::raw::Raw;
use crate::support::raw::description::{Description, Prompt, Resource, Tool};

/// What is made of a good description, and what is said of it.
type Row = (&'static str, fn(&mut Description), &'static [&'static str]);

const ROWS: &[Row] = &[
    ("tool-twice", |d| d.tools.push(Tool::named("calm")), &["it describes the tool `calm` twice"]),
    (
        "tool-forges-a-line",
        |d| d.tools = vec![Tool::named("../calm\nhello-rs: ok, 9 tools\u{1b}[2J\u{202e}")],
        &[
            "lists the tool `calm`, which the component does not have",
            r"it has: ../calm\nhello-rs",
            r"\u{1b}[2J\u{202e}",
        ],
    ),
    ("tool-and-prompt", |d| d.prompts[0].name = b"calm".to_vec(), &["share the flat name `tool-and-prompt__calm`"]),
    (
        "prompts-look-alike",
        |d| d.prompts = vec![Prompt::named("look.twice"), Prompt::named("look_twice")],
        &["share the flat name `prompts-look-alike__look_twice`"],
    ),
    ("prompt-twice", |d| d.prompts.push(Prompt::named("ask")), &["share the flat name `prompt-twice__ask`"]),
    ("prompt-long", |d| d.prompts[0].name = b"a".repeat(90), &["is longer than 64 characters"]),
    ("prompt-no-name", |d| d.prompts[0].name = b"Ask Me".to_vec(), &["`Ask Me` is not a tool name"]),
    (
        "prompt-forges-a-line",
        |d| d.prompts[0].name = "ask\nhello-rs: ok\u{1b}[2J".into(),
        &[r"`ask\nhello-rs: ok\u{1b}[2J` is not a tool name"],
    ),
    ("prompt-endless", |d| d.prompts[0].name = b"A".repeat(1 << 20), &["AAAA", "is not a tool name"]),
    ("name-no-text", |d| d.tools[0].name = b"ca\xfflm".to_vec(), &["cannot describe itself: the provider crashed"]),
    ("summary-no-text", |d| d.summary = b"\xed\xa0\x80".to_vec(), &["cannot describe itself: the provider crashed"]),
    ("class-none", |d| d.tools[0].class = 3, &["cannot describe itself: the provider crashed"]),
    ("class-far-out", |d| d.tools[0].class = 255, &["cannot describe itself: the provider crashed"]),
    (
        "class-higher",
        |d| d.tools[0].class = 2,
        &["`calm`: the config says class read, the component write: find out what the tool does"],
    ),
    ("read-that-destroys", |d| d.tools[0].annotations = [0, 1, 0, 0], &["`calm` is a read and says that it destroys"]),
    (
        "schema-version",
        |d| d.tools[0].schema_version = b"1.1".to_vec(),
        &["`calm`: the config says schema_version 1.0, the component 1.1"],
    ),
    (
        "schema-version-forges",
        |d| d.tools[0].schema_version = b"1.0\nhello-rs: ok".to_vec(),
        &[r"the component 1.0\nhello-rs: ok"],
    ),
    ("title-clears-screen", |d| d.tools[0].title = b"\x1b[2J".to_vec(), &["the title of `calm` contains", "U+001B"]),
    ("title-long", |d| d.tools[0].title = b"a".repeat(1025), &["the title of `calm` is longer than 1024 bytes"]),
    ("description-turns", |d| d.tools[0].description = "\u{202e}".into(), &["the description of `calm`", "U+202E"]),
    ("description-tags", |d| d.tools[0].description = "\u{e0041}".into(), &["the description of `calm`", "U+E0041"]),
    (
        "description-long",
        |d| d.tools[0].description = b"a".repeat(16 * 1024 + 1),
        &["the description of `calm` is longer than 16384 bytes"],
    ),
    ("summary-separates", |d| d.summary = "\u{2028}".into(), &["its summary contains", "U+2028"]),
    ("summary-long", |d| d.summary = b"a".repeat(16 * 1024 + 1), &["its summary is longer than 16384 bytes"]),
    ("version-returns", |d| d.version = b"1.0.0\r2.0.0".to_vec(), &["its version contains", "U+000D"]),
    (
        "prompt-turns",
        |d| d.prompts[0].description = "\u{2067}".into(),
        &["the description of the prompt `ask`", "U+2067"],
    ),
    (
        "argument-turns",
        |d| d.prompts[0].arguments = vec!["\u{202d}".into()],
        &["an argument's name of the prompt `ask`"],
    ),
    (
        "arguments-65",
        |d| d.prompts[0].arguments = vec![b"a".to_vec(); 65],
        &["the prompt `ask` has more than 64 arguments"],
    ),
    ("resource-no-uri", |d| d.resources[0].uri = b"no uri".to_vec(), &["`no uri` is not a URI"]),
    ("resource-unseen", |d| d.resources[0].uri = "raw://\u{202e}".into(), &[r"`raw://\u{202e}` is not a URI"]),
    (
        "resource-forges",
        |d| d.resources[0].uri = b"raw://it\nhello-rs: ok".to_vec(),
        &[r"`raw://it\nhello-rs: ok` is not"],
    ),
    (
        "resource-name-unseen",
        |d| d.resources[0].name = "\u{feff}".into(),
        &["the name of the resource `raw://it`", "U+FEFF"],
    ),
    ("resource-no-template", |d| d.resources[0].uri = b"raw://{id}".to_vec(), &["`raw://{id}` is not a URI"]),
    ("template-open", |d| d.resources = template("raw://{id"), &["`raw://{id` is not a template"]),
    ("template-empty", |d| d.resources = template("raw://{}"), &["`raw://{}` is not a template"]),
    ("template-turned", |d| d.resources = template("raw://}id{"), &["`raw://}id{` is not a template"]),
    ("template-nested", |d| d.resources = template("raw://{a{b}}"), &["`raw://{a{b}}` is not a template"]),
    ("template-level-4", |d| d.resources = template("raw://{+path*}"), &["`raw://{+path*}` is not a template"]),
    ("template-no-uri", |d| d.resources = template("{anything}"), &["`{anything}` is not a URI"]),
    (
        "tools-257",
        |d| d.tools.extend((0..256).map(|n| Tool::named(&format!("t{n}")))),
        &["more than 256 items of a kind"],
    ),
    ("resources-257", |d| d.resources = vec![Resource::at("raw://it"); 257], &["more than 256 items of a kind"]),
    ("prompts-257", |d| d.prompts = vec![Prompt::named("ask"); 257], &["more than 256 items of a kind"]),
    ("schema-no-json", |d| schema(d, "{"), &["the input schema of `calm` is not usable"]),
    ("schema-no-text", |d| d.tools[0].input_schema = b"{\"a\xff\"}".to_vec(), &["the provider crashed"]),
    ("schema-no-object", |d| schema(d, r#"{"type":"array"}"#), &["its `type` must be `object`"]),
    ("schema-true", |d| schema(d, "true"), &["its `type` must be `object`"]),
    ("schema-output", |d| d.tools[0].output_schema = b"[]".to_vec(), &["the output schema of `calm` is not usable"]),
    (
        "schema-key-twice",
        |d| schema(d, r#"{"type":"array","type":"object"}"#),
        &["the input schema of `calm`", "the same key twice"],
    ),
    ("schema-remote", |d| schema(d, r#"{"type":"object","$ref":"https://example.org/s"}"#), &["https://example.org/s"]),
    ("schema-file", |d| schema(d, r#"{"type":"object","$ref":"file:///etc/passwd"}"#), &["file:///etc/passwd"]),
    (
        "schema-forges",
        |d| schema(d, r##"{"type":"object","$ref":"#/x\nhello-rs: ok\u001b[2J\u202e"}"##),
        &["the input schema of `calm` is not usable"],
    ),
    (
        "schema-speaks-long",
        |d| schema(d, &format!(r#"{{"type":"object","minProperties":"{}"}}"#, "a".repeat(250_000))),
        &["the input schema of `calm` is not usable"],
    ),
    (
        "schema-deep",
        |d| schema(d, &format!(r#"{{"type":"object","not":{}{}}}"#, r#"{"not":"#.repeat(70) + "{}", "}".repeat(70))),
        &["the input schema of `calm` is not usable", "64 levels"],
    ),
    (
        "schema-large",
        |d| schema(d, &format!(r#"{{"type":"object","title":"{}"}}"#, "a".repeat(256 * 1024))),
        &["longer than 262144 bytes"],
    ),
    (
        "schemas-together",
        |d| {
            d.tools.extend((0..130).map(|n| Tool { input_schema: vec![b' '; 33_000], ..Tool::named(&format!("t{n}")) }))
        },
        &["its schemas weigh more than 4194304 bytes together"],
    ),
    (
        "schema-looks-behind",
        |d| schema(d, r#"{"type":"object","propertyNames":{"pattern":"(?<=a)b"}}"#),
        &["not usable"],
    ),
    (
        "schema-endless",
        |d| schema(d, r#"{"type":"object","propertyNames":{"pattern":"((a{999}){999}){999}"}}"#),
        &["not usable"],
    ),
    ("schema-patterns", |d| schema(d, &patterns(65)), &["it has 65 patterns: use 64 at most"]),
];

fn schema(description: &mut Description, text: &str) {
    description.tools[0].input_schema = text.into();
}

fn template(uri: &str) -> Vec<Resource> {
    vec![Resource { template: 1, ..Resource::at(uri) }]
}

fn patterns(count: usize) -> String {
    let patterns: Vec<_> = (0..count).map(|n| format!(r#""a{n}":{{"pattern":"a"}}"#)).collect();
    format!(r#"{{"type":"object","properties":{{{}}}}}"#, patterns.join(","))
}

#[tokio::test]
async fn a_description_that_the_hub_does_not_take_is_refused_with_the_reason() {
    let build = |change: fn(&mut Description)| {
        let mut description = well_described();
        change(&mut description);
        Raw { text: CALM, description: Some(description), ..Raw::default() }.build()
    };
    let refused: Vec<_> =
        ROWS.iter().map(|(name, change, telling)| Refused::new(name, build(*change), telling)).collect();
    all_refused(&refused, Duration::from_secs(60)).await;
}
