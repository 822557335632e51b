//! `bulkhead audit copy`: a trail from a file to PostgreSQL.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Map, Value};

use super::{filters::CopyOptions, options::Options, recorded::recorded};
use crate::{
    audit::{self, Copied},
    names::OperationKind,
    store::{location::Location, postgres::Settings},
};

pub(super) fn run(options: &Options, asked: &CopyOptions) -> anyhow::Result<ExitCode> {
    let Location::File(from) = options.database()? else {
        bail!("what is copied is a file: leave out --database-url, or write --database-url sqlite:FILE")
    };
    if !Settings::is_meant(&asked.to_database_url) {
        bail!("a trail is copied to PostgreSQL: write --to-database-url postgres://USER@HOST/DATABASE")
    }
    Settings::without_password(&asked.to_database_url)?;
    let to = Options {
        database_url: Some(asked.to_database_url.clone()),
        database_password_file: asked.to_database_password_file.clone(),
        ..options.clone()
    };
    let Location::Postgres(settings) = to.database()? else { bail!("this is no URL of PostgreSQL's") };
    if !from.exists() {
        bail!("there is no audit trail to copy at {} (is this the hub's --data?)", from.display())
    }
    let told = Map::from_iter([("from".to_owned(), Value::from(from.to_string_lossy()))]);
    // On record where it is from now on.
    let copied = recorded(&to, OperationKind::AuditCopy, told, || {
        Ok(audit::copy(&options.data, &from, &settings, &asked.keys)?)
    })?;
    let Copied { entries, writers } = copied;
    println!("{entries} entries of {writers} hub runs are copied to {settings}; the trail verifies there");
    Ok(ExitCode::SUCCESS)
}
