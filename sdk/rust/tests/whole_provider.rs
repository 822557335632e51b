//! A provider with one of everything, run as the hub would.

use bulkhead_sdk::PromptRole;
use bulkhead_sdk::testing::prelude::*;

/// Adds two numbers.
#[derive(Deserialize, JsonSchema)]
struct AddInput {
    /// The first.
    a: u8,
    #[serde(default)]
    b: u8,
}

#[derive(Serialize, JsonSchema)]
struct AddOutput {
    sum: u16,
}

#[derive(Deserialize)]
struct Settings {
    limits: Limits,
}

#[derive(Deserialize)]
struct Limits {
    max: u16,
}

fn add(cx: &Context, input: AddInput) -> Result<Answer<AddOutput>, CallError> {
    let settings: Settings = cx.settings()?;
    let sum = u16::from(input.a) + u16::from(input.b);
    if sum > settings.limits.max {
        return Err(CallError::invalid_input(format!("`a` and `b` add up to more than {}", settings.limits.max)));
    }
    cx.info(format_args!("added at {}", cx.now_ms()));
    cx.emit("example.added", &json!({ "sum": sum }))?;
    Ok(Answer::new(AddOutput { sum }).text("done"))
}

fn provider() -> Provider {
    Provider::new("An example.", "1.2.3")
        .tool(Tool::read("number.add", "1.0", add).title("Add").description("Adds."))
        .tool(Tool::scan("scan.now", "1.0", |cx, _: NoInput| Ok(json!({ "call": cx.call_id() }))))
        .tool(
            Tool::write("issue.create", "2.1", |_, _: NoInput| Ok(AddOutput { sum: 0 }))
                .open_world()
                .destructive(false),
        )
        .resource(Resource::template("note://{id}", "note", |_, variables| {
            Ok(format!("note {}", variables.get("id")?))
        }))
        .resource(Resource::new("note://pinned", "pinned", |_| Ok(vec![1, 2])).mime_type("application/octet-stream"))
        .prompt(
            Prompt::new("plan", "Plans.", |_, arguments| Ok(arguments.require("what")?.to_owned()))
                .required("what", "What."),
        )
        .health(|cx| cx.secret_reference("token"))
}

bulkhead_sdk::export!(provider);

fn ready() -> Run {
    testing::run(provider()).settings(json!({ "limits": { "max": 100 } }))
}

#[test]
fn a_call_returns_output_and_content_and_leaves_events_and_logs() {
    let run = ready();
    let output = run.call_raw("number.add", r#"{"a": 1, "b": 2}"#).unwrap();
    assert_eq!((output.output.as_str(), output.content), (r#"{"sum":3}"#, vec![Content::Text("done".to_owned())]));
    assert_eq!(run.gate_seen().events(), vec![("example.added".to_owned(), json!({ "sum": 3 }))]);
    assert_eq!(run.gate_seen().logs(), vec![(Level::Info, "added at 1767225600000".to_owned())]);
}

#[test]
fn an_input_that_does_not_fit_the_type_names_the_field() {
    for (input, words) in [
        (json!({ "a": "one" }), "the input is wrong at `a`: expected a whole number, not a string"),
        (json!({ "a": 1, "b": 300 }), "the input is wrong at `b`: expected a whole number from 0 to 255"),
        (json!({}), "the input is wrong: `a` is missing"),
    ] {
        let error = ready().call_unchecked("number.add", input).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (ErrorCode::InvalidInput, words));
    }
}

#[test]
fn settings_that_do_not_fit_name_the_setting() {
    let error =
        ready().settings(json!({ "limits": { "max": "x" } })).call("number.add", json!({ "a": 1 })).unwrap_err();
    assert_eq!(error.code, ErrorCode::Misconfigured);
    assert!(error.message.contains("`limits.max`") && error.message.contains("provider-config.yaml"), "{error}");
}

#[test]
fn what_does_not_exist_is_not_found_and_says_what_does() {
    let run = ready();
    let tool = run.call("number.sub", json!({})).unwrap_err();
    let resource = run.read("other://x").unwrap_err();
    let prompt = run.prompt("nope", &[]).unwrap_err();
    for (error, known) in [(tool, "number.add, scan.now"), (resource, "note://{id}"), (prompt, "plan")] {
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(error.message.contains(known), "{error}");
    }
}

#[test]
fn a_fixed_resource_wins_over_a_template() {
    let run = ready();
    assert_eq!(run.read("note://pinned").unwrap(), ResourceBody::Blob(vec![1, 2]));
    assert_eq!(run.read("note://a%20b").unwrap(), ResourceBody::Text("note a b".to_owned()));
}

#[test]
fn prompts_need_their_required_arguments() {
    let run = ready();
    assert_eq!(run.prompt("plan", &[]).unwrap_err().code, ErrorCode::InvalidInput);
    let messages = run.prompt("plan", &[("what", "lunch")]).unwrap();
    assert_eq!(messages[0].role, PromptRole::User);
    assert_eq!(messages[0].content, Content::Text("lunch".to_owned()));
}

#[test]
fn health_comes_from_a_result() {
    let missing = ready().health();
    assert_eq!(missing.status, HealthStatus::Down);
    assert!(missing.reason.contains("bulkhead secrets set token"), "{}", missing.reason);
    assert_eq!(ready().gate(FakeGate::new().secret("token")).health(), Health::ok());
}

#[test]
fn classes_bring_their_hints_and_authors_override_them() {
    let tools = ready().describe().tools;
    let hints = |index: usize| {
        let a = tools[index].annotations;
        (tools[index].class, [a.read_only, a.destructive, a.idempotent, a.open_world])
    };
    assert_eq!(hints(0), (ToolClass::Read, [true, false, true, false]));
    assert_eq!(hints(1), (ToolClass::Scan, [false, false, false, false]));
    assert_eq!(hints(2), (ToolClass::Write, [false, false, false, true]));
}

#[test]
fn problems_are_found_before_the_hub_finds_them() {
    let problems = ready().problems();
    let expected = [
        "tool `scan.now`: it has no description, so no model can choose it",
        "tool `scan.now`: its output schema is not of an object: make the output a struct",
        "tool `issue.create`: it has no description, so no model can choose it",
    ];
    assert_eq!(problems, expected);
}
