//! What a guest prints, as lines of the log.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

use crate::sandbox::{bindings::events::Level, way_out::WayOut};

/// What may be written in one go, and the longest line, in bytes.
const LINE_MAX: usize = 16 * 1024;

/// Standard output or error of one call. Lines count against the call's budget.
#[derive(Clone)]
pub(super) struct Lines(Arc<Inner>);

struct Inner {
    /// None while a provider describes itself: then nothing is logged.
    way_out: Option<WayOut>,
    level: Level,
    unfinished: Mutex<Vec<u8>>,
}

impl Lines {
    pub(super) fn new(way_out: Option<&WayOut>, level: Level) -> Self {
        Self(Arc::new(Inner { way_out: way_out.cloned(), level, unfinished: Mutex::default() }))
    }
}

impl Inner {
    fn write(&self, mut bytes: &[u8]) -> Result<(), StreamError> {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            unfinished.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.line(&std::mem::take(&mut *unfinished))?;
        }
        unfinished.extend_from_slice(bytes);
        if unfinished.len() > LINE_MAX { self.line(&std::mem::take(&mut *unfinished)) } else { Ok(()) }
    }

    fn line(&self, line: &[u8]) -> Result<(), StreamError> {
        let Some(way_out) = &self.way_out else { return Ok(()) };
        let text = String::from_utf8_lossy(line).into_owned();
        way_out.log(self.level, text).map_err(|breach| StreamError::Trap(breach.into()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let rest = std::mem::take(self.unfinished.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !rest.is_empty() {
            // The call is over: a breach would change nothing.
            let _ = self.line(&rest);
        }
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    // Only WASI 0.3 would ask for it, and that is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}
