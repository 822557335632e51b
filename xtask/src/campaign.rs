//! `cargo xtask campaign NAME`: a long test at its full length, which `cargo xtask test` runs reduced and with a fixed seed.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::process::{self, minutes};
use crate::workspace::Workspace;
use crate::{components, test, tools};

/// Tells the tests that they run at full length; `host/tests/support/campaign.rs` reads it.
const VARIABLE: &str = "BULKHEAD_CAMPAIGN";

/// One campaign: what it is called, which tests it is, what it looks for.
struct Campaign {
    name: &'static str,
    tests: &'static [&'static str],
    about: &'static str,
}

const ALL: [Campaign; 8] = [
    Campaign {
        name: "calls",
        tests: &["hostile::flood::"],
        about: "a hundred thousand calls, a third of them hostile: the hub keeps its size, every call its row",
    },
    Campaign {
        name: "kills",
        tests: &["trail::kills::", "postgres::kills::"],
        about: "a hundred hubs that are killed under load, on each store: whatever reached the upstream has its row",
    },
    Campaign {
        name: "honest",
        tests: &["no_honest_database_is_accused"],
        about: "a thousand trails of hubs that share a database, fail, crash, lose power and purge: none is said to be tampered with",
    },
    Campaign {
        name: "floods",
        tests: &["floods::a_flood_of_what_never_runs"],
        about: "five minutes of the largest that leads to nothing: trail and log grow slowly, others are served",
    },
    Campaign {
        name: "overload",
        tests: &["overload::"],
        about: "three times as many calls as the machine can do: how long those that are let in take, and how many are refused",
    },
    Campaign {
        name: "search",
        tests: &["plans::a_first_page_of_a_million_rows", "plans::what_a_small_call_takes"],
        about: "a million rows in PostgreSQL: the first page of each search within 150 ms; and what a row takes there",
    },
    Campaign {
        name: "upgrades",
        tests: &["upgrade::sixty_four_clients_notice_nothing"],
        about: "the program is replaced five times under 64 clients: no call fails, each has its row",
    },
    Campaign {
        name: "properties",
        tests: &[
            "properties::",
            "tests::addresses::",
            "tests::matcher::",
            "tests::rules::",
            "tests::targets::",
            "json::number::",
        ],
        about: "what fuzz targets look for, with twenty times as many made-up inputs, others each time",
    },
];

/// Runs the named campaign, after setting up what it needs.
pub fn campaign(workspace: &Workspace, names: &[String]) -> Result<ExitCode> {
    let known = || ALL.map(|campaign| format!("  {:10} {}", campaign.name, campaign.about)).join("\n");
    let [name] = names else { bail!("name one campaign: cargo xtask campaign NAME\n{}", known()) };
    let Some(campaign) = ALL.iter().find(|campaign| campaign.name == name) else {
        bail!("there is no campaign `{name}`; there are:\n{}", known());
    };
    tools::ensure_all(workspace)?.warn();
    components::build(workspace, components::Which::All)?;
    let mut command = test::root(workspace, Some("campaign"));
    command.arg("--").args(campaign.tests).env("BULKHEAD_TEST_TOOLS", workspace.test_tools()).env(VARIABLE, "whole");
    let status = process::show(&mut command, minutes(240))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
