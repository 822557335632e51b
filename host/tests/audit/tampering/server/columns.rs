//! Every column of every table, changed in every way that its type has.

use super::{Case, database::Trail};

/// Ways to change what is there, by type; `@` is the column.
const CHANGED: [(&str, &[(&str, &str)]); 7] = [
    (
        "uuid",
        &[
            ("has a bit flipped", "(overlay(@::text placing to_hex((('x' || right(@::text, 1))::bit(4) # B'0001')::int) from 36))::uuid"),
            ("is another", "gen_random_uuid()"),
        ],
    ),
    (
        "text",
        &[
            ("has its first bit flipped", "overlay(@ placing chr(ascii(@) # 1) from 1 for 1)"),
            ("is in another case", "overlay(@ placing chr(ascii(@) # 32) from 1 for 1)"),
            ("is longer", "@ || ' '"),
            ("is nothing", "''"),
        ],
    ),
    (
        "bytea",
        &[
            ("has its first bit flipped", "set_byte(@, 0, get_byte(@, 0) # 1)"),
            ("has its last bit flipped", "set_byte(@, length(@) - 1, get_byte(@, length(@) - 1) # 128)"),
            ("is shorter", "substr(@, 2)"),
        ],
    ),
    ("bigint", &[("has a bit flipped", "@ # 2"), ("has a high bit flipped", "@ # (1::bigint << 40)")]),
    ("integer", &[("has a bit flipped", "@ # 2"), ("is negative", "-1 - @")]),
    (
        "timestamp with time zone",
        &[
            ("is a millisecond later", "@ + interval '1 millisecond'"),
            ("is a microsecond later", "@ + interval '1 microsecond'"),
            ("is none", "'infinity'"),
        ],
    ),
    ("jsonb", &[("has a member more", "@ || '{\"more\": 1}'"), ("is another", "'[]'"), ("is null", "'null'")]),
];

/// What a value that is not there can be filled with.
const FILLED: [(&str, &[&str]); 7] = [
    ("uuid", &["gen_random_uuid()"]),
    ("text", &["''", "'digest'", "'x'"]),
    ("bytea", &["''", "decode(repeat('07', 16), 'hex')", "decode(repeat('07', 32), 'hex')"]),
    ("integer", &["0", "7"]),
    ("bigint", &["7"]),
    ("timestamp with time zone", &["now()"]),
    ("jsonb", &["'{}'", "'null'"]),
];

/// Each change of each column, which must be told of that row's run.
pub async fn cases(trail: &Trail) -> Vec<Case> {
    let columns = "SELECT table_name || ' ' || column_name || ' ' || is_nullable || ' ' || data_type FROM information_schema.columns \
        WHERE table_schema = 'ops' AND is_generated = 'NEVER' AND table_name IN ('run_events', 'run_intents', 'audit_statements', \
        'audit_batches', 'audit_writers', 'audit_ties') ORDER BY table_name, ordinal_position";
    let columns = trail.texts(columns.to_owned()).await;
    assert!(columns.len() > 45, "{columns:?}");
    let mut cases = Vec::new();
    for column in &columns {
        let [table, name, nullable, kind] = column.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{column}") };
        let of = |all: &'static [(&str, &'static [(&str, &str)])]| all.iter().find(|(of, _)| *of == kind).map(|(_, ways)| *ways);
        if let Some(run) = first(trail, table, name, "IS NOT NULL").await {
            let ways = of(&CHANGED).unwrap_or_else(|| panic!("{column}"));
            // A row's place moves far, so that it is not another's.
            for (how, value) in ways.iter().filter(|(how, _)| !name.ends_with("seq") || how.contains("high")) {
                cases.push(case(table, name, how, "IS NOT NULL", &value.replace('@', name), &run));
            }
            if nullable == "YES" {
                cases.push(case(table, name, "is removed", "IS NOT NULL", "NULL", &run));
            }
        }
        if let Some(run) = first(trail, table, name, "IS NULL").await {
            let ways = FILLED.iter().find(|(of, _)| *of == kind).unwrap_or_else(|| panic!("{column}")).1;
            for value in ways {
                cases.push(case(table, name, &format!("is filled with {value}"), "IS NULL", value, &run));
            }
        }
    }
    cases
}

/// The run of the first row of which this holds.
async fn first(trail: &Trail, table: &str, column: &str, holds: &str) -> Option<String> {
    let sql = format!("SELECT writer::text FROM ops.{table} WHERE {column} {holds} ORDER BY {} LIMIT 1", order(table));
    trail.texts(sql).await.pop()
}

fn order(table: &str) -> &'static str {
    if table == "audit_writers" { "writer" } else { "writer, seq" }
}

fn case(table: &str, column: &str, how: &str, holds: &str, value: &str, run: &str) -> Case {
    let sql = format!(
        "UPDATE {table} SET {column} = {value} WHERE ctid = (SELECT ctid FROM {table} WHERE {column} {holds} ORDER BY {} LIMIT 1)",
        order(table)
    );
    Case::new(format!("{table}.{column} {how}"), [run], sql)
}
