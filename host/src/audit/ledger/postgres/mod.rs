//! PostgreSQL: one server, which hubs share. A writer's transactions go through its lease: whoever takes it for dead has fenced
//! that first, and so two of one name never write.

mod conditions;
mod import;
mod insert;
mod leases;
pub(super) mod outbox;
mod purge;
mod read;
mod reading;
mod rejection;
mod rollups;
mod time;
mod walk;

use std::time::Duration;

use sqlx_core::{connection::Connection as _, query::query, row::Row as _, sql_str::AssertSqlSafe};
use sqlx_postgres::{PgConnection, Postgres};
use uuid::Uuid;

use super::{Fault, Purged, Stretch, Unstored, Untied};
use crate::{
    audit::{
        entry::Sealed,
        error::AuditError,
        event::Intent,
        seal::{Batch, Head},
        statement::Tie,
    },
    names::StatementKind,
    store::postgres::{PostgresError, Session, Settings},
};

pub(in crate::audit) use import::Import;
pub(in crate::audit) use leases::Lease;
pub(in crate::audit) use reading::{PostgresReaders, PostgresReading};
pub(in crate::audit) use walk::walk;

/// How long something may take that reads all intents.
const READING_ALL: Duration = Duration::from_secs(60);

/// The newest batch of a writer, and whether an entry stands behind it.
const NEWEST: &str = "SELECT coalesce(b.seq, 0) AS seq, b.head, \
    coalesce((SELECT e.seq FROM ops.run_events e WHERE e.writer = w.writer ORDER BY e.seq DESC LIMIT 1) > coalesce(b.seq, 0), false) \
    OR coalesce((SELECT i.seq FROM ops.run_intents i WHERE i.writer = w.writer ORDER BY i.seq DESC LIMIT 1) > coalesce(b.seq, 0), false) \
    OR coalesce((SELECT s.seq FROM ops.audit_statements s WHERE s.writer = w.writer ORDER BY s.seq DESC LIMIT 1) > coalesce(b.seq, 0), false) AS behind \
    FROM (SELECT $1::uuid AS writer) w LEFT JOIN LATERAL (SELECT seq, head FROM ops.audit_batches \
    WHERE writer = w.writer ORDER BY seq DESC LIMIT 1) b ON true";

/// The newest batch of each other writer, if no statement names its head.
const UNTIED: &str = "SELECT w.writer, b.seq, b.head, b.signature, s.kind, \
        coalesce((SELECT max(p.seq) FROM ops.audit_batches p WHERE p.writer = w.writer AND p.seq < b.seq), 0) AS before \
    FROM ops.audit_writers w CROSS JOIN LATERAL (SELECT seq, head, signature FROM ops.audit_batches WHERE writer = w.writer ORDER BY seq DESC LIMIT 1) b \
    LEFT JOIN ops.audit_statements s ON s.writer = w.writer AND s.seq = b.seq \
    WHERE w.writer <> $1 AND NOT EXISTS (SELECT FROM ops.audit_ties t WHERE t.writer = w.writer AND t.seq = b.seq) \
    ORDER BY w.writer";

/// Intents of a writer that no event answers.
const UNANSWERED: &str =
    "WHERE writer = $1 AND NOT EXISTS (SELECT FROM ops.run_events e WHERE e.id = i.id) ORDER BY seq";

/// The store of one writer on a server.
#[derive(Debug)]
pub(in crate::audit) struct PostgresLedger {
    session: Session,
    writer: Uuid,
    /// The newest batch that is known to be durable.
    last: Head,
    /// The newest batch if the last commit has come through, of which nobody knows.
    doubt: Option<Head>,
    /// Another hub has taken this writer for dead.
    is_fenced: bool,
}

impl PostgresLedger {
    pub(super) fn open(settings: &Settings, writer: Uuid) -> Result<Self, AuditError> {
        Self::begun(Session::open(settings.clone()), writer)
    }

    /// The same as the owner of the tables.
    pub(super) fn open_as_owner(settings: &Settings, writer: Uuid) -> Result<Self, AuditError> {
        Self::begun(Session::open_as_owner(settings.clone()), writer)
    }

    fn begun(session: Result<Session, PostgresError>, writer: Uuid) -> Result<Self, AuditError> {
        let open = |error: PostgresError| AuditError::Open(error.to_string());
        let session = session.map_err(open)?;
        let mut ledger = Self { session, writer, last: Head::NONE, doubt: None, is_fenced: false };
        ledger.announce().map_err(open)?;
        Ok(ledger)
    }

