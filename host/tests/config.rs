//! The shipped config, and configs that are none.

use std::{
    os::unix::{fs::PermissionsExt as _, fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::json;

use crate::support::hello::HELLO;
use crate::support::hub::{Folder, Hub, VIEWER, eventually};
use crate::support::testbed::testbed;

#[test]
fn every_provider_of_the_shipped_config_loads_once_it_is_enabled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("a path");
    let shipped = std::fs::read_to_string(root.join("provider-config.yaml")).expect("a config");
    let folder = Folder::new();
    let config = folder.path().join("all.yaml");
    let enabled = shipped.replace("enabled: false", "enabled: true");
    let absolute = enabled.replace("component: providers/", &format!("component: {}/providers/", root.display()));
    std::fs::write(&config, absolute).expect("written");
    let output =
        Command::new(env!("CARGO_BIN_EXE_bulkhead")).args(["config", "check"]).arg(&config).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told} {output:?}");
    for provider in ["hello-rs", "netdata", "osv", "socket", "sentry"] {
        assert!(told.contains(&format!("{provider}: ok")), "{told}");
    }
}

/// What stands where a config should, and what is said of it. None of these can be read like a file.
const NO_FILES: [(&str, &str); 4] = [
    ("fifo", "it is a FIFO"),
    ("folder", "it is a folder"),
    ("device", "it is a device"),
    ("socket", "it is a socket"),
];

/// Puts it there in one step; gives what has to live for as long as it is to stay.
fn put(kind: &str, path: &Path) -> Option<UnixListener> {
    let fresh = path.with_extension(format!("{kind}-new"));
    let mut listener = None;
    match kind {
        "fifo" => assert!(Command::new("mkfifo").arg(&fresh).status().expect("mkfifo runs").success()),
        "folder" => std::fs::create_dir(&fresh).expect("a folder"),
        "device" => symlink("/dev/zero", &fresh).expect("a link"),
        _ => listener = Some(UnixListener::bind(&fresh).expect("a socket")),
    }
    let _ = std::fs::remove_file(path);
    let _ = std::fs::remove_dir(path);
    std::fs::rename(&fresh, path).expect("renamed");
    listener
}

/// The output of a command that ends at once.
async fn at_once(mut command: Command) -> (bool, String) {
    let mut command = tokio::process::Command::from(std::mem::replace(&mut command, Command::new("true")));
    let output = tokio::time::timeout(Duration::from_secs(10), command.kill_on_drop(true).output());
    let output = output.await.expect("it ends").expect("it runs");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn a_config_that_is_no_file_is_an_error_at_once_and_the_hub_goes_on_and_ends() {
    let mut hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let config = std::fs::read_to_string(hub.config_path()).expect("a config");
    let serves = async || hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status == 200;
    for (kind, what) in NO_FILES {
        let _kept = put(kind, &hub.config_path());
        let told = eventually(what, async || {
            let health = hub.get("/health", Some(&token)).await.json();
            health["config_error"].as_str().filter(|error| error.contains(what)).map(str::to_owned)
        });
        let told = told.await;
        assert!(told.starts_with("provider-config.yaml: cannot be read"), "{told}");
        assert!(serves().await, "{kind}");

        let mut check = hub.program();
        check.args(["config", "check"]);
        let mut start = hub.program();
        start.args(["serve", "--listen", "127.0.0.1:0"]);
        for command in [check, start] {
            let (succeeded, said) = at_once(command).await;
            assert!(!succeeded && said.contains(what), "{kind}: {said}");
        }
        let _ = std::fs::remove_file(hub.config_path());
        let _ = std::fs::remove_dir(hub.config_path());
        std::fs::write(hub.config_path(), &config).expect("written");
        let mended = async || hub.get("/health", Some(&token)).await.json()["config_error"].is_null().then_some(());
        eventually("it is fixed", mended).await;
    }
    let _kept = put("fifo", &hub.config_path());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(hub.stop(), Some(0), "nothing is being waited for");
}

#[tokio::test]
async fn whatever_else_is_read_from_disk_cannot_hold_the_hub_up_either() {
    let mut hub = Hub::start_with_secrets(&testbed(&["vault_key: token"]), &[("token", "correct horse battery")]);
    let token = hub.token(VIEWER);
    let input = json!({ "name": "token" });
    assert_eq!(hub.call(&token, "testbed/secret.reference", &input).await.status, 200);
    for file in ["vault.json", "vault.key"] {
        let path = hub.data().join(file);
        let kept = std::fs::read(&path).expect("a file");
        put("fifo", &path);
        let mut list = hub.program();
        list.args(["secrets", "list"]);
        let (succeeded, said) = at_once(list).await;
        assert!(!succeeded && said.contains("it is a FIFO"), "{file}: {said}");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, kept).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    }
    put("fifo", &hub.folder().join("ca.pem"));
    hub.configure(&format!("{}outbound: {{ extra_ca: ca.pem }}\n", testbed(&[])));
    let told = eventually("it is told", async || {
        hub.get("/health", Some(&token)).await.json()["config_error"].as_str().map(str::to_owned)
    });
    let told = told.await;
    assert!(told.contains("outbound.extra_ca: `ca.pem`: cannot be read: it is a FIFO"), "{told}");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test]
