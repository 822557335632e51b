//! A real Bugsink for one test: takes events as Sentry does, and shows them by an API of its own. Gone when dropped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hub::Folder;
use super::tools::test_tool;

/// How long each step of the set-up may take. The longest takes three seconds on a quiet machine.
const STEP: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(50);

/// A running server with one project.
pub struct Bugsink {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// Of its project.
    pub dsn: String,
    token: String,
    client: reqwest::Client,
    server: Option<Child>,
    bin: PathBuf,
    folder: Folder,
}

impl Bugsink {
    /// Makes a database and a project, and returns when the server answers.
    pub async fn start() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port").port();
        let mut bugsink = Self {
            url: format!("http://127.0.0.1:{port}"),
            dsn: String::new(),
            token: String::new(),
            client: reqwest::Client::builder().no_proxy().timeout(STEP).build().expect("a client"),
            server: None,
            bin: test_tool("bugsink", "bin"),
            folder: Folder::new(),
        };
        bugsink.run("bugsink-create-conf", &["--template=local", "--host=127.0.0.1", &format!("--port={port}")]);
        bugsink.run("bugsink-manage", &["migrate"]);
        bugsink.run("bugsink-manage", &["migrate", "--database=snappea", "snappea"]);
        let said = bugsink.run("bugsink-manage", &["shell", "-c", PROJECT]);
        let word = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        bugsink.dsn = word("DSN ").unwrap_or_else(|| panic!("no DSN: {said}"));
        bugsink.token = word("TOKEN ").unwrap_or_else(|| panic!("no token: {said}"));
        bugsink.serve(port).await;
        bugsink
    }

    /// What it keeps of every event that it took, in no order.
    pub async fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        for issue in self.ids("issues/?project=1").await {
            for event in self.ids(&format!("events/?issue={issue}")).await {
                events.push(self.get(&format!("events/{event}/")).await);
            }
        }
        events
    }

    async fn ids(&self, path: &str) -> Vec<String> {
        let page = self.get(path).await;
        let results = page["results"].as_array().unwrap_or_else(|| panic!("{path}: {page}"));
        results.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}/api/canonical/0/{path}", self.url)).bearer_auth(&self.token);
        let text = request.send().await.expect("an answer").text().await.expect("a body");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    fn command(&self, program: &str) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([self.bin.clone()].into_iter().chain(std::env::split_paths(&path)));
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("PATH", path.expect("a PATH")).env("HOME", self.folder.path());
        command
    }

    /// Runs a program of it to its end and gives its output.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let log = self.folder.path().join("step.log");
        let output = File::create(&log).expect("a log");
        let mut step = self.command(self.bin.join(program).to_str().expect("a path"));
        step.args(arguments).stdin(Stdio::null()).stdout(output.try_clone().expect("a log")).stderr(output);
        let mut step = step.spawn().expect("it starts");
        let started = Instant::now();
        let status = loop {
            match step.try_wait().expect("a child") {
                Some(status) => break Some(status),
                None if started.elapsed() >= STEP => break None,
                None => thread::sleep(POLL),
            }
        };
        let said = fs::read_to_string(log).unwrap_or_default();
        if status.is_none_or(|status| !status.success()) {
            let _ = step.kill();
            let _ = step.wait();
            panic!("{program} {arguments:?} ended with {status:?} after {:?}: {said}", started.elapsed());
        }
        said
    }

    async fn serve(&mut self, port: u16) {
        let log = self.folder.path().join("server.log");
        let mut server = self.command("sh");
        server.args(["-c", TOGETHER, "sh", "gunicorn", "--workers", "1", "--no-control-socket"]);
        server.args(["-b", &format!("127.0.0.1:{port}"), "bugsink.wsgi"]);
        server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log).expect("a log")).process_group(0);
        let server = self.server.insert(server.spawn().expect("it starts"));
        let started = Instant::now();
        while self.client.get(format!("{}/health/ready", self.url)).send().await.is_err() {
            let ended = server.try_wait().expect("a child");
            if ended.is_some() || started.elapsed() >= STEP {
                panic!("bugsink does not answer ({ended:?}): {}", fs::read_to_string(log).unwrap_or_default());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Bugsink {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            let _ = server.wait();
        }
    }
}

/// The server and its workers end at once, when one of them does or when nobody holds the other end of the input any
/// more: a test that is killed leaves nothing behind.
const TOGETHER: &str = r#"("$@"; kill -s KILL 0) & read _; kill -s KILL 0"#;

const PROJECT: &str = r#"
from projects.models import Project
from teams.models import Team
from bsmain.models import AuthToken
project = Project.objects.create(name="hub", team=Team.objects.create(name="hub"))
print("DSN", project.dsn)
print("TOKEN", AuthToken.create_full_access().token)
"#;
