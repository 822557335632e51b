//! A real Netdata Agent for one test: on 127.0.0.1, with two alarms that are always raised, gone when dropped.

use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::tools::test_tool;

/// The alarm on `system.uptime` that is WARNING while the machine is up.
pub const WARNING_ALARM: &str = "always_warning";

/// The alarm on `system.load` that is CRITICAL whatever the load is.
pub const CRITICAL_ALARM: &str = "always_critical";

/// How long the agent may take to answer at first. It takes a tenth of a second on a quiet machine.
const STARTUP: Duration = Duration::from_secs(20);

/// How long to wait while another test holds the same port.
const TURN: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(100);

/// A running agent.
pub struct Netdata {
    agent: Child,
    port: u16,
    statsd: u16,
    folder: PathBuf,
    // Held until everything else is gone: the next test wants the same port.
    _turn: Option<File>,
}

impl Netdata {
    /// Starts an agent on the port (0: any free one) and returns when it answers. Tests that want the same port take
    /// turns, because the agent shares its port with any other agent instead of failing.
    pub fn start(port: u16) -> Result<Self, String> {
        let program = test_tool("netdata", "bin/netdata");
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let turn = if port == 0 { None } else { Some(take_turn(&tmp.join(format!("netdata-{port}.lock")))?) };
        let port = if port == 0 { free_port().map_err(say("no free TCP port"))? } else { port };
        TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(say(&format!("port {port} is taken; stop what listens there (another Netdata?)")))?;
        let statsd = free_udp_port().map_err(say("no free UDP port"))?;

        let folder = tmp.join(format!("netdata-{port}-{}", std::process::id()));
        write_config(&folder, port, statsd).map_err(say("the agent's config cannot be written"))?;
        let output = File::create(folder.join("output.log")).map_err(say("the agent's log cannot be written"))?;
        let agent = Command::new(program)
            .args(["-D", "-c"])
            .arg(folder.join("etc/netdata.conf"))
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(say("the agent does not start"))?;

        let mut netdata = Self { agent, port, statsd, folder, _turn: turn };
        netdata.wait_until_ready()?;
        Ok(netdata)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets a statsd gauge. The chart of `a.b` is `statsd_a.b_gauge` and appears within about two seconds.
    pub fn set_gauge(&self, name: &str, value: impl Display) -> io::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.send_to(format!("{name}:{value}|g").as_bytes(), (Ipv4Addr::LOCALHOST, self.statsd))?;
        Ok(())
    }

    /// The body of a GET straight from the agent, whatever its status.
    pub fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, self.port).into(), Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        // Version 1.0: an answer without chunks.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        body.ok_or_else(|| io::Error::other("not an HTTP answer"))
    }

    /// Asks until the body contains the text; returns that body.
    pub fn wait_for(&self, path: &str, text: &str, limit: Duration) -> Result<String, String> {
        let started = Instant::now();
        loop {
            let body = self.get(path);
            match body {
                Ok(body) if body.contains(text) => return Ok(body),
                last if started.elapsed() >= limit => {
                    return Err(format!("after {limit:?} {path} does not say {text:?} but {last:?}"));
                }
                _ => thread::sleep(POLL),
            }
        }
    }

    /// Returns when both alarms are raised, usually within ten seconds of the start.
    pub fn wait_for_alarms(&self) -> Result<(), String> {
        let path = "/api/v1/alarms";
        self.wait_for(path, "\"WARNING\"", STARTUP)?;
        self.wait_for(path, "\"CRITICAL\"", STARTUP)?;
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.agent.try_wait().map_err(say("the agent is lost"))? {
                return Err(format!("the agent ended with {status}: {}", self.log()));
            }
            // The name tells it from an agent of somebody else on the same port.
            if self.get("/api/v1/info").is_ok_and(|info| info.contains(&host_name(self.port))) {
                return Ok(());
            }
            if started.elapsed() >= STARTUP {
                return Err(format!("the agent does not answer after {STARTUP:?}: {}", self.log()));
            }
            thread::sleep(POLL);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("output.log")).unwrap_or_default()
    }
}

impl Drop for Netdata {
    fn drop(&mut self) {
        // It keeps nothing worth an orderly shutdown, which takes two seconds. Its helper process ends by itself.
        let _ = self.agent.kill();
        let _ = self.agent.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn say<E: Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

fn take_turn(path: &Path) -> Result<File, String> {
    let file = File::create(path).map_err(say("no lock for the port"))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < TURN => thread::sleep(POLL),
            Err(error) => return Err(format!("another test still holds {} after {TURN:?}: {error}", path.display())),
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn free_udp_port() -> io::Result<u16> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn host_name(port: u16) -> String {
    format!("bulkhead-test-{}-{port}", std::process::id())
}

fn write_config(folder: &Path, port: u16, statsd: u16) -> io::Result<()> {
    for part in ["etc/health.d", "stock/health.d", "cache", "lib/registry", "log", "web", "plugins"] {
        fs::create_dir_all(folder.join(part))?;
    }
    // Without it a root's agent becomes the user `netdata`, who may not exist and may not write here.
    let user = Command::new("id").arg("-un").output()?.stdout;
    let config = CONFIG
        .replace("{folder}", &folder.display().to_string())
        .replace("{user}", String::from_utf8_lossy(&user).trim())
        .replace("{host}", &host_name(port))
        .replace("{port}", &port.to_string())
        .replace("{statsd}", &statsd.to_string());
    fs::write(folder.join("etc/netdata.conf"), config)?;
    let alarms = ALARMS.replace("{warning}", WARNING_ALARM).replace("{critical}", CRITICAL_ALARM);
    fs::write(folder.join("etc/health.d/always.conf"), alarms)
}

/// Load, uptime and statsd only: enough to query, and next to no work for the machine.
const CONFIG: &str = "
[global]
    run as user = {user}
    hostname = {host}
[directories]
    config = {folder}/etc
    stock config = {folder}/stock
    health config = {folder}/etc/health.d
    stock health config = {folder}/stock/health.d
    cache = {folder}/cache
    lib = {folder}/lib
    registry = {folder}/lib/registry
    log = {folder}/log
    home = {folder}
    lock = {folder}/lib
    web = {folder}/web
    plugins = {folder}/plugins
[logs]
    access = none
    debug = none
[db]
    mode = ram
    retention = 600
[web]
    bind to = 127.0.0.1:{port}
    web server threads = 1
[cloud]
    enabled = no
[ml]
    enabled = no
[health]
    run at least every seconds = 1
    script to execute on alarm = /bin/true
[statsd]
    bind to = udp:127.0.0.1:{statsd}
[plugins]
    enable running new plugins = no
    netdata monitoring = no
    cgroups = no
    checks = no
    diskspace = no
    idlejitter = no
    slabinfo = no
    tc = no
    timex = no
[plugin:proc]
    /proc/diskstats = no
    /proc/interrupts = no
    /proc/meminfo = no
    /proc/net/dev = no
    /proc/net/netstat = no
    /proc/net/snmp = no
    /proc/net/softnet_stat = no
    /proc/pressure = no
    /proc/softirqs = no
    /proc/stat = no
    /proc/vmstat = no
    ipc = no
";

const ALARMS: &str = "
  alarm: {warning}
     on: system.uptime
 lookup: max -5s
  units: seconds
  every: 1s
   warn: $this > 0
   info: the machine is up

  alarm: {critical}
     on: system.load
 lookup: max -5s
  units: load
  every: 1s
   crit: $this >= 0
   info: the load is a number
";
