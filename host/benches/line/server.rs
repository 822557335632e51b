//! The servers that are measured, each a process of its own: what it costs is what the system says that it used.

use std::{
    env, fs,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// One provider, and one caller who makes all the calls.
const CONFIG: &str = "
version: '1.0'
providers:
  hello-rs:
    component: COMPONENT
    sandbox: { concurrent_calls: 64 }
    tools: [{ name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }]
";
/// The unit of processor time in `/proc/PID/stat`: the same on every Linux that Rust knows.
const TICK: Duration = Duration::from_millis(10);
/// How often memory is looked at under load.
const LOOK: Duration = Duration::from_millis(50);
/// What is idle has been so for a moment.
const SETTLES: Duration = Duration::from_millis(300);

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but HTTP and JSON.
    Echo,
    /// A hub, with or without its record.
    Hub { program: PathBuf, records: bool },
    /// A hub with its record, of a folder that stays.
    HubAt { program: PathBuf, data: PathBuf },
}

/// How a server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByItsInput,
    BySignal,
}

/// A server in a process of its own.
pub(crate) struct Server {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    /// A hub's data folder, if it goes with the hub.
    data: Option<PathBuf>,
    asked: Asked,
    pub(crate) address: String,
    pub(crate) token: String,
}

impl Server {
    pub(crate) fn start(kind: &Kind) -> anyhow::Result<Self> {
        let (mut command, data) = match kind {
            Kind::Echo => {
                let mut echo = Command::new(env::current_exe()?);
                echo.arg("echo");
                (echo, None)
            }
            Kind::Hub { program, records } => {
                let data = env::temp_dir().join(format!("bulkhead-bench-{}", uuid::Uuid::new_v4()));
                let mut hub = serving(program, &data)?;
                hub.args((!records).then_some("--forget"));
                (hub, Some(data))
            }
            Kind::HubAt { program, data } => (serving(program, data)?, Some(data.clone())),
        };
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?).lines();
        let line = output.next().transpose()?.unwrap_or_default();
        let address = line.strip_prefix("listening on http://").context("the server did not start; see above")?;
        let token = match (kind, &data) {
            (Kind::Hub { program, .. } | Kind::HubAt { program, .. }, Some(data)) => token(program, data)?,
            _ => "none".to_owned(),
        };
        let data = data.filter(|_| !matches!(kind, Kind::HubAt { .. }));
        let asked = if *kind == Kind::Echo { Asked::ByItsInput } else { Asked::BySignal };
        Ok(Self { child, output, address: address.to_owned(), token, data, asked })
    }

    /// Processor time used so far, by all its threads, in the program and in the kernel for it.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything, the state is the third field; 14 and 15 are the two times.
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let ticks: u32 = ticks.sum::<Result<_, _>>()?;
        Ok(TICK * ticks)
    }

    /// Memory in use, once it has nothing to do, in MiB.
    pub(crate) fn idle_mib(&self) -> f64 {
        thread::sleep(SETTLES);
        self.resident_mib()
    }

    /// Memory in use, in MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        resident_kib(self.child.id()) / 1024.0
    }

    /// Looks at its memory while something goes on; gives that and the most that was in use, in MiB.
    pub(crate) fn most_mib<T>(&self, meanwhile: impl FnOnce() -> T) -> (T, f64) {
        let (most, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let looking = thread::spawn({
            let (id, most, over) = (self.child.id(), Arc::clone(&most), Arc::clone(&over));
            move || {
                while !over.load(Relaxed) {
                    // Whole and small.
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                    most.fetch_max(resident_kib(id) as u64, Relaxed);
                    thread::sleep(LOOK);
                }
            }
        });
        let done = meanwhile();
        over.store(true, Relaxed);
        // It cannot break.
        let _ = looking.join();
        #[expect(clippy::cast_precision_loss)]
        let most = most.load(Relaxed) as f64;
        (done, most / 1024.0)
    }

    /// Ends it, and gives what it said last: a hub built for this says where its time went.
    pub(crate) fn end(mut self) -> anyhow::Result<String> {
        self.ask_to_end();
        let last = self.output.by_ref().map_while(Result::ok).last().unwrap_or_default();
        ensure!(self.child.wait()?.success(), "the server ended badly: {last}");
        Ok(last)
    }

    fn ask_to_end(&mut self) {
        // The echo ends when its input does, a hub when it is told.
        drop(self.child.stdin.take());
        if self.asked == Asked::BySignal {
            let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            let _ = id.map(|id| kill_process(id, Signal::TERM));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.ask_to_end();
            let _ = self.child.wait();
        }
        if let Some(data) = &self.data {
            let _ = fs::remove_dir_all(data);
        }
    }
}

fn serving(program: &Path, data: &Path) -> anyhow::Result<Command> {
    let mut hub = hub(program, data)?;
    hub.args(["serve", "--listen", "127.0.0.1:0", "--max-calls-per-caller", "10000", "--log", "error"]);
    Ok(hub)
}

fn hub(program: &Path, data: &Path) -> anyhow::Result<Command> {
    fs::create_dir_all(data)?;
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../providers/hello-rs.wasm").canonicalize()?;
    let config = data.join("provider-config.yaml");
    fs::write(&config, CONFIG.replace("COMPONENT", &component.display().to_string()))?;
    let mut hub = Command::new(program);
    // Its folder is a hub's own: nobody else may read it.
    hub.env_clear().arg("--data").arg(data.join("data")).arg("--config").arg(config);
    Ok(hub)
}

fn token(program: &Path, data: &Path) -> anyhow::Result<String> {
    let made =
        Command::new(program).args(["token", "--role", "ops_admin", "--data"]).arg(data.join("data")).output()?;
    ensure!(made.status.success(), "no token: {}", String::from_utf8_lossy(&made.stderr));
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

/// From Linux's procfs; not a number elsewhere.
fn resident_kib(id: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(f64::NAN)
}