async fn certificate_authorities_are_watched_like_the_config() {
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(VIEWER);
    let (ca, other) = (authority(), authority());
    let path = hub.folder().join("ca.pem");
    let revision = async || {
        assert_eq!(hub.call(&token, "testbed/calls.count", &json!({})).await.status, 200);
        hub.last_event()["revision"].as_str().expect("an id").to_owned()
    };
    let without = revision().await;
    std::fs::write(&path, &ca).expect("written");
    hub.configure(&format!("{}outbound: {{ extra_ca: ca.pem }}\n", testbed(&[])));
    let with = eventually("it is in use", async || Some(revision().await).filter(|now| *now != without)).await;

    // In place, and as if it had never changed.
    let (length, time) =
        (ca.len().max(other.len()), std::fs::metadata(&path).expect("a file").modified().expect("a time"));
    std::fs::write(&path, format!("{other:length$}")).expect("written");
    std::fs::File::options().write(true).open(&path).expect("a file").set_modified(time).expect("set");
    let changed = eventually("the other is in use", async || Some(revision().await).filter(|now| *now != with)).await;
    assert_ne!(changed, without);

    // What is missing for a moment is tried again.
    std::fs::remove_file(&path).expect("removed");
    let config_error =
        async || hub.get("/health", Some(&token)).await.json()["config_error"].as_str().map(str::to_owned);
    assert!(eventually("it is told", config_error).await.contains("outbound.extra_ca"));
    assert_eq!(revision().await, changed, "what served goes on");
    std::fs::write(&path, &ca).expect("written");
    eventually("it is in use again", async || (revision().await == with).then_some(())).await;
    assert_eq!(config_error().await, None);
}

/// A certificate authority of its own, as PEM.
fn authority() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).expect("a certificate").pem()
}

/// A provider whose secret is not set.
const NEEDS_A_SECRET: &str = "
  socket:
    component: {socket.wasm}
    vault_key: socket_api_key
    allowed_hosts: [api.socket.dev]
    tools: [{ name: repos.list, class: read, min_role: ops_viewer, schema_version: '1.0' }]
";

#[tokio::test]
async fn a_command_that_a_message_tells_leads_to_the_hub_that_tells_it() {
    let hub = Hub::start(NEEDS_A_SECRET);
    let folder = hub.folder().to_str().expect("text").to_owned();
    let stand_in = "--data <data folder of the hub>`";
    let unknown = hub.get("/openapi.json", None).await.text;
    assert!(
        unknown.contains(&format!("`bulkhead token --role ops_viewer {stand_in}")) && !unknown.contains(&folder),
        "{unknown}"
    );
    let token = hub.token(VIEWER);
    let call = hub.call(&token, "socket/repos.list", &json!({})).await.text;
    let health = hub.get("/providers/socket/health", Some(&token)).await.text;
    for said in [&call, &health] {
        assert!(said.contains(&format!("`bulkhead secrets set socket_api_key {stand_in}")), "{said}");
        assert!(!said.contains(&folder), "{said}");
    }
    assert!(hub.events().iter().all(|event| !event.to_string().contains(&folder)), "nor does the trail");

    // On the machine it can be run as it is.
    let output = hub.program().arg("mcp").output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains(&format!("`bulkhead token --role ops_viewer --data {folder}/data`")), "{said}");
    let output = hub.program().arg("mcp").env("BULKHEAD_TOKEN", "wrong").output().expect("it runs");
    // What it says to whoever runs it; its log may have events in it, which are for other machines too.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.lines().any(|line| line.starts_with("bulkhead: ") && !line.contains('<')), "{output:?}");
    let mut relative = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    relative.current_dir(hub.folder()).args(["--data", "my data", "mcp"]).env_remove("BULKHEAD_TOKEN");
    let said = relative.output().expect("it runs").stderr;
    assert!(String::from_utf8_lossy(&said).contains("`bulkhead token --role ops_viewer --data 'my data'`"), "{said:?}");
}
