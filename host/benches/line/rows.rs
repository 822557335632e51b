//! What is compared: the same echo, by every way in.

use std::{path::Path, time::Duration};

use tokio::runtime::Runtime;

use crate::{
    client::{self, Seen},
    server::{Kind, Server},
};

/// How many requests are under way at once.
pub(crate) const AT_ONCE: [usize; 2] = [1, 32];

/// A row of the tables.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    ask: Ask,
    served: Served,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    Echo,
    Forgotten,
    Recorded,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    Plain,
    Rest,
    Mcp,
    McpModern,
}

pub(crate) const ROWS: [Row; 6] = [
    Row { name: "bare echo", ask: Ask::Plain, served: Served::Echo },
    Row { name: "hub without audit, REST", ask: Ask::Rest, served: Served::Forgotten },
    Row { name: "hub without audit, MCP", ask: Ask::Mcp, served: Served::Forgotten },
    Row { name: "hub, REST", ask: Ask::Rest, served: Served::Recorded },
    Row { name: "hub, MCP 2025-11-25", ask: Ask::Mcp, served: Served::Recorded },
    Row { name: "hub, MCP 2026-07-28", ask: Ask::McpModern, served: Served::Recorded },
];

impl Row {
    pub(crate) fn is_hub(&self) -> bool {
        self.served != Served::Echo
    }

    /// A server for it, which is `hub` unless it is an echo.
    pub(crate) fn start(&self, hub: &Path) -> anyhow::Result<Server> {
        let program = || hub.to_owned();
        Server::start(&match self.served {
            Served::Echo => Kind::Echo,
            Served::Forgotten => Kind::Hub { program: program(), records: false },
            Served::Recorded => Kind::Hub { program: program(), records: true },
        })
    }

    /// Loads a server and gives what the client saw, and what each call cost the server, in microseconds of processor time.
    pub(crate) fn load(
        &self,
        runtime: &Runtime,
        server: &Server,
        at_once: usize,
        time: Duration,
    ) -> anyhow::Result<(Seen, f64)> {
        let before = server.processor_time()?;
        let request = self.ask.request(&server.token);
        let seen = runtime.block_on(client::load(server.address.clone(), request, at_once, time))?;
        let used = server.processor_time()?.saturating_sub(before);
        let calls = u32::try_from(seen.calls().max(1))?;
        Ok((seen, used.as_secs_f64() * 1e6 / f64::from(calls)))
    }
}

impl Ask {
    pub(crate) fn request(self, token: &str) -> Vec<u8> {
        const ECHO: &str = r#"{"message":"hello"}"#;
        const LEGACY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello-rs.echo.v1","arguments":{"message":"hello"}}}"#;
        const MODERN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello-rs.echo.v1","arguments":{"message":"hello"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        const NAMED: &str =
            "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: hello-rs.echo.v1\r\n";
        let (path, headers, body) = match self {
            Self::Plain => ("/echo", "", ECHO),
            Self::Rest => ("/providers/hello-rs/echo.v1", "", ECHO),
            Self::Mcp => ("/mcp", "", LEGACY),
            Self::McpModern => ("/mcp", NAMED, MODERN),
        };
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len(),
        )
        .into_bytes()
    }
}
