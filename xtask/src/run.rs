//! `cargo xtask run`: everything built, a first call ready to paste, then the hub in the foreground.

use std::convert::Infallible;
use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{components, host, process};

/// What the hub prints once its providers have loaded.
const READY: &str = "ready";

/// The token of the first call, which is pasted at once.
const FIRST: Wanted = Wanted { role: "ops_operator", ttl: "1h" };
/// The token that goes into a client's own config, where it stays: it must not end within the hour, nor may it do more than
/// look, unless asked for.
const CLIENT: Wanted = Wanted { role: "ops_viewer", ttl: "30d" };

/// A token to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted<'a> {
    role: &'a str,
    ttl: &'a str,
}

/// Builds, makes the tokens (and the key that signs them, where there is none yet), greets, then *becomes* the hub: Ctrl-C,
/// SIGTERM and the exit status are the hub's own, nothing runs beside it and nothing is left behind.
pub fn run(workspace: &Workspace, args: &[String]) -> Result<Infallible> {
    let (client, serve_args) = wanted(args)?;
    components::build(workspace, components::Which::Shipped)?;
    host::build(workspace)?;

    let hub = workspace.hub();
    let url = reachable(&setting(serve_args, "--listen", "BULKHEAD_LISTEN", "127.0.0.1:8080"));
    let data = setting(serve_args, "--data", "BULKHEAD_DATA", "data");
    let has_issuer = option(serve_args, "--jwks-url").is_some() || env::var_os("BULKHEAD_JWKS_URL").is_some();
    if has_issuer {
        println!("{}", of_others(&url));
    } else {
        let token = |wanted| mint(&workspace.root, &hub, &data, wanted);
        println!("{}", welcome(&url, &token(FIRST)?, client, &token(client)?));
    }

    let mut command = Command::new(&hub);
    command.current_dir(&workspace.root).arg("serve").args(serve_args);
    if option(serve_args, "--data").is_none() {
        command.args(["--data", &data]);
    }
    Err(command.exec()).with_context(|| format!("{} could not start", hub.display()))
}

/// What is asked of the client's token, and what goes to `serve`: that stands behind two dashes.
fn wanted(args: &[String]) -> Result<(Wanted<'_>, &[String])> {
    let end = args.iter().position(|arg| arg == "--");
    let (own, serve_args) = end.map_or((args, &[][..]), |end| (&args[..end], &args[end + 1..]));
    let mut client = CLIENT;
    let mut own = own.iter().map(String::as_str);
    while let Some(name) = own.next() {
        let asked = match name {
            "--role" => &mut client.role,
            "--ttl" => &mut client.ttl,
            _ => bail!(
                "`run` does not know `{name}`: it takes --role and --ttl of the token for clients, and passes on what stands \
                 behind two dashes: cargo xtask run -- {name}"
            ),
        };
        *asked = own.next().with_context(|| format!("`{name}` needs a value, such as `--role ops_operator`"))?;
    }
    Ok((client, serve_args))
}

