//! `bulkhead audit purge`: removes bodies from the trail.

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::bail;
use serde_json::{Map, Value};

use super::{
    filters::PurgeOptions,
    options::Options,
    recorded::{Began, event},
};
use crate::{
    audit::{self, Chosen, Removed},
    names::OperationKind,
    store::private_file,
};

pub(super) fn run(options: &Options, asked: &PurgeOptions) -> anyhow::Result<ExitCode> {
    let query = asked.filter.query()?;
    let filter = query.told();
    let has_filter = filter.as_object().is_some_and(|filter| !filter.is_empty());
    let chosen = match (&asked.ids[..], has_filter) {
        ([], false) => bail!("name the calls whose bodies are to be removed, or a range with --from and --to"),
        ([], true) if asked.filter.from.is_none() || asked.filter.to.is_none() => {
            bail!("give the range in which bodies are to be removed: --from and --to")
        }
        ([], true) => Chosen::Found(Box::new(query)),
        (_, true) => bail!("name calls or a filter, not both"),
        (ids, false) => Chosen::Calls(ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()),
    };
    private_file::own_folder(&options.data)?;
    let began = Began::now();
    let Removed { bodies, is_overwritten } =
        audit::purge(&options.data.canonicalize()?, &options.database()?, &chosen, |bodies| {
            let ids = asked.ids.iter().map(|id| Value::from(id.to_string())).collect();
            let told = [("bodies", bodies.into()), ("filter", filter), ("ids", ids)];
            let told = Map::from_iter(told.map(|(name, value)| (name.to_owned(), value)));
            event(OperationKind::AuditPurge, &began, told, None)
        })?;
    println!("{bodies} bodies are removed, by a statement in the trail; their rows and digests stay");
    if !is_overwritten {
        eprintln!(
            "what was removed may still stand in the database's files: end all hubs and run this again, or see docs/postgresql.md"
        );
    }
    Ok(ExitCode::SUCCESS)
}