    /// Takes another name, under which nothing is written yet.
    pub(super) fn begin(&mut self, writer: Uuid) -> Result<(), Fault> {
        self.writer = writer;
        self.announce()?;
        (self.last, self.doubt, self.is_fenced) = (Head::NONE, None, false);
        Ok(())
    }

    fn announce(&mut self) -> Result<(), PostgresError> {
        let writer = self.writer;
        self.session.run(async |connection| leases::announce(connection, writer).await)
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    pub(super) fn set_patience(&mut self, timeout: Duration) {
        self.session.set_patience(timeout);
    }

    pub(super) fn head(&mut self) -> Result<Head, Fault> {
        if self.doubt.is_some() {
            self.touch()?;
        }
        Ok(self.last)
    }

    /// Renews the lease too.
    pub(super) fn touch(&mut self) -> Result<(), Fault> {
        self.transact(None, async |_, _| Ok::<_, Fault>(()))
    }

    /// A connection is made again when it is needed.
    pub(super) fn repair(&mut self) -> Result<(), Fault> {
        if self.is_fenced { Ok(()) } else { self.touch() }
    }

    pub(super) fn append(&mut self, batch: &Batch<'_>) -> Result<(), Unstored> {
        let appended = self.transact(Some(batch.head), async |connection, at| {
            follows(batch, at)?;
            insert::batch(connection, batch).await?;
            outbox::put(connection, batch.writer, &batch.entries).await.map_err(Unstored::from)
        });
        match appended {
            Err(Unstored::Fault(Fault::Postgres(error))) if error.is_of_the_row() => Err(self.rejected(batch, error)),
            appended => appended,
        }
    }

    /// Stores a batch and removes the bodies that a statement in it names, or neither.
    pub(super) fn purge(&mut self, batch: &Batch<'_>, bodies: &[Purged]) -> Result<(), Fault> {
        self.transact(Some(batch.head), async |connection, at| {
            follows(batch, at)?;
            insert::batch(connection, batch).await?;
            Ok::<_, Fault>(purge::remove(connection, bodies).await?)
        })
    }

    /// Which entry of a batch is refused: they are inserted one after the other, and none of them stays.
    fn rejected(&mut self, batch: &Batch<'_>, error: PostgresError) -> Unstored {
        let writer = self.writer;
        let tried = self.transact(None, async |connection, at| {
            follows(batch, at)?;
            for (index, sealed) in batch.entries.iter().enumerate() {
                query::<Postgres>("SAVEPOINT entry").execute(&mut *connection).await.map_err(PostgresError::from)?;
                match insert::entries(connection, batch.writer, std::slice::from_ref(sealed)).await {
                    Err(error) if error.is_of_the_row() => {
                        let why = rejection::of(connection, writer, sealed.entry, &error).await?;
                        return Err(Unstored::Entry { index, why });
                    }
                    inserted => inserted?,
                }
            }
            Err(Unstored::Fault(Fault::Postgres(error)))
        });
        match tried {
            Ok(()) => Unstored::Fault(Fault::Rows),
            Err(unstored) => unstored,
        }
    }

    pub(super) fn untied(&mut self) -> Result<Vec<Untied>, Fault> {
        Ok(untied(&mut self.session, self.writer)?)
    }

    pub(super) fn unanswered(&mut self, writer: Uuid) -> Result<Vec<Sealed<Intent>>, Fault> {
        let rows = self.session.run(async |connection| {
            let intents = format!("SELECT {} FROM ops.run_intents i {UNANSWERED}", read::INTENT);
            let intents = query::<Postgres>(AssertSqlSafe(intents)).bind(writer);
            intents.fetch_all(connection).await.map_err(PostgresError::from)
        })?;
        let read = rows.iter().map(|row| read::intent(row, writer)).filter_map(|intent| match intent {
            Ok(intent) => Some(intent),
            Err(why) => {
                tracing::error!(%writer, why, "an announced operation cannot be read: run `bulkhead audit verify`");
                None
            }
        });
        Ok(read.collect())
    }

    pub(super) fn stretch(&mut self, writer: Uuid, seq: i64) -> Result<Option<Stretch>, Fault> {
        self.session.run(async |connection| walk::stretch(connection, writer, seq).await.map_err(Fault::from))
    }

    /// Renews the lease, and gives those of others that have run out.
    pub(super) fn renew_and_look(&mut self) -> Result<Vec<Lease>, Fault> {
        self.touch()?;
        let own = self.writer;
        self.session.run(async |connection| leases::expired(connection, own).await.map_err(Fault::from))
    }

    /// Writers that have left something unanswered, and no lease.
    pub(super) fn abandoned(&mut self) -> Result<Vec<Uuid>, Fault> {
        let own = self.writer;
        self.session
            .run_for(READING_ALL, async |connection| leases::abandoned(connection, own).await.map_err(Fault::from))
    }

    /// Who has a lease that has not run out.
    pub(super) fn living(&mut self) -> Result<Vec<Uuid>, Fault> {
        self.session.run(async |connection| leases::living(connection).await.map_err(Fault::from))
    }

    /// Keeps a writer from writing whose lease has run out. False if it lives after all.
    pub(super) fn fence(&mut self, writer: Uuid) -> Result<bool, Fault> {
        self.session.run(async |connection| leases::fence(connection, writer).await.map_err(Fault::from))
    }

    /// Forgets a writer that was fenced, when all is answered.
    pub(super) fn bury(&mut self, writer: Uuid) -> Result<(), Fault> {
        self.session.run(async |connection| leases::bury(connection, writer).await.map_err(Fault::from))
    }

    /// Gives up this writer's lease. If something is unanswered others find that it has run out.
    pub(super) fn end_lease(&mut self, is_answered: bool) -> Result<(), Fault> {
        let own = self.writer;
        self.session.run(async |connection| leases::end(connection, own, is_answered).await.map_err(Fault::from))
    }

    /// Does something for this writer that is no part of the trail.
    pub(super) fn beside<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection, Uuid) -> Result<T, PostgresError>,
    ) -> Result<T, Fault> {
        let own = self.writer;
        self.session.run(async |connection| work(connection, own).await.map_err(Fault::from))
    }

    /// All of `work` or nothing, under this writer's lease. It is told where the chain stands; `head` is where that stands
    /// afterwards, if it moves.
    fn transact<T, E: From<PostgresError> + From<Fault>>(
        &mut self,
        head: Option<Head>,
        work: impl AsyncFnOnce(&mut PgConnection, Head) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.is_fenced {
            return Err(Fault::Fenced.into());
        }
        let (writer, expected) = (self.writer, [Some(self.last), self.doubt]);
        let (mut reached, mut is_fenced, mut is_committing) = (None, false, false);
        let done = self.session.run(async |connection| {
            let mut transaction = connection.begin().await.map_err(PostgresError::from)?;
            // This waits for a transaction of before, of which the connection was lost, to end; what follows sees all of it.
            if !leases::renew(&mut transaction, writer).await? {
                is_fenced = true;
                return Err(Fault::Fenced.into());
            }
            let at = stands_at(&mut transaction, writer).await?.filter(|at| expected.contains(&Some(*at)));
            let at = at.ok_or(Fault::Rows)?;
            reached = Some(at);
            let done = work(&mut transaction, at).await?;
            is_committing = true;
            transaction.commit().await.map_err(PostgresError::from)?;
            is_committing = false;
            Ok(done)
        });
        self.is_fenced = is_fenced;
        if let Some(at) = reached {
            (self.last, self.doubt) = (at, if is_committing { head } else { None });
        }
        if let (Ok(_), Some(head)) = (&done, head) {
            self.last = head;
        }
        done
    }
}

