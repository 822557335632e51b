//! The schema: its versions, and what the hub checks before it starts.

use std::cmp::Ordering;

use sqlx_core::{query::query, query_scalar::query_scalar, row::Row as _};
use sqlx_postgres::{PgConnection, Postgres};

use super::PostgresError;

/// The migrations, in order.
pub(super) const MIGRATIONS: [&str; 3] = [
    include_str!("../../../../migrations/postgres/0001_trail.sql"),
    include_str!("../../../../migrations/postgres/0002_events.sql"),
    include_str!("../../../../migrations/postgres/0003_provider_overrides.sql"),
];

/// The newest version that this program knows.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "there are few")]
pub(super) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The version that a schema is of.
pub(super) const APPLIED: &str = "SELECT coalesce(max(number), 0) FROM ops.migrations";

/// Whether the schema is there and of this version.
pub(super) async fn check(connection: &mut PgConnection, user: &str) -> Result<(), PostgresError> {
    let there = "SELECT coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), false) \
        FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid \
        WHERE n.nspname = 'ops' AND c.relname = 'migrations'";
    let there: Option<bool> = query_scalar(there).fetch_optional(&mut *connection).await?;
    if there != Some(true) {
        return Err(PostgresError::Missing { user: user.to_owned() });
    }
    let encoding: String = query_scalar("SHOW server_encoding").fetch_one(&mut *connection).await?;
    if encoding != "UTF8" {
        return Err(PostgresError::Encoding);
    }
    let found: i32 = query_scalar(APPLIED).fetch_one(connection).await?;
    match found.cmp(&VERSION) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(PostgresError::Older { found, known: VERSION }),
        Ordering::Greater => Err(PostgresError::Newer { found, known: VERSION }),
    }
}

/// Whether the user sees all rows. Who sees a part would take the others for missing, or think that there are none.
pub(super) async fn check_sight(connection: &mut PgConnection) -> Result<(), PostgresError> {
    let hidden = "SELECT current_user::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'ops' AND c.relkind IN ('r', 'p') AND row_security_active(c.oid) \
        AND NOT pg_has_role(c.relowner, 'USAGE') \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = 'bulkhead_hub' AND pg_has_role(r.oid, 'USAGE')) LIMIT 1";
    match query_scalar(hidden).fetch_optional(connection).await? {
        Some(user) => Err(PostgresError::Hidden { user }),
        None => Ok(()),
    }
}

/// Whether the user may add to the trail, and not change it.
pub(super) async fn check_rights(connection: &mut PgConnection) -> Result<(), PostgresError> {
    // All six are there, and are tables. Who owns one, or is a member of who does, can give itself every right.
    let rights = "SELECT current_user::text AS user, \
        bool_or(has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER') OR pg_has_role(c.relowner, 'MEMBER')) AS changes, \
        count(*) = 6 AND bool_and(has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')) AS adds \
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'ops' AND c.relkind IN ('r', 'p') AND c.relname IN ('run_events', 'run_intents', 'audit_writers', \
        'audit_statements', 'audit_batches', 'audit_ties')";
    let row = query::<Postgres>(rights).fetch_one(connection).await?;
    let (user, changes, adds): (String, Option<bool>, Option<bool>) =
        (row.try_get("user")?, row.try_get("changes")?, row.try_get("adds")?);
    match (changes, adds) {
        (Some(false), Some(true)) => Ok(()),
        (Some(true), _) => Err(PostgresError::MayChange { user }),
        _ => Err(PostgresError::Missing { user }),
    }
}

/// Whether the user owns the tables.
pub(super) async fn check_owner(connection: &mut PgConnection) -> Result<(), PostgresError> {
    let owns = "SELECT current_user::text AS user, coalesce(bool_and(pg_has_role(c.relowner, 'MEMBER')), false) AS owns \
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'ops' AND c.relname IN ('run_events', 'run_intents')";
    let row = query::<Postgres>(owns).fetch_one(connection).await?;
    let (user, owns): (String, bool) = (row.try_get("user")?, row.try_get("owns")?);
    if owns { Ok(()) } else { Err(PostgresError::NoOwner { user }) }
}
