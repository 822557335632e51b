//! Another program takes the hub's place while it serves.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    campaign,
    certificates::text,
    clients::finish,
    events::EventSource,
    hello::HELLO,
    hub::{AUDITOR, Folder, Hub, VIEWER, eventually},
    socket::{Socket, host, post},
};

/// A copy of the program where nobody but its owner can change it.
fn program(folder: &Path) -> PathBuf {
    let path = folder.join("bulkhead");
    fs::copy(env!("CARGO_BIN_EXE_bulkhead"), &path).expect("copied");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
    path
}

/// Something that answers `--version` with this, and does nothing else.
fn sham(folder: &Path, name: &str, says: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n[ \"$1\" = --version ] && echo '{says}'\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
    path
}

fn upgrade(hub: &Hub, arguments: &[&str]) -> Output {
    finish(hub.program().arg("upgrade").args(arguments))
}

/// A hub that took another's place: it ends with the test.
struct Heir(u32);

impl Heir {
    /// As `bulkhead upgrade` told it.
    fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stdout);
        let process = said.strip_prefix("process ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        Self(process.unwrap_or_else(|| panic!("{output:?}")))
    }

    fn is_there(&self) -> bool {
        // A process that has ended and that nobody asked about is still listed.
        let status = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        if self.is_there() {
            let _ = Command::new("kill").args(["-KILL", &self.0.to_string()]).status();
        }
    }
}

/// Calls one after the other until it is told to stop; each must be answered.
struct Callers {
    end: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Callers {
    /// Clients of three kinds: of HTTP/1.1 and of HTTP/2 with a pool, and bare connections, which retry nothing.
    fn start(hub: &Hub, number: usize) -> Self {
        let (end, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let builder = || reqwest::Client::builder().no_proxy();
        let (one, two) = (builder().http1_only(), builder().http2_prior_knowledge());
        let (one, two) = (one.build().expect("a client"), two.build().expect("a client"));
        let tasks = (0..number).map(|index| {
            let (end, answered) = (Arc::clone(&end), Arc::clone(&answered));
            let (url, token) = (format!("{}/providers/hello-rs/echo.v1", hub.url), hub.token(VIEWER));
            let request = post(hub, "/providers/hello-rs/echo.v1", &token, r#"{"message":"hi"}"#);
            let address = host(hub).to_owned();
            let client = if index % 3 == 0 { two.clone() } else { one.clone() };
            tokio::spawn(async move {
                let mut socket = None;
                while !end.load(Ordering::Relaxed) {
                    if index % 3 == 2 {
                        bare_call(&mut socket, &address, &request).await;
                    } else {
                        let body = json!({ "message": "hi" }).to_string();
                        let sent = client.post(&url).bearer_auth(&token).header("content-type", "application/json");
                        let answer = sent.body(body).send().await.expect("an answer");
                        assert_eq!(answer.status().as_u16(), 200);
                        assert_eq!(answer.text().await.expect("a body"), r#"{"message":"hi"}"#);
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                    // So that connections also idle.
                    tokio::time::sleep(Duration::from_millis(20 + index as u64 % 7 * 10)).await;
                }
            })
        });
        let tasks = tasks.collect();
        Self { end, answered, tasks }
    }

    /// Until so many more calls have been answered.
    async fn answered(&self, more: usize) {
        let aim = self.answered.load(Ordering::Relaxed) + more;
        eventually("calls are answered", async || {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a caller was failed");
            (self.answered.load(Ordering::Relaxed) >= aim).then_some(())
        })
        .await;
    }

    async fn stop(self) -> usize {
        self.end.store(true, Ordering::Relaxed);
        for ended in join_all(self.tasks).await {
            ended.expect("every call was answered");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

/// A call on a connection that is kept until the hub says that it closes it.
async fn bare_call(socket: &mut Option<Socket>, address: &str, request: &str) {
    let mut open = match socket.take() {
        Some(open) => open,
        None => Socket::open_at(address).await,
    };
    assert!(open.send(request).await, "a connection that was not said to close takes a request");
    let answer = open.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &br#"{"message":"hi"}"#[..]));
    if answer.header("connection") != Some("close") {
        *socket = Some(open);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_notice_nothing_of_upgrades() {
    let (folder, times) = (Folder::new(), campaign::size(2, 5));
    let program = program(folder.path());
    let mut hub = Hub::start(HELLO);
    let callers = Callers::start(&hub, 64);
    let mut heirs: Vec<Heir> = Vec::new();
    callers.answered(200).await;
    for _ in 0..times {
        let mut command = hub.program();
        command.arg("upgrade").arg(&program);
        let output = tokio::task::spawn_blocking(move || finish(&mut command)).await.expect("a task");
        assert!(output.status.success(), "{output:?} {}", hub.log());
        heirs.push(Heir::of(&output));
        callers.answered(400).await;
    }
    let answered = callers.stop().await;
    eventually("the first hub has ended", async || hub.ended()).await;
    let last = heirs.pop().expect("an heir");
    for heir in &heirs {
        eventually("each has ended but the last", async || (!heir.is_there()).then_some(())).await;
    }
    assert!(last.is_there());
    let rows = hub.events();
    let calls = rows.iter().filter(|row| row["operation"] == "call_tool" && row["outcome"] == "ok").count();
    assert_eq!(calls, answered, "each call has its row, whoever answered it");
    assert!(hub.command(&["audit", "verify"]).contains("nothing was changed or removed"));
}

#[tokio::test]
async fn idle_connections_are_served_once_more_streams_end_and_the_act_is_on_record() {
    let folder = Folder::new();
    let program = program(folder.path());
    let mut hub = Hub::start(HELLO);
    let (token, auditor) = (hub.token(VIEWER), hub.token(AUDITOR));
    let request = post(&hub, "/providers/hello-rs/echo.v1", &token, r#"{"message":"hi"}"#);
    let mut idle = Socket::open(&hub).await;
    assert!(idle.send(&request).await);
    let answer = idle.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (200, None));
    let mut stream = EventSource::open(&hub, "operation=call_tool", &auditor, None).await;

    let output = upgrade(&hub, &[text(&program)]);
    let heir = Heir::of(&output);
    assert_ne!(heir.0, hub.pid());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("version {}", env!("CARGO_PKG_VERSION"))), "{said}");
    // A stream ends, so that its client comes again.
    while stream.next().await.is_some() {}
    assert!(idle.send(&request).await);
    let answer = idle.answer().await.expect("an idle connection is served once more");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    // On the connection that the stream left idle, if the client kept it.
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "either" })).await.status, 200);
    let ended = eventually("the old hub ends with its last connection", async || hub.ended()).await;
    assert_eq!(ended.code(), Some(0), "{}", hub.log());
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "new" })).await.status, 200);

