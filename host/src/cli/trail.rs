//! `bulkhead audit`: what can be done with the trail from outside.

use std::process::ExitCode;

use super::{
    options::{AuditCommand, Options},
    reading,
};
use crate::{
    audit::{self, AuditKey},
    store::private_file,
};

pub(super) fn run(options: &Options, command: &AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify { keys, checkpoints } => {
            let report = audit::verify(&options.data, &options.database()?, keys, checkpoints)?;
            for problem in &report.problems {
                println!("{problem}");
            }
            if report.problems.is_empty() {
                println!("{}: nothing was changed or removed", scope(&report));
                Ok(ExitCode::SUCCESS)
            } else {
                println!("{}: {}", scope(&report), counted(report.problems.len() as u64, "problem"));
                Ok(ExitCode::FAILURE)
            }
        }
        AuditCommand::List(list) => reading::list(options, list),
        AuditCommand::Show(show) => reading::show(options, show),
        AuditCommand::Export(export) => reading::export(options, export),
        AuditCommand::Tail(tail) => reading::tail(options, tail),
        AuditCommand::Checkpoint => {
            println!("{}", audit::checkpoint(&options.data, &options.database()?)?);
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Key { new } => {
            private_file::own_folder(&options.data)?;
            let key = if *new { audit::renew_key(&options.data)? } else { AuditKey::open(&options.data)? };
            println!("{}", key.public());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What was verified. A run is one start of the hub, which writes one chain.
fn scope(report: &audit::Report) -> String {
    format!("{} from {}", counted(report.rows, "row"), counted(report.writers, "hub run"))
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
