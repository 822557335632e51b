//! Chains from elsewhere, with their proof.

use sqlx_core::{connection::Connection as _, query::query};
use sqlx_postgres::Postgres;
use uuid::Uuid;

use super::{super::Stretch, insert, read, rollups};
use crate::{
    audit::{
        entry::{Entry, Sealed},
        rollup,
        seal::Head,
    },
    store::postgres::{PostgresError, Session, Settings},
};

const NEWEST: &str = "SELECT seq, head FROM ops.audit_batches WHERE writer = $1 ORDER BY seq DESC LIMIT 1";

const BATCHES: &str = "INSERT INTO ops.audit_batches (writer, seq, head, signature) \
    SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[])";

const TIES: &str = "INSERT INTO ops.audit_ties (writer, seq, statement_writer, statement_seq) \
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[]) ON CONFLICT DO NOTHING";

/// While a chain is brought over, nobody answers for what it has announced: the answer may be in a chain that is still to come.
const HOLD: &str = "INSERT INTO ops.audit_leases (writer, expires_at) VALUES ($1, 'infinity') ON CONFLICT DO NOTHING";

const RELEASE: &str = "DELETE FROM ops.audit_leases WHERE writer = ANY ($1) AND expires_at = 'infinity'";

/// Ties in one statement.
const TIES_AT_ONCE: usize = 1000;

/// A server that takes in chains.
#[derive(Debug)]
pub(in crate::audit) struct Import(Session);

impl Import {
    /// Connects as a hub does: what is there already is nothing that this may change.
    pub(in crate::audit) fn open(settings: &Settings) -> Result<Self, PostgresError> {
        Session::open(settings.clone()).map(Self)
    }

    /// The newest head of a chain that is there.
    pub(in crate::audit) fn newest(&mut self, writer: Uuid) -> Result<Option<Head>, PostgresError> {
        self.0.run(async |connection| {
            let row = query::<Postgres>(NEWEST).bind(writer).fetch_optional(connection).await?;
            Ok(row.as_ref().map(read::head).transpose()?)
        })
    }

    /// Adds batches that follow what is there of a chain: all of them, or none. The others' ties come later.
    pub(in crate::audit) fn add(&mut self, writer: Uuid, stretches: &[Stretch]) -> Result<(), PostgresError> {
        let entries: Vec<Sealed<&Entry>> = stretches
            .iter()
            .flat_map(|stretch| &stretch.entries)
            .map(|sealed| Sealed { place: sealed.place, entry: &sealed.entry })
            .collect();
        let is_new = stretches.first().is_some_and(|stretch| stretch.previous == Head::NONE);
        let seqs: Vec<_> = stretches.iter().map(|stretch| stretch.head.seq).collect();
        let heads: Vec<_> = stretches.iter().map(|stretch| stretch.head.hash.as_slice()).collect();
        let signatures: Vec<_> = stretches.iter().map(|stretch| stretch.signature.as_slice()).collect();
        self.0.run(async |connection| {
            let mut transaction = connection.begin().await?;
            if is_new {
                query::<Postgres>(HOLD).bind(writer).execute(&mut *transaction).await?;
                insert::writer(&mut transaction, writer).await?;
            }
            insert::entries(&mut transaction, writer, &entries).await?;
            rollups::add(&mut transaction, writer, &rollup::of_entries(&entries)).await?;
            let batches = query(BATCHES).bind(writer).bind(seqs).bind(heads).bind(signatures);
            insert::all(&mut transaction, batches, stretches.len()).await?;
            transaction.commit().await?;
            Ok(())
        })
    }

    /// All chains are there: hubs answer for what none of them answers.
    pub(in crate::audit) fn release(&mut self, writers: &[Uuid]) -> Result<(), PostgresError> {
        self.0.run(async |connection| {
            let release = query::<Postgres>(RELEASE).bind(writers);
            release.execute(connection).await.map(|_| ()).map_err(PostgresError::from)
        })
    }

    /// Adds the ties that are not there yet. A statement may name a chain that was copied after its own.
    pub(in crate::audit) fn tie(&mut self, ties: &[[(Uuid, i64); 2]]) -> Result<(), PostgresError> {
        for some in ties.chunks(TIES_AT_ONCE) {
            let (named, by): (Vec<_>, Vec<_>) = some.iter().map(|[named, by]| (*named, *by)).unzip();
            let (writers, seqs): (Vec<_>, Vec<_>) = named.into_iter().unzip();
            let (by, by_seqs): (Vec<_>, Vec<_>) = by.into_iter().unzip();
            self.0.run(async |connection| {
                let tie = query::<Postgres>(TIES).bind(writers).bind(seqs).bind(by).bind(by_seqs);
                tie.execute(connection).await.map(|_| ()).map_err(PostgresError::from)
            })?;
        }
        Ok(())
    }
}
