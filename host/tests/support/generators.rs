//! Client generators that others wrote, and what they need to run.

use std::{fs, path::Path, process::Command};

use super::{clients::finish, tools::test_tool};

/// What a program said when it ended well.
fn ended_well(command: &mut Command) -> String {
    let output = finish(command);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// Runs a program that must have nothing to complain of.
fn ran(command: &mut Command) {
    let said = ended_well(command);
    let complains = said.to_lowercase().lines().any(|line| line.contains("warning") || line.contains("error"));
    assert!(!complains, "{command:?}: {said}");
}

/// A program of npm's, with the `node` that is installed for the tests if there is one. Its home is the folder.
fn node(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(test_tool("generators", &format!("node_modules/.bin/{program}")));
    let bin = test_tool("node", "node_modules/.bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path))).expect("a PATH");
    command.env("PATH", path).env("HOME", folder).current_dir(folder);
    command
}

/// Makes TypeScript of the folder's `openapi.json` twice over, and has the compiler check it together with `usage`, which
/// finds openapi-typescript's types in `./types` and hey-api's client in `./client`.
pub fn typescript(folder: &Path, usage: &str) {
    ran(node("openapi-typescript", folder).args(["openapi.json", "-o", "types.d.ts"]));
    ran(node("openapi-ts", folder).args(["-i", "openapi.json", "-o", "client", "--no-log-file"]));
    fs::write(folder.join("usage.ts"), usage).expect("written");
    let mut check = node("tsc", folder);
    check.args(["--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]);
    ran(check.args(["--lib", "es2022,dom,dom.iterable", "usage.ts"]));
}

/// Makes a Python client of the folder's `openapi.json`, imports all of it, and gives the operations that it has, each as
/// `post /path`.
pub fn python(folder: &Path) -> Vec<String> {
    // What it would tidy the code with is no part of it.
    fs::write(folder.join("generator.yaml"), "post_hooks: []\n").expect("written");
    let program = test_tool("generators", "python/bin/python");
    let mut generate = Command::new(&program);
    generate.current_dir(folder).env("HOME", folder);
    generate.args(["-m", "openapi_python_client", "generate", "--path", "openapi.json", "--output-path", "generated"]);
    ran(generate.args(["--meta", "none", "--config", "generator.yaml", "--fail-on-warning"]));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clients/generated_python.py");
    let listed = ended_well(Command::new(program).current_dir(folder).env("PYTHONPATH", folder).arg(script));
    listed.lines().map(str::to_owned).collect()
}
