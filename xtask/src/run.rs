//! `cargo xtask run`: everything built, the hub in the foreground, and a first call ready to paste.

use std::convert::Infallible;
use std::env;
use std::io::{self, BufRead, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{components, host, process};

/// The command under which this program starts itself beside the hub.
pub const GREETER: &str = "greet-beside-the-hub";

/// What the hub prints once it answers; the address follows.
const READY: &str = "listening on ";

/// Builds, then *becomes* the hub, so that Ctrl-C, SIGTERM and the exit status are the hub's own and nothing is left
/// behind. A second process reads the hub's output, greets when it is ready, and ends with it.
pub fn run(workspace: &Workspace, serve_args: &[String]) -> Result<Infallible> {
    components::build(workspace, &[])?;
    host::build(workspace)?;

    let data = option(serve_args, "--data").or_else(|| env::var("BULKHEAD_DATA").ok()).unwrap_or_else(|| "data".into());
    let hub = workspace.hub();
    let (output, input) = io::pipe().context("no pipe for the hub's output")?;
    start_greeter(workspace, &hub, &data, output)?;

    let mut command = Command::new(&hub);
    command.current_dir(&workspace.root).arg("serve").args(serve_args).stdout(input);
    if option(serve_args, "--data").is_none() {
        command.args(["--data", &data]);
    }
    Err(command.exec()).with_context(|| format!("{} could not start", hub.display()))
}

fn start_greeter(workspace: &Workspace, hub: &Path, data: &str, output: PipeReader) -> Result<()> {
    let program = env::current_exe().context("this program's own path is unknown")?;
    let mut greeter = Command::new(program);
    greeter.current_dir(&workspace.root).arg(GREETER).arg(hub).arg(data).stdin(Stdio::from(output));
    // In a group of its own Ctrl-C passes it by: it has to outlive the hub's last line.
    greeter.process_group(0).spawn().context("the greeter could not start")?;
    Ok(())
}

/// The value of an option in either spelling.
fn option(args: &[String], name: &str) -> Option<String> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.strip_prefix(name) {
            Some("") => return args.next().cloned(),
            Some(rest) if rest.starts_with('=') => return Some(rest[1..].to_owned()),
            _ => {}
        }
    }
    None
}

/// Passes the hub's output on and greets once, when the hub says that it is ready.
pub fn greet(args: &[String]) -> Result<()> {
    let [hub, data] = args else { bail!("this command is not for people; use `cargo xtask run`") };
    let mut greeted = false;
    for line in io::stdin().lock().lines() {
        let line = line.context("the hub's output is lost")?;
        println!("{line}");
        if let Some(url) = line.strip_prefix(READY).filter(|_| !greeted) {
            greeted = true;
            println!("{}", welcome(url.trim(), &mint(hub, data)));
        }
    }
    Ok(())
}

fn mint(hub: &str, data: &str) -> Result<String> {
    let mut command = Command::new(hub);
    command.args(["token", "--role", "ops_operator", "--data", data]);
    Ok(process::capture(&mut command, Duration::from_secs(20))?.trim().to_owned())
}

fn welcome(url: &str, token: &Result<String>) -> String {
    let token = match token {
        Ok(token) => token,
        Err(error) => return format!("\nThe hub is ready at {url}, but no token could be made: {error:#}\n"),
    };
    format!(
        "\n\
         Bulkhead is ready. A token for the role ops_operator:\n\n{token}\n\n\
         A first call, to paste into another terminal:\n\n\
         curl -s -X POST {url}/providers/hello-rs/echo.v1 -H \"Authorization: Bearer {token}\" \
         -H 'content-type: application/json' -d '{{\"message\":\"hello\"}}'\n\n\
         Claude Code:\n\n\
         claude mcp add --transport http bulkhead {url}/mcp --header \"Authorization: Bearer {token}\"\n\n\
         Ctrl-C stops the hub.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_option_is_found_in_both_spellings() {
        assert_eq!(option(&words("--listen :1 --data a"), "--data").as_deref(), Some("a"));
        assert_eq!(option(&words("--data=b --listen :1"), "--data").as_deref(), Some("b"));
        assert_eq!(option(&words("--database-url x"), "--data"), None);
    }

    #[test]
    fn the_first_call_is_one_line() {
        let text = welcome("http://127.0.0.1:8080", &Ok("T".into()));
        let call = text.lines().find(|line| line.starts_with("curl ")).unwrap();
        assert!(call.ends_with(r#"-d '{"message":"hello"}'"#), "{call}");
    }
}
