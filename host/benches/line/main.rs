//! What the line costs: the same echo from a bare axum server, from a hub that keeps no record, and from the hub, over
//! REST and MCP. Each server is a process of its own; figures are compared within one run, because machines differ.

mod client;
mod servers;

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use client::Figures;

/// How long each row is measured, after a warm-up of a quarter of it.
const MEASURED: Duration = Duration::from_secs(4);
/// How many requests are under way at once.
const CONCURRENT: [usize; 2] = [1, 32];

/// A row of the table.
struct Row {
    name: &'static str,
    server: &'static str,
    request: fn(&Server) -> Vec<u8>,
}

const ROWS: [Row; 5] = [
    Row { name: "bare axum echo", server: "echo", request: |server| server.request("/echo", ECHO) },
    Row { name: "hub without audit, REST", server: "hub-forgetting", request: |server| server.request(TOOL, ECHO) },
    Row { name: "hub, REST", server: "hub", request: |server| server.request(TOOL, ECHO) },
    Row { name: "hub, MCP 2025-11-25", server: "hub", request: |server| server.request("/mcp", LEGACY) },
    Row { name: "hub, MCP 2026-07-28", server: "hub", request: |server| server.modern("/mcp", MODERN) },
];

const TOOL: &str = "/providers/hello-rs/echo.v1";
const ECHO: &str = r#"{"message":"hello"}"#;
const LEGACY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello-rs.echo.v1","arguments":{"message":"hello"}}}"#;
const MODERN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello-rs.echo.v1","arguments":{"message":"hello"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

fn main() -> anyhow::Result<()> {
    // The same program is every server: `main serve NAME` in a child.
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some("serve") {
        return servers::serve(&arguments.next().unwrap_or_default());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for concurrent in CONCURRENT {
        println!("\n{concurrent} at once, {} s each", MEASURED.as_secs());
        println!(
            "{:<26} {:>9} {:>9} {:>10} {:>8} {:>9} {:>9}",
            "", "p50 ms", "p99 ms", "calls/s", "p50 ×", "calls/s ×", "RSS MiB"
        );
        let mut base: Option<Figures> = None;
        for row in &ROWS {
            let server = Server::start(row.server)?;
            let request = (row.request)(&server);
            let run = |time| runtime.block_on(client::load(server.address.clone(), request.clone(), concurrent, time));
            run(MEASURED / 4)?;
            let figures = run(MEASURED)?;
            let first = base.get_or_insert_with(|| figures.clone());
            println!(
                "{:<26} {:>9.3} {:>9.3} {:>10.0} {:>8.2} {:>9.2} {:>9.1}",
                row.name,
                figures.p50_ms,
                figures.p99_ms,
                figures.per_second,
                figures.p50_ms / first.p50_ms,
                figures.per_second / first.per_second,
                server.resident_mib(),
            );
        }
    }
    println!("\n× compares with the first row of its table. The client shares the machine's cores with the server.");
    Ok(())
}

/// A server in a process of its own.
struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(name: &str) -> anyhow::Result<Self> {
        let program = env::current_exe()?;
        let mut child =
            Command::new(program).args(["serve", name]).stdout(Stdio::piped()).stdin(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?;
        let mut lines = BufReader::new(output).lines();
        let mut line = || lines.next().transpose().map(Option::unwrap_or_default);
        Ok(Self { address: line()?, token: line()?, child })
    }

    fn request(&self, path: &str, body: &str) -> Vec<u8> {
        self.with_headers(path, "", body)
    }

    fn modern(&self, path: &str, body: &str) -> Vec<u8> {
        let headers = "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: hello-rs.echo.v1\r\n";
        self.with_headers(path, headers, body)
    }

    fn with_headers(&self, path: &str, headers: &str, body: &str) -> Vec<u8> {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.token,
            body.len(),
        )
        .into_bytes()
    }

    /// Memory in use, from Linux's procfs; 0 elsewhere.
    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