/// What `serve` goes by: its argument, or the variable, or what it does without either.
fn setting(args: &[String], name: &str, variable: &str, default: &str) -> String {
    option(args, name).or_else(|| env::var(variable).ok()).unwrap_or_else(|| default.to_owned())
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

/// Where a client finds a hub that listens there: an address that stands for all of the machine's cannot be dialled, and
/// which port becomes of 0 is told by the hub alone.
fn reachable(listen: &str) -> String {
    let url = format!("http://{listen}").replacen("//0.0.0.0:", "//127.0.0.1:", 1).replacen("//[::]:", "//[::1]:", 1);
    url.strip_suffix(":0").map_or(url.clone(), |host| format!("{host}:PORT"))
}

fn mint(root: &Path, hub: &Path, data: &str, wanted: Wanted<'_>) -> Result<String> {
    let mut command = Command::new(hub);
    command.current_dir(root).args(["token", "--role", wanted.role, "--ttl", wanted.ttl, "--data", data]);
    let token = process::capture(&mut command, Duration::from_secs(20)).context("no token could be made")?;
    Ok(token.trim().to_owned())
}

fn welcome(url: &str, first: &str, client: Wanted<'_>, of_client: &str) -> String {
    let Wanted { role, ttl } = client;
    format!(
        "\n\
         Bulkhead starts, and is ready once it says `{READY}`. A token for the role {}, for {}:\n\n{first}\n\n\
         A first call, to paste into another terminal:\n\n{}\n\n\
         Claude Code, and any other client of MCP (with a token of its own for {role}, for {ttl}; `cargo xtask run --role \
         ops_operator` for one that may do more):\n\n{}\n\n\
         Ctrl-C stops the hub.\n",
        FIRST.role,
        FIRST.ttl,
        first_call(url, first),
        add_to_claude(url, of_client),
    )
}

/// Where tokens come from an identity provider, there is none to print.
fn of_others(url: &str) -> String {
    format!(
        "\n\
         Bulkhead starts, and is ready once it says `{READY}`. With a token of your identity provider in TOKEN:\n\n{}\n\n{}\n\n\
         Ctrl-C stops the hub.\n",
        first_call(url, "$TOKEN"),
        add_to_claude(url, "$TOKEN"),
    )
}

fn first_call(url: &str, token: &str) -> String {
    format!(
        "curl -s -X POST {url}/providers/hello-rs/echo.v1 -H \"Authorization: Bearer {token}\" \
         -H 'content-type: application/json' -d '{{\"message\":\"hello\"}}'"
    )
}

/// The endpoint whose names every client takes: many refuse or rewrite dots.
fn add_to_claude(url: &str, token: &str) -> String {
    format!("claude mcp add --transport http bulkhead {url}/mcp/flat --header \"Authorization: Bearer {token}\"")
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
    fn the_first_call_is_one_line_with_the_short_token() {
        let text = welcome("http://127.0.0.1:8080", "SHORT", CLIENT, "LONG");
        let call = text.lines().find(|line| line.starts_with("curl ")).unwrap();
        assert!(call.ends_with(r#"-d '{"message":"hello"}'"#) && call.contains("Bearer SHORT"), "{call}");
    }

    #[test]
    fn a_client_gets_a_lasting_token_that_may_only_look_and_names_without_dots() {
        let text = welcome("http://127.0.0.1:8080", "SHORT", CLIENT, "LONG");
        let line = text.lines().find(|line| line.starts_with("claude ")).unwrap();
        let expected = "claude mcp add --transport http bulkhead http://127.0.0.1:8080/mcp/flat \
                        --header \"Authorization: Bearer LONG\"";
        assert_eq!(line, expected);
        assert_eq!(CLIENT, Wanted { role: "ops_viewer", ttl: "30d" });
        assert!(text.contains("for ops_viewer, for 30d"), "{text}");
    }

    #[test]
    fn another_role_and_time_may_be_asked_for() {
        let args = words("--role ops_operator --ttl 7d -- --listen :1 --role x");
        let (client, serve_args) = wanted(&args).unwrap();
        assert_eq!(client, Wanted { role: "ops_operator", ttl: "7d" });
        assert_eq!(serve_args, words("--listen :1 --role x"));
        assert_eq!(wanted(&[]).unwrap(), (CLIENT, &[][..]));
        assert!(wanted(&words("--listen :1")).unwrap_err().to_string().contains("cargo xtask run -- --listen"));
        assert!(wanted(&words("--role")).is_err());
    }

    #[test]
    fn an_address_of_everywhere_is_told_as_one_that_can_be_dialled() {
        assert_eq!(reachable("0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080"), "http://[::1]:8080");
        assert_eq!(reachable("10.0.0.0:8080"), "http://10.0.0.0:8080");
        assert_eq!(reachable("127.0.0.1:0"), "http://127.0.0.1:PORT");
        assert_eq!(reachable("[::]:0"), "http://[::1]:PORT");
    }

    #[test]
    fn where_an_identity_provider_makes_tokens_none_is_printed() {
        let text = of_others("http://127.0.0.1:8080");
        assert!(text.contains("Bearer $TOKEN") && text.contains("/mcp/flat"), "{text}");
    }
}
