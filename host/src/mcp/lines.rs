//! MCP over lines: one message each, of bounded length, held against the same limits as a body over HTTP. What is no message
//! is answered and recorded; rmcp's own transport would drop it in silence.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex as Lock, PoisonError},
};

use futures::future::BoxFuture;
use rmcp::{
    RoleServer,
    model::{ContentBlock, JsonRpcMessage, RequestId, ServerResult},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::{Mutex, Semaphore},
};
use zeroize::Zeroizing;

use super::message::{self, Fault, INVALID_REQUEST, Read};
use crate::{
    call::{CallError, Hub, InputFault, of_size},
    http::BODY_MAX,
    names::{Code, CorrelationId, OperationKind, Surface},
};

/// Refusals that may be under way at once; until one ends, nothing more is read.
const REFUSALS: u32 = 16;

/// How many ids of requests under way are known; of more than these none is.
const IDS_MAX: usize = 1024;

/// The ids of requests under way. With one that is used twice, rmcp would send one answer and lose the other.
#[derive(Debug, Default)]
pub(super) struct Ids(Lock<HashSet<RequestId>>);

impl Ids {
    /// Enters a request; false when one with its id is under way.
    fn enter(&self, id: &RequestId) -> bool {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !ids.contains(id) && (ids.len() >= IDS_MAX || ids.insert(id.clone()))
    }

    /// The request has its answer, or will get none.
    pub(super) fn leave(&self, id: &RequestId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// A transport over a pair of streams.
pub(super) struct Lines<R, W> {
    reader: BufReader<R>,
    /// The line so far. It is kept here because rmcp drops the future that reads it whenever it has something to send.
    line: Vec<u8>,
    /// A whole line that is being read, kept here for the same reason.
    reading: Option<BoxFuture<'static, Result<Read, Fault>>>,
    /// The rest of a line that was too long is thrown away.
    skipping: bool,
    writer: Writer<W>,
    client: Arc<Client>,
    refusals: Arc<Semaphore>,
}

/// Whose lines these are.
pub(super) struct Client {
    pub(super) hub: Arc<Hub>,
    pub(super) token: Arc<Zeroizing<String>>,
    pub(super) under_way: Ids,
}

/// Lines must not be mixed. `None` once closed.
type Writer<W> = Arc<Mutex<Option<W>>>;

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Lines<R, W> {
    pub(super) fn new(reader: R, writer: W, client: Arc<Client>) -> Self {
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
            reading: None,
            skipping: false,
            writer: Arc::new(Mutex::new(Some(writer))),
            client,
            refusals: Arc::new(Semaphore::new(REFUSALS as usize)),
        }
    }

    /// Reads to the end of a line: `Ok(true)` when there is one, `Ok(false)` at the end of input. Cancelling loses nothing.
    async fn read_line(&mut self) -> Result<bool, Fault> {
        loop {
            // A client whose pipe breaks has gone, like one that closes it.
            let available = self.reader.fill_buf().await.unwrap_or_default();
            if available.is_empty() {
                return Ok(false);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            let too_long = self.line.len() + part.len() > BODY_MAX;
            if !self.skipping && !too_long {
                self.line.extend_from_slice(part);
            }
            let consumed = end.map_or(available.len(), |end| end + 1);
            self.reader.consume(consumed);
            let was_skipping = self.skipping;
            self.skipping = end.is_none() && (was_skipping || too_long);
            if too_long && !was_skipping {
                self.line = Vec::new();
                return Err(Fault::of(InputFault::TooLarge(BODY_MAX)));
            }
            if end.is_some() && !was_skipping {
                return Ok(true);
            }
        }
    }

    /// The message of the line that is being read, or of the next one; `None` at the end of input. Cancelling loses nothing.
    async fn next_message(&mut self) -> Result<Option<RxJsonRpcMessage<RoleServer>>, Fault> {
        while self.reading.is_none() {
            if !self.read_line().await? {
                return Ok(None);
            }
            let line = std::mem::take(&mut self.line);
            if !line.trim_ascii().is_empty() {
                self.reading = Some(Box::pin(of_size(line.len(), move || message::read(&line))));
            }
        }
        match &mut self.reading {
            None => Ok(None),
            Some(reading) => {
                let read = reading.await;
                self.reading = None;
                self.entered(read?.message).map(Some)
            }
        }
    }

    /// A message, which is under way from now on if it is a request.
    fn entered(&self, message: RxJsonRpcMessage<RoleServer>) -> Result<RxJsonRpcMessage<RoleServer>, Fault> {
        match &message {
            JsonRpcMessage::Request(request) if !self.client.under_way.enter(&request.id) => {
                let text = "a request with this `id` is in progress: wait for its response, or use another `id`";
                Err(Fault::new(INVALID_REQUEST, Code::IdInUse, 400, text, Some(request.id.clone())))
            }
            _ => Ok(message),
        }
    }

    /// Answers a fault in a task of its own, so that it is neither lost nor doubled when reading is broken off.
    fn refuse(&self, fault: Fault, permit: tokio::sync::OwnedSemaphorePermit) {
        let (client, writer) = (Arc::clone(&self.client), Arc::clone(&self.writer));
        tokio::spawn(async move {
            let refused = client.refuse(fault.error).await;
            let message = message::error(fault.code, fault.id.as_ref(), &refused, *fault.data);
            let sent = send(&writer, serde_json::to_vec(&message)).await;
            if let Err(error) = sent {
                tracing::debug!(%error, "a refusal could not be delivered: the client is gone");
            }
            drop(permit);
        });
    }
}

impl Client {
    /// Records that a message was refused, with its caller if the token still names one.
    pub(super) async fn refuse(&self, error: CallError) -> CallError {
        let correlation_id = CorrelationId::accept(None);
        match self.hub.authenticate(Ok(self.token.as_str()), Surface::Stdio, &correlation_id).await {
            Ok(caller) => {
                self.hub.refuse(error, OperationKind::McpMessage, Some(&caller), Surface::Stdio, &correlation_id).await
            }
            Err(unauthenticated) => unauthenticated,
        }
    }
}

/// How long the texts of a tool's result are, which is all that is large in an answer.
fn size_of_texts(message: &TxJsonRpcMessage<RoleServer>) -> usize {
    let JsonRpcMessage::Response(answer) = message else { return 0 };
    let ServerResult::CallToolResult(result) = &answer.result else { return 0 };
    result.content.iter().filter_map(ContentBlock::as_text).map(|content| content.text.len()).sum()
}

async fn send<W: AsyncWrite + Unpin>(writer: &Writer<W>, message: serde_json::Result<Vec<u8>>) -> io::Result<()> {
    let mut line = message?;
    line.push(b'\n');
    let mut writer = writer.lock().await;
    let writer = writer.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    writer.write_all(&line).await?;
    writer.flush().await
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Transport<RoleServer> for Lines<R, W> {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answered = match &item {
            JsonRpcMessage::Response(answer) => Some(&answer.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        if let Some(id) = answered {
            self.client.under_way.leave(id);
        }
        let writer = Arc::clone(&self.writer);
        async move {
            let message = of_size(size_of_texts(&item), move || serde_json::to_vec(&item)).await;
            send(&writer, message).await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let permit = Arc::clone(&self.refusals).acquire_owned().await.ok()?;
            match self.next_message().await {
                Ok(None) => {
                    drop(permit);
                    // What was refused is answered before the end.
                    let _ = self.refusals.acquire_many(REFUSALS).await;
                    return None;
                }
                Ok(message) => return message,
                Err(fault) => self.refuse(fault, permit),
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.writer.lock().await.take();
        Ok(())
    }
}
