//! `bulkhead migrate`: the schema in PostgreSQL, made by its owner. A database file needs none: the hub makes it itself.

use std::process::ExitCode;

use anyhow::bail;

use super::options::Options;
use crate::store::{location::Location, postgres};

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Location::Postgres(settings) = options.database()? else {
        bail!(
            "a database file is made by the hub itself: `migrate` is for --database-url postgres://OWNER@HOST/DATABASE"
        )
    };
    let shown = settings.to_string();
    let (found, made) = postgres::migrate(settings)?;
    if found == made {
        println!("{shown}: schema `ops` is of version {made} already");
    } else {
        println!("{shown}: schema `ops` is of version {made} now");
    }
    println!("the hub connects as a user of its own: CREATE ROLE hub LOGIN PASSWORD '...' IN ROLE bulkhead_hub");
    Ok(ExitCode::SUCCESS)
}