    let row = rows(&hub).pop().expect("a row");
    assert_eq!((row.surface.as_str(), row.outcome.as_str()), ("cli", "ok"));
    let asked: Value = serde_json::from_str(&row.asked).expect("JSON");
    assert_eq!((&asked["process"], &asked["version"]), (&json!(heir.0), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(asked["program"], text(&program.canonicalize().expect("a path")));
    // The heir is a hub like any other: it makes way in turn, and ends when it is asked to.
    let next = Heir::of(&upgrade(&hub, &[text(&program)]));
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "either" })).await.status, 200);
    eventually("it has made way", async || (!heir.is_there()).then_some(())).await;
    assert!(Command::new("kill").args(["-TERM", &next.0.to_string()]).status().expect("kill runs").success());
    eventually("it ends", async || (!next.is_there()).then_some(())).await;
    assert!(!upgrade(&hub, &[text(&program)]).status.success());
}

/// The rows of upgrades, oldest first.
fn rows(hub: &Hub) -> Vec<Row> {
    let database = hub.database();
    let query = "SELECT surface, outcome, payload FROM events WHERE operation = 'upgrade' ORDER BY recorded_at";
    let mut statement = database.prepare(query).expect("a query");
    let rows =
        statement.query_map([], |row| Ok(Row { surface: row.get(0)?, outcome: row.get(1)?, asked: row.get(2)? }));
    rows.expect("rows").collect::<rusqlite::Result<_>>().expect("rows")
}

struct Row {
    surface: String,
    outcome: String,
    /// The payload, JSON.
    asked: String,
}

