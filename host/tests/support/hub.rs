//! A hub of a test's own: the real program with a data folder, a config and a port that nobody else has.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use bulkhead::identity::{LocalKeys, MintRequest};
use serde_json::Value;
use uuid::Uuid;

/// How long anything that should happen soon may take on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// The roles as `bulkhead token --role` takes them.
pub const VIEWER: &str = "ops_viewer";
pub const OPERATOR: &str = "ops_operator";
pub const ADMIN: &str = "ops_admin";
pub const AUDITOR: &str = "ops_auditor";

/// A folder that goes when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running hub.
pub struct Hub {
    pub url: String,
    folder: Folder,
    child: Option<Child>,
    client: reqwest::Client,
    arguments: Vec<String>,
    one_worker: bool,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// The built component of a provider.
pub fn component(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../providers").join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is missing: run `cargo xtask build`", path.display());
    path.canonicalize().expect("a path")
}

impl Hub {
    /// Starts a hub with this `providers:` section, in which `{name.wasm}` stands for the path of a built component.
    pub fn start(providers: &str) -> Self {
        Self::start_with(providers, &[])
    }

    /// The same with further arguments to `serve`.
    pub fn start_with(providers: &str, arguments: &[&str]) -> Self {
        let mut hub = Self::new(providers, arguments);
        hub.run();
        hub
    }

    /// The same with the audit key of another hub, as hubs have that share a database.
    pub fn start_beside(other: &Self, providers: &str, arguments: &[&str]) -> Self {
        let mut hub = Self::new(providers, arguments);
        hub.share_compiled_code();
        fs::copy(other.data().join("audit.key"), hub.data().join("audit.key")).expect("the key is copied");
        hub.run();
        hub
    }

    /// The same with a single thread for all connections.
    pub fn start_on_one_worker(providers: &str) -> Self {
        let mut hub = Self::new(providers, &[]);
        hub.one_worker = true;
        hub.run();
        hub
    }

    /// The same without waiting until its providers have loaded.
    pub fn start_at_once(providers: &str) -> Self {
        let mut hub = Self::new(providers, &[]);
        hub.launch();
        hub
    }

    fn new(providers: &str, arguments: &[&str]) -> Self {
        let hub = Self {
            url: String::new(),
            folder: Folder::new(),
            child: None,
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            one_worker: false,
        };
        hub.configure(providers);
        hub
    }

    /// The same with secrets that are in the vault from the start.
    pub fn start_with_secrets(providers: &str, secrets: &[(&str, &str)]) -> Self {
        Self::start_with_all(providers, secrets, &[])
    }

    /// The same with further arguments to `serve`.
    pub fn start_with_all(providers: &str, secrets: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut hub = Self::new(providers, arguments);
        for (name, value) in secrets {
            hub.set_secret(name, value);
        }
        hub.run();
        hub
    }

    /// `bulkhead secrets set`.
    pub fn set_secret(&self, name: &str, value: &str) {
        use std::io::Write as _;
        let mut child = self.program().args(["secrets", "set", name]).stdin(Stdio::piped()).spawn().expect("it runs");
        child.stdin.take().expect("piped").write_all(value.as_bytes()).expect("it reads");
        assert!(child.wait().expect("it ends").success());
    }