fn follows(batch: &Batch<'_>, at: Head) -> Result<(), Fault> {
    if at == batch.previous { Ok(()) } else { Err(Fault::Rows) }
}

/// Where the database says that the chain stands, if nothing stands behind it.
async fn stands_at(connection: &mut PgConnection, writer: Uuid) -> Result<Option<Head>, PostgresError> {
    let row = query::<Postgres>(NEWEST).bind(writer).fetch_one(connection).await?;
    let is_last = !row.try_get::<bool, _>("behind")?;
    let newest = if row.try_get::<i64, _>("seq")? == 0 { Head::NONE } else { read::head(&row)? };
    Ok(is_last.then_some(newest))
}
/// The newest heads of all chains but `own` that no statement names.
pub(in crate::audit) fn untied(session: &mut Session, own: Uuid) -> Result<Vec<Untied>, PostgresError> {
    let rows = session.run(async |connection| {
        query::<Postgres>(UNTIED).bind(own).fetch_all(connection).await.map_err(PostgresError::from)
    })?;
    let untied = rows.iter().map(|row| {
        let kind: Option<String> = row.try_get("kind")?;
        let Head { seq, hash } = read::head(row)?;
        let is_checkpoint = kind.as_deref() == Some(StatementKind::Checkpoint.as_str());
        let tie = Tie { writer: row.try_get("writer")?, seq, head: hash };
        Ok(Untied { tie, before: row.try_get("before")?, signature: row.try_get("signature")?, is_checkpoint })
    });
    untied.collect()
}
