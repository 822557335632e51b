//! The bytes between the hub and an upstream.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection as Described};
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::cap::Slot;

/// A TCP connection that is read at a pace.
pub(super) type Tcp = Join<Paced<OwnedReadHalf>, OwnedWriteHalf>;

/// A connection to an upstream, with or without TLS, and its place among all of the hub's.
pub(super) struct Connection {
    stream: Either<Tcp, Box<TlsStream<Tcp>>>,
    slot: Slot,
}

/// After so many bytes a task that reads lets others run.
const PACE: usize = 32 * 1024;

/// A reader that pauses now and then.
///
/// The HTTP client reads on by itself for as long as there is something that it can skip: interim answers, the digits of a
/// chunk's length. An upstream that sends nothing else, and fast, would hold a worker of the hub for seconds.
pub(super) struct Paced<R> {
    reader: R,
    /// Bytes since the last pause.
    read: usize,
}

/// Has `stream` read at a pace.
pub(super) fn paced(stream: TcpStream) -> Tcp {
    let (reader, writer) = stream.into_split();
    tokio::io::join(Paced { reader, read: 0 }, writer)
}

impl<R: AsyncRead + Unpin> AsyncRead for Paced<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= PACE {
            self.read = 0;
            // The runtime's own yield: it looks at timers and connections before it comes back.
            return pin!(tokio::task::yield_now()).poll(cx).map(Ok);
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(cx, buf);
        self.read = if polled.is_ready() { self.read + (buf.filled().len() - before) } else { 0 };
        polled
    }
}

impl Connection {
    pub(super) fn plain(stream: Tcp, slot: Slot) -> Self {
        Self { stream: Either::Left(stream), slot }
    }

    pub(super) fn tls(stream: TlsStream<Tcp>, slot: Slot) -> Self {
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            slot.socket.is_multiplexed();
        }
        Self { stream: Either::Right(Box::new(stream)), slot }
    }

    /// Nothing more is sent on a connection that is evicted: what has not begun can be begun on another.
    fn may_write(&self) -> io::Result<()> {
        if self.slot.socket.writes() { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

impl Described for Connection {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(Arc::clone(&self.slot.socket));
        match &self.stream {
            Either::Right(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_pending() && self.slot.socket.ends(cx.waker()) {
            // Its end, as if the upstream had closed it.
            return Poll::Ready(Ok(()));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.may_write()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.may_write()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
