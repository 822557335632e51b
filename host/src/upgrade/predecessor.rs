//! The new hub's side: where it listens, and whose place it takes.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd as _,
    path::Path,
};

use listenfd::ListenFd;
use rustix::{net::sockopt::socket_acceptconn, process::getppid, stdio::dup2_stdin};

use super::control::{ControlError, Reply, Request, ask};

/// Where a hub listens, and who made the socket.
#[derive(Debug)]
pub enum Listening {
    /// The hub itself.
    Own(TcpListener),
    /// The service manager, which keeps it when the hub ends.
    Activated(TcpListener),
    /// The hub whose place this one takes, which serves until this one is ready.
    Inherited(TcpListener),
}

/// Why a hub does not take another's place.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// Nobody there to ask.
    #[error("the hub that started this one cannot be asked: {0}")]
    NobodyToAsk(#[from] ControlError),
    /// It did not agree.
    #[error("the hub that started this one goes on itself: {0}")]
    Refused(String),
}

/// The socket that another hub or the service manager handed over, or a new one at this address.
///
/// # Errors
/// When there is no such socket to be had.
pub fn listening(address: SocketAddr) -> io::Result<Listening> {
    let listening = if let Some(inherited) = inherited()? {
        Listening::Inherited(inherited)
    } else if let Some(activated) = ListenFd::from_env().take_tcp_listener(0)? {
        Listening::Activated(activated)
    } else {
        Listening::Own(TcpListener::bind(address)?)
    };
    let (Listening::Own(socket) | Listening::Activated(socket) | Listening::Inherited(socket)) = &listening;
    socket.set_nonblocking(true)?;
    Ok(listening)
}

/// The socket that is standard input, which nothing is left of there: it would keep the port open when the hub ends.
fn inherited() -> io::Result<Option<TcpListener>> {
    let stdin = io::stdin();
    // An error means that it is no socket.
    if !socket_acceptconn(&stdin).unwrap_or(false) {
        return Ok(None);
    }
    let socket = stdin.as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(Some(socket.into()))
}

impl Listening {
    /// The socket, and whether the hub that had it before waits for this one to be ready.
    #[must_use]
    pub fn into_socket(self) -> (TcpListener, bool) {
        match self {
            Self::Own(socket) | Self::Activated(socket) => (socket, false),
            Self::Inherited(socket) => (socket, true),
        }
    }
}

/// Tells the hub that started this one which providers are served here, and waits until it says that this one may begin.
///
/// # Errors
/// When it does not: then this hub is not wanted.
pub async fn take_over(data: &Path, serving: BTreeSet<String>) -> Result<(), TakeoverError> {
    let parent = getppid().and_then(|parent| parent.as_raw_nonzero().get().try_into().ok());
    match ask(data, Some(parent.unwrap_or_default()), &Request::Ready { serving }).await? {
        Reply::Begin => Ok(()),
        Reply::Refused { why } => Err(TakeoverError::Refused(why)),
        Reply::Upgraded { .. } => Err(TakeoverError::Refused("it said something else".to_owned())),
    }
}