#[tokio::test]
async fn whatever_may_not_take_over_does_not_and_the_hub_says_why_and_goes_on() {
    let folder = Folder::new();
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let at = |name: &str| folder.path().join(name);
    let own = Command::new(env!("CARGO_BIN_EXE_bulkhead")).arg("--version").output().expect("it runs").stdout;
    let own = String::from_utf8(own).expect("text").trim().to_owned();
    let schema = own.split_once(' ').and_then(|(_, rest)| rest.split_once(' ')).expect("a schema").1;
    let writable = program(folder.path());
    fs::set_permissions(&writable, fs::Permissions::from_mode(0o775)).expect("set");
    let open = at("open");
    fs::create_dir(&open).expect("made");
    let exposed = sham(&open, "bulkhead", &own);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("set");
    for (program, force, told) in [
        (at("missing"), false, "cannot use"),
        (folder.path().to_owned(), false, "is not a program"),
        (writable, true, "can be changed by others"),
        (exposed, true, "can be changed by others"),
        (sham(folder.path(), "other", "nginx 1.2.3"), true, "is no Bulkhead"),
        (sham(folder.path(), "silent", ""), true, "is no Bulkhead"),
        (sham(folder.path(), "older", &format!("bulkhead 0.0.1 {schema}")), false, "add `--force`"),
        (sham(folder.path(), "schema", "bulkhead 9.0.0 (schema 999)"), true, "database schema"),
        // It has the right name, and ends at once.
        (sham(folder.path(), "dies", &own), false, "it ended before it was ready"),
        (sham(folder.path(), "dies-too", &format!("bulkhead 0.0.1 {schema}")), true, "it ended before it was ready"),
    ] {
        let arguments: &[&str] = if force { &["--force", text(&program)] } else { &[text(&program)] };
        let output = upgrade(&hub, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(told), "{}: {said}", program.display());
        assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "still" })).await.status, 200);
    }
    let failed = rows(&hub);
    assert_eq!(failed.len(), 9, "what came to the hub is on record");
    assert!(failed.iter().all(|row| row.outcome == "failed"));
}

#[tokio::test]
async fn a_hub_that_would_serve_less_does_not_take_over() {
    let folder = Folder::new();
    let program = program(folder.path());
    let component = folder.path().join("hello.wasm");
    fs::copy(crate::support::hub::component("hello-rs"), &component).expect("copied");
    let hub = Hub::start(&HELLO.replace("{hello-rs.wasm}", text(&component)));
    let token = hub.token(VIEWER);
    fs::write(&component, "no component").expect("written");
    let output = upgrade(&hub, &[text(&program)]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("it does not serve hello-rs"), "{said}");
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "still" })).await.status, 200);
}

/// `systemd-socket-activate` in small: the program gets a socket as file descriptor 3.
#[tokio::test]
async fn a_socket_of_the_service_managers_is_used_and_systemd_is_told() {
    let folder = Folder::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let told = std::os::unix::net::UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
    told.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let hub = Hub::start(HELLO);
    // The shell moves the socket from where it can be given to where it is expected; `$$` is the process that the hub becomes.
    let script = r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#;
    let plain = hub.program();
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(plain.get_program()).args(plain.get_args());
    command.args(["serve", "--listen", "127.0.0.1:1"]).env("NOTIFY_SOCKET", folder.path().join("notify"));
    let mut child = command.stdin(std::os::fd::OwnedFd::from(listener)).spawn().expect("it starts");
    let mut buffer = [0; 256];
    let length = told.recv(&mut buffer).expect("systemd is told");
    assert!(String::from_utf8_lossy(&buffer[..length]).contains("READY=1"));
    let answer = hub.client().get(format!("http://{address}/livez")).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    let two = upgrade(&hub, &[env!("CARGO_BIN_EXE_bulkhead")]);
    let said = String::from_utf8_lossy(&two.stderr).into_owned();
    assert!(said.contains("2 hubs serve") && said.contains(&child.id().to_string()), "{said}");

    let program = program(folder.path());
    let heir = Heir::of(&upgrade(&hub, &["--process", &child.id().to_string(), text(&program)]));
    let length = told.recv(&mut buffer).expect("systemd is told");
    assert!(String::from_utf8_lossy(&buffer[..length]).contains(&format!("MAINPID={}", heir.0)));
    let answer = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = answer.get(format!("http://{address}/livez")).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(child.wait().expect("it ends").success());
    assert!(heir.is_there());
}
