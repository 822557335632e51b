//! In what a schema is not as the migrations make it: what could drop, hide or change rows.

use std::collections::{BTreeMap, BTreeSet};

use sqlx_core::query_as::query_as;
use sqlx_postgres::PgConnection;

use super::{PostgresError, schema::MIGRATIONS, supabase};

/// What the trail is in.
const TABLES: [&str; 6] =
    ["run_events", "run_intents", "audit_writers", "audit_statements", "audit_batches", "audit_ties"];
/// The trigger that each of them has, but for the one below, as the server writes it.
const APPEND_ONLY: &str = "CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ops.@ FOR EACH STATEMENT \
    EXECUTE FUNCTION ops.refuse_change()";
/// Those of the table that refers to users, on Supabase.
const OF_REFERRING: [&str; 3] = [
    "CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ops.@ FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change()",
    "CREATE TRIGGER append_only_but_of_user BEFORE UPDATE ON ops.@ FOR EACH ROW EXECUTE FUNCTION ops.refuse_change_but_of_user()",
    "CREATE TRIGGER refer_to_user BEFORE INSERT ON ops.@ FOR EACH ROW EXECUTE FUNCTION ops.refer_to_user()",
];
const REFERRING: &str = "run_events";

/// Whether events refer to users; and whether, where they do not, the column for that is made from the one that is sealed.
const REFERS: &str = "SELECT a.attgenerated = '', EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.conrelid = c.oid \
    AND f.contype = 'f' AND f.conkey = ARRAY[a.attnum] AND f.confdeltype = 'n') FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'ops' AND c.relname = $1 AND a.attname = 'caller_id'";

/// The relations of these names, and whether they are tables.
const RELATIONS: &str = "SELECT c.relname::text, c.relkind IN ('r', 'p') FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ops' AND c.relname = ANY ($1)";

/// Triggers on them, as the server writes them, and whether they are on.
const TRIGGERS: &str = "SELECT c.relname::text, t.tgname::text, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled IN ('O', 'A') \
    FROM pg_catalog.pg_trigger t \
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'ops' AND c.relname = ANY ($1) AND NOT t.tgisinternal ORDER BY 1, 2";

/// What is done in the place of what is asked.
const RULES: &str = "SELECT c.relname::text, r.rulename::text FROM pg_catalog.pg_rewrite r \
    JOIN pg_catalog.pg_class c ON c.oid = r.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'ops' AND c.relname = ANY ($1) AND c.relkind IN ('r', 'p') ORDER BY 1, 2";

/// Who sees less than all, but for the policy that lets the hub see all and the one that lets callers see theirs.
const POLICIES: &str = "SELECT tablename::text, policyname::text FROM pg_catalog.pg_policies \
    WHERE schemaname = 'ops' AND tablename = ANY ($1) AND NOT (permissive = 'PERMISSIVE' \
    AND (policyname = 'hub' AND cmd = 'ALL' AND qual = 'true' AND with_check = 'true' \
    OR policyname = 'callers' AND cmd = 'SELECT' AND roles = '{authenticated}')) ORDER BY 1, 2";

/// What the triggers run.
const FUNCTIONS: &str = "SELECT p.proname::text, p.prosrc FROM pg_catalog.pg_proc p \
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'ops' ORDER BY 1";

/// Each difference in words; none if the schema is the hub's.
pub(super) async fn differences(connection: &mut PgConnection) -> Result<Vec<String>, PostgresError> {
    let mut found = Vec::new();
    let relations: BTreeMap<String, bool> =
        query_as(RELATIONS).bind(TABLES.as_slice()).fetch_all(&mut *connection).await?.into_iter().collect();
    for table in TABLES {
        match relations.get(table) {
            Some(true) => {}
            Some(false) => found.push(format!("`ops.{table}` is no table")),
            None => found.push(format!("`ops.{table}` is missing")),
        }
    }
    let referring: Option<(bool, bool)> = query_as(REFERS).bind(REFERRING).fetch_optional(&mut *connection).await?;
    let refers = referring.is_some_and(|(_, refers)| refers);
    if referring == Some((true, false)) {
        found.push(format!("column `caller_id` of `ops.{REFERRING}` is not made from `caller`"));
    }
    found.extend(triggers(connection, &relations, refers).await?);
    for (kind, others) in [("rule", RULES), ("policy", POLICIES)] {
        let others: Vec<(String, String)> =
            query_as(others).bind(TABLES.as_slice()).fetch_all(&mut *connection).await?;
        found.extend(
            others.into_iter().map(|(table, name)| format!("{kind} `{name}` of `ops.{table}` is not the hub's")),
        );
    }
    let functions: Vec<(String, String)> = query_as(FUNCTIONS).fetch_all(connection).await?;
    let made = MIGRATIONS.iter().chain([&supabase::USERS]);
    let known = |source: &str| made.clone().any(|migration| migration.contains(&format!("$${source}$$")));
    let changed = functions.into_iter().filter(|(_, source)| !known(source));
    found.extend(changed.map(|(name, _)| format!("function `ops.{name}` was changed")));
    Ok(found)
}

async fn triggers(
    connection: &mut PgConnection,
    relations: &BTreeMap<String, bool>,
    refers: bool,
) -> Result<Vec<String>, PostgresError> {
    let tables = TABLES.into_iter().filter(|table| relations.get(*table) == Some(&true));
    let mut missing: BTreeSet<(&str, String)> = tables.flat_map(|table| expected(table, refers)).collect();
    let mut found = Vec::new();
    let triggers: Vec<(String, String, String, bool)> =
        query_as(TRIGGERS).bind(TABLES.as_slice()).fetch_all(connection).await?;
    for (table, name, definition, is_on) in &triggers {
        if !missing.remove(&(&**table, definition.clone())) {
            found.push(format!("trigger `{name}` of `ops.{table}` is not the hub's"));
        } else if !is_on {
            found.push(format!("trigger `{name}` of `ops.{table}` is turned off"));
        }
    }
    let named = |definition: &str| definition.split(' ').nth(2).unwrap_or_default().to_owned();
    let missing = missing
        .iter()
        .map(|(table, definition)| format!("trigger `{}` of `ops.{table}` is missing", named(definition)));
    found.extend(missing);
    Ok(found)
}

/// The triggers that a table is to have.
fn expected(table: &'static str, refers: bool) -> Vec<(&'static str, String)> {
    let all: &[&str] = if refers && table == REFERRING { &OF_REFERRING } else { &[APPEND_ONLY] };
    all.iter().map(|definition| (table, definition.replace('@', table))).collect()
}
