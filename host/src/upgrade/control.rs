//! The socket in the data folder by which the hub's own user speaks to a hub that runs: one line of JSON each way.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::getuid;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use crate::store::private_file;

/// Within the data folder; a socket is named after its hub's process.
const FOLDER: &str = "control";
/// The longest line, in bytes.
const LINE_MAX: u64 = 64 * 1024;
/// How long one side waits for a line that the other has at hand.
const AT_HAND: Duration = Duration::from_secs(10);

/// What a hub is asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// To make way for this program.
    Upgrade {
        /// Where it is.
        program: PathBuf,
        /// Even if it is older.
        force: bool,
    },
    /// Whether the program that it started may begin.
    Ready {
        /// The providers that it serves.
        serving: BTreeSet<String>,
    },
}

/// What a hub answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// To the command: another process serves now.
    Upgraded {
        /// Its number.
        process: u32,
        /// Its version.
        version: String,
    },
    /// To the new hub: accept from now on.
    Begin,
    /// Nothing has changed.
    Refused {
        /// Why.
        why: String,
    },
}

/// Why nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No hub serves from this data folder.
    #[error("no hub serves from this data folder: start one with `bulkhead serve`, or name its folder by `--data`")]
    NoHub,
    /// More than one does.
    #[error("{} hubs serve from this data folder: name the one that is meant by `--process` ({})", .0.len(), list(.0))]
    Several(Vec<u32>),
    /// It did not answer.
    #[error("the hub did not answer as it should: {0}: look into its log")]
    Lost(#[from] io::Error),
}

fn list(processes: &[u32]) -> String {
    processes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn path(data: &Path, process: u32) -> PathBuf {
    data.join(FOLDER).join(process.to_string())
}

/// The hub's end: it goes when this is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

/// A request, and who is to get the answer.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// The number of the user that asks.
    pub user: u32,
    /// The number of its process, where the system tells.
    pub(super) process: Option<u32>,
    line: Line,
}

impl Control {
    /// Makes this process's socket in the data folder, and removes those that hubs left behind.
    ///
    /// # Errors
    /// When it cannot be made; one reason is a path of more than some hundred bytes.
    pub fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        private_file::own_folder(&folder)?;
        for process in processes(data)? {
            let left = path(data, process);
            let is_dead = std::os::unix::net::UnixStream::connect(&left).is_err_and(|error| is_refusal(&error));
            if is_dead || process == std::process::id() {
                let _ = fs::remove_file(left);
            }
        }
        let path = path(data, std::process::id());
        Ok(Self { listener: UnixListener::bind(&path)?, path })
    }

    /// The next request of the hub's own user or root. What is none, or comes from others, is passed over.
    pub async fn asked(&self) -> Asked {
        loop {
            let asked = match self.listener.accept().await {
                Ok((stream, _)) => read_request(stream).await,
                Err(error) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Err(error)
                }
            };
            match asked {
                Ok(asked) => return asked,
                Err(error) => {
                    tracing::warn!(%error, "somebody spoke to the hub's socket in `{FOLDER}` who was not understood");
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn read_request(stream: UnixStream) -> io::Result<Asked> {
    let peer = stream.peer_cred()?;
    if ![0, getuid().as_raw()].contains(&peer.uid()) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut line = Line::new(stream);
    let request = timeout(AT_HAND, line.read()).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let process = peer.pid().and_then(|process| process.try_into().ok());
    Ok(Asked { request, user: peer.uid(), process, line })
}

impl Asked {
    /// Answers. Who has gone meanwhile misses it.
    pub async fn answer(mut self, reply: &Reply) {
        if let Err(error) = self.line.write(reply).await {
            tracing::debug!(%error, "nobody waited for an answer");
        }
    }

    /// Refuses, and says why.
    pub async fn refuse(self, why: String) {
        self.answer(&Reply::Refused { why }).await;
    }
}

/// Asks the hub that serves from a data folder, or that of this process, and waits for as long as it takes to answer.
///
/// # Errors
/// When there is no hub to ask, more than one, or no answer.
pub async fn ask(data: &Path, process: Option<u32>, request: &Request) -> Result<Reply, ControlError> {
    let mut alive = Vec::new();
    let all = match process {
        Some(process) => vec![process],
        None => processes(data).unwrap_or_default(),
    };
    for process in all {
        if let Ok(stream) = UnixStream::connect(path(data, process)).await {
            alive.push((process, stream));
        }
    }
    let (_, stream) = match alive.len() {
        0 => return Err(ControlError::NoHub),
        1 => alive.remove(0),
        _ => return Err(ControlError::Several(alive.into_iter().map(|(process, _)| process).collect())),
    };
    let mut line = Line::new(stream);
    line.write(request).await?;
    Ok(line.read().await?)
}

/// The processes that have a socket in a data folder, dead ones too.
fn processes(data: &Path) -> io::Result<Vec<u32>> {
    let names = fs::read_dir(data.join(FOLDER))?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

/// A connection of lines.
#[derive(Debug)]
struct Line(BufReader<UnixStream>);

impl Line {
    fn new(stream: UnixStream) -> Self {
        Self(BufReader::new(stream))
    }

    async fn read<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut text = String::new();
        (&mut self.0).take(LINE_MAX).read_line(&mut text).await?;
        if !text.ends_with('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&text)?)
    }

    async fn write(&mut self, what: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(what)?;
        text.push(b'\n');
        timeout(AT_HAND, self.0.get_mut().write_all(&text)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}