    /// Compiled code depends on the component alone, so all hubs share it: compiling the same again took most of their time.
    fn share_compiled_code(&self) {
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        fs::create_dir_all(&shared).expect("a folder");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.data()).expect("a folder");
        let linked = std::os::unix::fs::symlink(shared, self.data().join("compiled"));
        assert!(linked.is_ok() || self.data().join("compiled").exists(), "{linked:?}");
    }

    /// Has a hub that is stopped compile for itself again.
    pub fn forget_compiled_code(&self) -> PathBuf {
        let kept = self.data().join("compiled");
        let removed = if kept.is_symlink() { fs::remove_file(&kept) } else { fs::remove_dir_all(&kept) };
        removed.and_then(|()| fs::create_dir(&kept)).expect("an empty folder");
        kept
    }

    /// Starts the program again with the same folder, and waits until its providers have loaded.
    pub fn run(&mut self) {
        let mut said = self.launch();
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready", "{}", self.log());
    }

    /// Starts it, and waits until it listens. Gives what else it says.
    fn launch(&mut self) -> BufReader<ChildStdout> {
        self.share_compiled_code();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log file");
        let listens = self.arguments.iter().any(|argument| argument == "--listen");
        let mut child = self
            .program()
            .arg("serve")
            .args(if listens { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .args(&self.arguments)
            .envs(self.one_worker.then_some(("TOKIO_WORKER_THREADS", "1")))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the hub starts");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        said.read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ");
        self.url = url.unwrap_or_else(|| panic!("the hub did not start: {}", self.log())).to_owned();
        self.child = Some(child);
        said
    }

    /// Where it listens from the next start on.
    pub fn listen_at(&mut self, address: &str) {
        self.arguments.extend(["--listen".to_owned(), address.to_owned()]);
    }

    /// The program with this hub's data, config and store, for other commands.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.arg("--data").arg(self.data()).arg("--config").arg(self.config_path()).env_remove("BULKHEAD_TOKEN");
        // Where the hub records, unless the command says otherwise.
        let url = self.arguments.iter().skip_while(|argument| *argument != "--database-url").nth(1);
        command.envs(url.map(|url| ("BULKHEAD_DATABASE_URL", url)));
        command
    }

    /// Runs a command of the program to its end and gives its output.
    pub fn command(&self, arguments: &[&str]) -> String {
        let output = self.program().args(arguments).output().expect("it runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("provider-config.yaml")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// All that the hub has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Writes the config: see [`Self::start`].
    pub fn configure(&self, providers: &str) {
        let mut text = format!("version: '1.0'\nproviders:\n{providers}");
        while let Some(end) = text.find(".wasm}") {
            let start = text[..end].rfind('{').expect("a placeholder begins with a brace");
            let path = component(&text[start + 1..end]);
            text.replace_range(start..end + ".wasm}".len(), &path.display().to_string());
        }
        // In one step: a file that is being written is read as it is by whoever looks just then.
        super::testbed::replace(self.folder.path(), "provider-config.yaml", text.as_bytes());
    }

    /// A token for a new user.
    pub fn token(&self, role: &str) -> String {
        self.token_for(role, Uuid::new_v4())
    }

    /// A token for this user, as `bulkhead token` makes it: a program for each would be most of many a test's work.
    pub fn token_for(&self, role: &str, user: Uuid) -> String {
        let role = role.parse().expect("a role");
        let request = MintRequest { user, role, team: None, ttl: Duration::from_secs(3600) };
        LocalKeys::open(&self.data()).expect("the hub's key").mint(&request).expect("a token")
    }

    /// `POST /providers/{path}` with a token.
    pub async fn call(&self, token: &str, path: &str, input: &Value) -> Reply {
        self.post(&format!("/providers/{path}"), Some(token), input.to_string()).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: impl Into<reqwest::Body>) -> Reply {
        let request = self.client.post(format!("{}{path}", self.url)).body(body);
        Self::send(request.header("content-type", "application/json"), token).await
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Reply {
        Self::send(self.client.get(format!("{}{path}", self.url)), token).await
    }

    /// One JSON-RPC message to `/mcp`, in the legacy era.
    pub async fn mcp(&self, token: &str, method: &str, params: &Value) -> Value {
        let message = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self.client.post(format!("{}/mcp", self.url)).body(message.to_string());
        let request = request.header("content-type", "application/json");
        Self::send(request.header("accept", "application/json, text/event-stream"), Some(token)).await.json()
    }

    pub async fn send(request: reqwest::RequestBuilder, token: Option<&str>) -> Reply {
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.expect("a body") }
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The database, for reading.
    pub fn database(&self) -> rusqlite::Connection {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rusqlite::Connection::open_with_flags(self.data().join("ops.db"), flags).expect("a database")
    }

    /// Every event but those of the monitor, of commands, and of reloads that the hub saw the need of, oldest first, as JSON objects.
    pub fn events(&self) -> Vec<Value> {
        let database = self.database();
        let mut statement = database
            .prepare(
                "SELECT * FROM events WHERE surface NOT IN ('probe', 'cli') AND NOT (surface = 'hub' AND operation = 'reload') \
                 ORDER BY recorded_at, position",
            )
            .expect("a query");
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement.query_map([], |row| {
            let values = names.iter().enumerate().map(|(index, name)| {
                let value = match row.get_ref(index)? {
                    rusqlite::types::ValueRef::Integer(number) => number.into(),
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
                    _ => Value::Null,
                };
                Ok((name.clone(), value))
            });
            values.collect::<rusqlite::Result<serde_json::Map<_, _>>>().map(Value::Object)
        });
        rows.expect("rows").collect::<rusqlite::Result<_>>().expect("rows")
    }

    /// The newest event.
    pub fn last_event(&self) -> Value {
        self.events().pop().expect("an event")
    }

    /// Asks the hub to end and waits until it has; gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        let started = Instant::now();
        loop {
            match child.try_wait().expect("a child") {
                Some(status) => return status.code(),
                None if started.elapsed() > SOON => {
                    let _ = child.kill();
                    panic!("the hub did not end: {}", self.log());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// How the hub has ended, once it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        let status = self.child.as_mut().expect("it was started").try_wait().expect("a child")?;
        self.child = None;
        Some(status)
    }

    /// Reaches it there from now on, by this client: through a proxy, or by TLS.
    pub fn reach_by(&mut self, url: &str, client: reqwest::Client) {
        (self.url, self.client) = (url.to_owned(), client);
    }

    /// Ends the hub as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Memory of the hub's process in MiB, by its name in proc_pid_status(5): `VmRSS` is what it has, `VmHWM` the most that
    /// it has had.
    pub fn memory_mib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a line");
        line.trim_end_matches("kB").trim().parse::<u64>().expect("a number") / 1024
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tries until `condition` gives something, or fails the test with `what`.
pub async fn eventually<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(SOON, what, condition).await
}

/// The same for what takes its time.
pub async fn eventually_within<T>(time: Duration, what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(started.elapsed() < time, "it did not come to pass: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
