//! What is different on Supabase: events refer to its users, row-level security is on, and secrets may come from its vault.

use sqlx_core::{query::query, raw_sql::raw_sql, row::Row as _};
use sqlx_postgres::{PgConnection, Postgres};

use super::PostgresError;

/// Events that refer to users, and row-level security.
pub(super) const USERS: &str = include_str!("../../../../migrations/postgres/supabase.sql");
const SECRETS: &str = include_str!("../../../../migrations/postgres/supabase_vault.sql");

/// Whether there are users and a role for them, and what the owner of the trail may do with them.
const OF_USERS: &str = "SELECT current_user::text AS owner, has_schema_privilege(n.oid, 'USAGE') \
    AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'REFERENCES') \
    AND has_any_column_privilege(c.oid, 'UPDATE') AND NOT row_security_active(c.oid) AS may_refer \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'auth' AND c.relname = 'users' \
    AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'authenticated')";

/// Whether there is a vault, and whether the owner may let others read it.
const OF_SECRETS: &str = "SELECT has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION') \
    AND has_table_privilege(c.oid, 'SELECT WITH GRANT OPTION') AS may_grant \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'vault' AND c.relname = 'decrypted_secrets'";

/// What of Supabase is there, and in use now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supabase {
    /// Events refer to `auth.users`, and row-level security is on.
    pub users: bool,
    /// What became of the vault.
    pub secrets: Secrets,
}

/// What became of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// There is none.
    Absent,
    /// The role `bulkhead_vault` may read it.
    Granted,
    /// Somebody else has to let that role read it.
    NotOurs,
}

/// Makes what is missing, in the transaction that migrates.
pub(super) async fn adapt(connection: &mut PgConnection) -> Result<Supabase, PostgresError> {
    let of_users = query::<Postgres>(OF_USERS).fetch_optional(&mut *connection).await?;
    if let Some(row) = &of_users {
        if !row.try_get::<bool, _>("may_refer")? {
            return Err(PostgresError::Users { user: row.try_get("owner")? });
        }
        raw_sql(USERS).execute(&mut *connection).await?;
    }
    let of_secrets = query::<Postgres>(OF_SECRETS).fetch_optional(&mut *connection).await?;
    let secrets = match of_secrets.map(|row| row.try_get("may_grant")).transpose()? {
        None => Secrets::Absent,
        Some(false) => Secrets::NotOurs,
        Some(true) => {
            raw_sql(SECRETS).execute(connection).await?;
            Secrets::Granted
        }
    };
    Ok(Supabase { users: of_users.is_some(), secrets })
}
