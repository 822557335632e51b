//! How hubs on one database see of each other who lives: by locked files beside a database file, by leases on a server.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::mpsc::Sender,
    time::Duration,
};

use tokio::{sync::mpsc::WeakSender, time::Instant};
use uuid::Uuid;

use super::{
    error::AuditError,
    journal::Journal,
    ledger::Fault,
    liveness::{self, Alive, Sign},
    message::Message,
    sweep::Sweep,
};
use crate::store::location::Location;

/// How often a lease is renewed, which runs out after 15 seconds, and those of others are looked at.
const BEAT: Duration = Duration::from_secs(4);

/// A writer's own sign of life, and how it sees others.
pub(super) enum Presence {
    /// A file that it holds locked.
    Locked {
        data: PathBuf,
        database: PathBuf,
        alive: Alive,
        /// The sweep ends when this does.
        sweeps: Option<Sender<()>>,
    },
    /// A lease, which the ledger holds.
    Leased {
        next: Instant,
        /// Leases of others that had run out at the last look, with when. After a server's outage all have run out: their
        /// writers have until the next look to renew them.
        suspects: HashMap<Uuid, String>,
        /// Those who count as dead and are not answered for yet.
        dead: BTreeSet<Uuid>,
    },
}

/// Who lives just now.
pub(super) enum Living {
    Locked(PathBuf),
    Leased(Vec<Uuid>),
}

impl Living {
    pub(super) fn includes(&self, writer: Uuid) -> bool {
        match self {
            Self::Locked(data) => liveness::look(data, writer) == Sign::Life,
            Self::Leased(writers) => writers.contains(&writer),
        }
    }
}

impl Presence {
    /// Before the writer writes anything.
    pub(super) fn announce(data: &Path, database: &Location, writer: Uuid) -> Result<Self, AuditError> {
        Ok(match database {
            Location::File(file) => Self::Locked {
                data: data.to_owned(),
                database: file.clone(),
                alive: Alive::announce(data, writer)?,
                sweeps: None,
            },
            Location::Postgres(_) => {
                Self::Leased { next: Instant::now(), suspects: HashMap::new(), dead: BTreeSet::new() }
            }
        })
    }

    /// Writers that have crashed, as far as that is seen at the start.
    pub(super) fn crashed(&self, journal: &mut Journal) -> Result<Vec<Uuid>, AuditError> {
        match self {
            Self::Locked { data, .. } => Ok(liveness::dead(data)?),
            Self::Leased { .. } => journal.abandoned().map_err(|fault| AuditError::Open(fault.to_string())),
        }
    }

    /// From now on the queue is told of those who die beside this one.
    pub(super) fn watch(&mut self, own: Uuid, queue: WeakSender<Message>) -> Result<(), AuditError> {
        if let Self::Locked { data, database, sweeps, .. } = self {
            let (sweep, end) = std::sync::mpsc::channel();
            Sweep { data: data.clone(), database: database.clone(), own, queue, end }.start()?;
            *sweeps = Some(sweep);
        }
        Ok(())
    }

    /// When [`beat`](Self::beat) is due.
    pub(super) fn next_beat(&self) -> Option<Instant> {
        match self {
            Self::Locked { .. } => None,
            Self::Leased { next, .. } => Some(*next),
        }
    }

    /// Renews the lease. Gives those who are dead: they cannot write any more, and are to be answered for.
    pub(super) fn beat(&mut self, journal: &mut Journal) -> Result<Vec<Uuid>, Fault> {
        let Self::Leased { next, suspects, dead } = self else { return Ok(Vec::new()) };
        *next = Instant::now() + BEAT;
        let expired = journal.renew_and_look()?;
        for lease in &expired {
            let is_dead = lease.is_fenced || suspects.get(&lease.writer) == Some(&lease.until);
            if is_dead && journal.fence(lease.writer)? {
                dead.insert(lease.writer);
            }
        }
        *suspects = expired.into_iter().map(|lease| (lease.writer, lease.until)).collect();
        Ok(dead.iter().copied().collect())
    }

    /// Forgets a dead writer, for which all is answered.
    pub(super) fn bury(&mut self, journal: &mut Journal, writer: Uuid) -> Result<(), Fault> {
        match self {
            Self::Locked { data, .. } => liveness::bury(data, writer),
            Self::Leased { dead, .. } => {
                journal.bury(writer)?;
                dead.remove(&writer);
            }
        }
        Ok(())
    }

    /// Who lives just now.
    pub(super) fn living(&self, journal: &mut Journal) -> Result<Living, Fault> {
        Ok(match self {
            Self::Locked { data, .. } => Living::Locked(data.clone()),
            Self::Leased { .. } => Living::Leased(journal.living()?),
        })
    }

    /// The end of the writer. If something is not answered, whoever looks next finds it dead.
    pub(super) fn end(self, journal: &mut Journal, is_answered: bool) {
        match self {
            Self::Locked { alive, .. } if is_answered => drop(alive),
            Self::Locked { alive, .. } => alive.leave(),
            Self::Leased { .. } => {
                if let Err(error) = journal.end_lease(is_answered) {
                    tracing::warn!(%error, "the hub's lease in the database runs out by itself");
                }
            }
        }
    }
}
