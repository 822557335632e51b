//! What is done to the database around its rows.

use super::{Case, database::{FIRST, Trail}};

/// Each of them.
pub fn cases(trail: &Trail) -> Vec<Case> {
    let first = trail.runs[FIRST].id;
    let swallow = "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
        CREATE TRIGGER swallow BEFORE INSERT ON run_events FOR EACH ROW EXECUTE FUNCTION public.swallow()";
    vec![
        Case::new("a trigger swallows what is inserted", ["trigger `swallow` of `ops.run_events` is not the hub's"], swallow),
        Case::new(
            "a rule swallows what is inserted",
            ["rule `swallow` of `ops.run_intents` is not the hub's"],
            "CREATE RULE swallow AS ON INSERT TO run_intents DO INSTEAD NOTHING",
        ),
        Case::new(
            "a view stands in the place of a table",
            ["`ops.run_events` is no table"],
            "ALTER TABLE run_events RENAME TO hidden; CREATE VIEW run_events AS SELECT * FROM hidden WHERE outcome = 'ok'; \
             GRANT SELECT, INSERT ON run_events TO bulkhead_hub",
        ),
        Case::new(
            "a trigger is missing",
            ["trigger `append_only` of `ops.audit_batches` is missing"],
            "DROP TRIGGER append_only ON audit_batches",
        ),
        Case::new(
            "a trigger is turned off",
            ["trigger `append_only` of `ops.run_events` is turned off"],
            "ALTER TABLE run_events DISABLE TRIGGER append_only",
        ),
        Case::new(
            "a trigger does nothing any more",
            ["function `ops.refuse_change` was changed"],
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        ),
        Case::new(
            "a policy hides rows from the hub",
            [first.to_string(), "policy `less` of `ops.run_events` is not the hub's".to_owned()],
            "ALTER TABLE run_events ENABLE ROW LEVEL SECURITY; CREATE POLICY less ON run_events TO bulkhead_hub USING (outcome <> 'ok')",
        ),
        Case::new("a table is missing", ["`ops.audit_ties` is missing"], "DROP TABLE audit_ties"),
    ]
}
