//! What can go wrong with PostgreSQL, and what to do about it.

use std::{io, path::PathBuf, time::Duration};

use sqlx_core::error::Error;

/// Why PostgreSQL could not do something.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// It cannot be reached, or refused a statement.
    #[error("PostgreSQL: {0} ({advice})", advice = advice(.0))]
    Sql(#[from] Error),
    /// Its answer did not come.
    #[error("PostgreSQL did not answer within {0:?}: check the server, and the network to it")]
    TimedOut(Duration),
    /// The password cannot be read.
    #[error("the file {path} with the password of the database cannot be used: {source}")]
    Password {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// There is no schema, or none that this user may use.
    #[error(
        "the database has no schema `ops` that user `{user}` may use: run `bulkhead migrate` once with the URL of the user who is \
         to own the schema, then `GRANT bulkhead_hub TO {user}`"
    )]
    Missing {
        /// The user of the database.
        user: String,
    },
    /// The schema is of another version.
    #[error(
        "the schema of the database is of an older version ({found}, this hub's is {known}): run `bulkhead migrate` as its owner"
    )]
    Older {
        /// The version of the database's schema.
        found: i32,
        /// The program's.
        known: i32,
    },
    /// The schema is of a newer version.
    #[error("the schema of the database is of a newer hub ({found}, this hub's is {known}): upgrade this hub")]
    Newer {
        /// The version of the database's schema.
        found: i32,
        /// The program's.
        known: i32,
    },
    /// The schema's owner may not do what Supabase's users take.
    #[error(
        "user `{user}` cannot have the trail refer to Supabase's users: run `bulkhead migrate` as a user who may read, lock and \
         refer to `auth.users`, past its row-level security, as `postgres` may on Supabase"
    )]
    Users {
        /// The user of the database.
        user: String,
    },
    /// Row-level security hides rows.
    #[error(
        "row-level security hides rows of the trail from user `{user}`: grant `bulkhead_hub` to it, or use another user"
    )]
    Hidden {
        /// The user of the database.
        user: String,
    },
    /// Somebody has changed the schema.
    #[error(
        "the schema of the database was changed: {}. That may drop, hide or change rows: find out who did it, and restore the \
         schema or use another database", .found.join("; ")
    )]
    Schema {
        /// In what it is not as the migrations make it.
        found: Vec<String>,
    },
    /// The hub's user could change what is recorded.
    #[error(
        "user `{user}` of the database may change what is recorded: let the hub connect as a user that owns nothing there and is \
         only granted `bulkhead_hub`"
    )]
    MayChange {
        /// The user of the database.
        user: String,
    },
    /// Only the owner can do it.
    #[error(
        "user `{user}` of the database does not own the tables of the trail: name the owner in --database-url, as for `bulkhead migrate`"
    )]
    NoOwner {
        /// The user of the database.
        user: String,
    },
    /// Texts in it would be changed.
    #[error(
        "the database is not encoded in UTF-8: make another, with `CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0`"
    )]
    Encoding,
    /// Rows were taken without an error, and are not there.
    #[error("something in the database, such as a trigger or a rule, drops rows: find out who added it")]
    Drops,
}

/// What to do about it.
fn advice(error: &Error) -> &'static str {
    let Error::Database(refused) = error else {
        return match error {
            Error::Tls(_) => "check the server's certificate, `sslmode` and `sslrootcert`",
            Error::Configuration(_) => "check the database's URL and the files that it names",
            _ => "check that it runs and can be reached from here",
        };
    };
    let code = refused.code().unwrap_or_default();
    match code.as_ref() {
        "28P01" | "28000" => "check the user and its password",
        "3D000" => "make the database, or check its name in the URL",
        "42501" => "grant `bulkhead_hub` to the hub's user",
        "42P01" | "3F000" => "run `bulkhead migrate` as the owner",
        "53100" => "free space on its disk",
        "53300" => "let it take more connections",
        "25006" => "it takes no writes: name the primary server in the URL",
        "55P03" | "57014" => "something holds the hub's rows locked: end it",
        _ if code.starts_with("57P") => "it ends or starts just now",
        _ => "see the server's log",
    }
}

impl PostgresError {
    /// Whether the server has ended a statement because it took too long.
    #[must_use]
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::Sql(Error::Database(ended)) if ended.code().as_deref() == Some("57014"))
    }

    /// Whether it may work in a moment: the server is away, is about to end or to start, or holds what is asked for locked.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Sql(Error::Database(refused)) => {
                let code = refused.code().unwrap_or_default();
                code.starts_with("57P") || code.starts_with("08") || ["55P03", "53300"].contains(&code.as_ref())
            }
            Self::Sql(Error::Io(_) | Error::Tls(_)) | Self::TimedOut(_) => true,
            _ => false,
        }
    }

    /// Whether this one row is refused, for what is in it, while another could be written.
    #[must_use]
    pub fn is_of_the_row(&self) -> bool {
        let Self::Sql(Error::Database(refused)) = self else { return matches!(self, Self::Sql(Error::Encode(_))) };
        // What is in it, a constraint, or its size.
        refused.code().is_some_and(|code| ["22", "23", "54"].contains(&code.get(..2).unwrap_or_default()))
    }
}
