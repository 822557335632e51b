//! The second door, for toolchains whose own HTTP client speaks `wasi:http` (JavaScript, Python, Go).
//!
//! `wasi:http/outgoing-handler` leads to the same way out as the contract's `outbound-http`. The rest of WASI that such
//! toolchains expect is inert: clocks and randomness, standard output as lines of the log, no input, no arguments, no
//! environment, no files. There are no sockets: a component that imports them is refused at load.

mod http;
mod stdio;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    cli::{WasiCli, WasiCliView as _},
    filesystem::{WasiFilesystem, WasiFilesystemView as _},
    p2::bindings as wasi,
    random::WasiRandom,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use self::{http::Door, stdio::Lines};
use super::{bindings::events::Level, guest::Guest, way_out::WayOut};

/// Resources that the hub keeps for one call at once: requests, bodies, streams, timers.
pub(super) const HANDLES: usize = 1024;
/// What the headers of one message may weigh in the hub's memory, in bytes.
const FIELDS_MAX: usize = 64 * 1024;
/// Random bytes that a guest gets in one go.
const RANDOM_MAX: u64 = 64 * 1024;

/// The interfaces that are linked, without the last part of their version: every 0.2.x is served.
pub(super) const SERVED: [&str; 21] = [
    "wasi:http/outgoing-handler@0.2.",
    "wasi:http/types@0.2.",
    "wasi:io/error@0.2.",
    "wasi:io/poll@0.2.",
    "wasi:io/streams@0.2.",
    "wasi:clocks/monotonic-clock@0.2.",
    "wasi:clocks/wall-clock@0.2.",
    "wasi:random/random@0.2.",
    "wasi:random/insecure@0.2.",
    "wasi:random/insecure-seed@0.2.",
    "wasi:cli/environment@0.2.",
    "wasi:cli/exit@0.2.",
    "wasi:cli/stdin@0.2.",
    "wasi:cli/stdout@0.2.",
    "wasi:cli/stderr@0.2.",
    "wasi:cli/terminal-input@0.2.",
    "wasi:cli/terminal-output@0.2.",
    "wasi:cli/terminal-stdin@0.2.",
    "wasi:cli/terminal-stdout@0.2.",
    "wasi:cli/terminal-stderr@0.2.",
    "wasi:filesystem/",
];

/// Links what [`SERVED`] names, and no more.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    // Streams, polling, wall and monotonic clocks, randomness, standard input and output.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    wasi::random::insecure::add_to_linker::<Guest, WasiRandom>(linker, |guest| guest.wasi().ctx.random())?;
    wasi::random::insecure_seed::add_to_linker::<Guest, WasiRandom>(linker, |guest| guest.wasi().ctx.random())?;
    wasi::cli::environment::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    wasi::cli::exit::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    wasi::cli::terminal_input::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    wasi::cli::terminal_output::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    wasi::cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    wasi::cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    wasi::cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    // No folder is ever opened for a guest, so there is nothing that these could reach.
    wasi::filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(linker, Guest::filesystem)?;
    wasi::filesystem::types::add_to_linker::<Guest, WasiFilesystem>(linker, Guest::filesystem)?;
    Ok(())
}

/// One call's side of WASI.
pub(super) struct Wasi {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    door: Door,
    table: ResourceTable,
}

impl Wasi {
    fn new(way_out: Option<&WayOut>) -> Self {
        let mut builder = WasiCtx::builder();
        builder.max_random_size(RANDOM_MAX).allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        builder.stdout(Lines::new(way_out, Level::Info)).stderr(Lines::new(way_out, Level::Warn));
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self { ctx: builder.build(), http, door: Door::new(way_out.cloned()), table }
    }
}

impl Guest {
    fn wasi(&mut self) -> &mut Wasi {
        self.wasi.get_or_insert_with(|| Box::new(Wasi::new(self.way_out.as_ref())))
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Wasi { ctx, table, .. } = self.wasi();
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Wasi { http, door, table, .. } = self.wasi();
        WasiHttpCtxView { ctx: http, hooks: door, table }
    }
}
