//! Exercises every gate and every way to misbehave; for tests only, never in a shipped config.

#![forbid(unsafe_code)]

mod embed;
mod fetch;
mod misbehave;
mod say;
mod secrets;
mod send;
mod smuggle;
mod variant;

use bulkhead_sdk::prelude::*;

/// The output of a tool that has nothing to tell.
#[derive(Serialize, JsonSchema)]
struct Done {
    /// Always true.
    done: bool,
}

const DONE: Done = Done { done: true };

/// The provider's settings.
#[derive(Deserialize)]
struct Settings {
    /// How it says it is: ok, degraded, down, forever, trap, leak, or as the request of `send` ends.
    #[serde(default)]
    health: String,
    /// What the check, a resource and a prompt send.
    send: Option<send::Send>,
}

/// The provider: everything it offers, in one place.
#[must_use]
pub fn provider() -> Provider {
    let summary = variant::describe();
    Provider::new(&summary, env!("CARGO_PKG_VERSION"))
        .tool(Tool::read("variant.tell", "1.0", variant::tell).description(&summary))
        .tool(Tool::read("calls.count", "1.0", misbehave::count).description("Counts its calls in a global variable."))
        .tool(Tool::read("spin.forever", "1.0", misbehave::spin).description("Loops and never answers."))
        .tool(Tool::read("spin.recurse", "1.0", misbehave::recurse).description("Calls itself so often."))
        .tool(Tool::read("clock.busy", "1.0", misbehave::busy).description("Counts to a number."))
        .tool(Tool::read("memory.grow", "1.0", misbehave::grow).description("Uses so much memory."))
        .tool(Tool::read("memory.take", "1.0", misbehave::take).description("Tells by how much its memory grew."))
        .tool(Tool::read("crash.panic", "1.0", misbehave::panic).description("Panics."))
        .tool(Tool::read("output.wrong", "1.0", misbehave::wrong).description("Breaks its own output schema."))
        .tool(Tool::read("output.large", "1.0", misbehave::large).description("Returns so many letters."))
        .tool(Tool::read("fail.with", "1.0", misbehave::fail).description("Answers with the error that it is given."))
        .tool(Tool::read("fetch.get", "1.0", fetch::get).description("Sends a GET."))
        .tool(Tool::read("fetch.ask", "1.0", send::send).description("Sends any method, although it only reads."))
        .tool(Tool::write("fetch.send", "1.0", send::send).description("Sends any method."))
        .tool(Tool::read("embed.resource", "1.0", embed::tool).description("Shows a resource of any URI."))
        .tool(Tool::read("fetch.many", "1.0", fetch::many).description("Sends several GETs at once."))
        .tool(Tool::read("secret.reference", "1.0", secrets::reference).description("Tells what it sees of a secret."))
        .tool(Tool::read("secret.reveal", "1.0", secrets::reveal).description("Reveals a secret, tells its length."))
        .tool(Tool::read("secret.leak", "1.0", secrets::leak).description("Reveals a secret and says it aloud."))
        .tool(
            Tool::write("secret.smuggle", "1.0", secrets::smuggle).description("Sends a reference where none may be."),
        )
        .tool(Tool::read("secret.see", "1.0", smuggle::see).description("Tells backwards what it sees of an answer."))
        .tool(
            Tool::write("secret.write", "1.0", smuggle::write).description("Sends references in any place and shape."),
        )
        .tool(Tool::read("secret.twice", "1.0", smuggle::twice).description("Sends a secret twice."))
        .tool(Tool::read("event.emit", "1.0", say::emit).description("Emits an event, several times if asked to."))
        .tool(Tool::read("log.flood", "1.0", say::flood).description("Logs so many lines."))
        .tool(Tool::scan("scan.slow", "1.0", fetch::slow).description("A scan that waits for a URL."))
        .tool(Tool::write("write.note", "1.0", say::note).description("A write that changes nothing."))
        .resource(Resource::new("testbed://leak", "leak", secrets::leak_as_text).description("Reveals `token`."))
        .resource(
            Resource::new("testbed://sent", "sent", send::of_settings).description("Sends what the settings say."),
        )
        .resource(
            Resource::template("testbed://items/{id}", "item", |_, variables| variables.get("id").map(str::to_owned))
                .description("Says its own id."),
        )
        .prompt(Prompt::new("send", "Sends what the settings say.", |cx, _| send::of_settings(cx)))
        .prompt(
            Prompt::new("embed", "Shows a resource of any URI.", embed::prompt).required("uri", "The resource's URI."),
        )
        .prompt(Prompt::new("leak", "Reveals `token`.", |cx, _| secrets::leak_as_text(cx)))
        .health(health)
}

fn health(cx: &Context) -> Health {
    match cx.settings::<Settings>() {
        Ok(settings) => match settings.health.as_str() {
            "degraded" => Health::degraded("the settings say so"),
            "down" => Health::down("the settings say so"),
            "forever" => misbehave::forever(),
            "leak" => match secrets::leak_as_text(cx) {
                Ok(text) => Health::degraded(text),
                Err(error) => Health::down(error.message),
            },
            "send" => match send::of_settings(cx) {
                Ok(_) => Health::ok(),
                Err(error) => Health::down(error.message),
            },
            "trap" => panic!("the settings say so"),
            _ => Health::ok(),
        },
        Err(error) => Health::down(error.message),
    }
}

bulkhead_sdk::export!(provider);
