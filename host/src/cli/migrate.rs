//! `bulkhead migrate`: the schema in PostgreSQL, made by its owner. A database file needs none: the hub makes it itself.

use std::process::ExitCode;

use anyhow::bail;

use super::options::Options;
use crate::store::{
    location::Location,
    postgres::{self, Migrated, Secrets},
};

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Location::Postgres(settings) = options.database()? else {
        bail!(
            "a database file is made by the hub itself: `migrate` is for --database-url postgres://OWNER@HOST/DATABASE"
        )
    };
    let shown = settings.to_string();
    let Migrated { from, to, supabase } = postgres::migrate(settings)?;
    println!("{shown}: schema `ops` is of version {to} {}", if from == to { "already" } else { "now" });
    if supabase.users {
        println!("this is Supabase: events refer to `auth.users`, and row-level security is on (docs/supabase.md)");
    }
    match supabase.secrets {
        Secrets::Absent => {}
        Secrets::Granted => println!("for --vault supabase: GRANT bulkhead_vault TO hub"),
        Secrets::NotOurs => println!(
            "for --vault supabase: whoever may grant rights on schema `vault` has to make the role `bulkhead_vault` \
             (migrations/postgres/supabase_vault.sql)"
        ),
    }
    println!("the hub connects as a user of its own: CREATE ROLE hub LOGIN PASSWORD '...' IN ROLE bulkhead_hub");
    Ok(ExitCode::SUCCESS)
}
