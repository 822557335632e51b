//! One call's side of WASI.

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use super::{http::Door, stdio::Lines};
use crate::sandbox::{bindings::events::Level, way_out::WayOut};

/// Resources that the hub keeps for one call at once: requests, bodies, streams, timers.
pub(in crate::sandbox) const HANDLES: usize = 1024;
/// What the headers of one message may weigh in the hub's memory, in bytes.
const FIELDS_MAX: usize = 64 * 1024;
/// Random bytes that a guest gets in one go.
const RANDOM_MAX: u64 = 64 * 1024;

/// One call's side of WASI.
pub(in crate::sandbox) struct Wasi {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    door: Door,
    table: ResourceTable,
}

impl Wasi {
    pub(in crate::sandbox) fn new(way_out: Option<&WayOut>) -> Self {
        let mut builder = WasiCtx::builder();
        builder.max_random_size(RANDOM_MAX).allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        builder.stdout(Lines::new(way_out, Level::Info)).stderr(Lines::new(way_out, Level::Warn));
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self { ctx: builder.build(), http, door: Door::new(way_out.cloned()), table }
    }

    pub(super) fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }

    pub(super) fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, hooks: &mut self.door, table: &mut self.table }
    }
}
