//! Every column of every table, changed in every way that it can be.

use rusqlite::{Connection, types::Value};

use super::{
    Case,
    database::{TABLES, Trail, at},
};

/// A column, and what of it is to be known here.
struct Column {
    table: &'static str,
    name: String,
    /// Says where a row is: a change of it moves the row.
    places: bool,
    nullable: bool,
    /// What the table says of its values, such as `TEXT`.
    kind: String,
}

impl Column {
    /// What tells one row of the table from others.
    fn key(&self) -> &'static str {
        if self.table == "audit_writers" { "number" } else { "position" }
    }

    /// The first row of which this holds, by its key, and the value there.
    fn first(&self, database: &Connection, holds: &str) -> Option<(i64, Value)> {
        let Self { table, name, .. } = self;
        let key = self.key();
        let query = format!("SELECT {key}, {name} FROM {table} WHERE {name} {holds} ORDER BY {key} LIMIT 1");
        database.query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    }

    /// A change of one row's value, which must be told of that row's run.
    fn changed(&self, trail: &Trail, how: &str, key: i64, value: Value) -> Case {
        let Self { table, name, .. } = self;
        let statement = format!("UPDATE {table} SET {name} = ?1 WHERE {} = ?2", self.key());
        let run = if *table == "audit_writers" { key } else { key >> 40 };
        let what = format!("{table}.{name} {how}, in run {run}, row {}", key - at(run, 0));
        Case::new(what, [trail.run(run).to_string()], move |database| {
            assert!(database.execute(&statement, (&value, key)).expect(&statement) >= 1);
        })
    }
}

/// Each change of each column.
pub fn cases(trail: &Trail) -> Vec<Case> {
    let database = trail.look();
    let mut cases = Vec::new();
    for column in columns(&database) {
        if let Some((key, value)) = column.first(&database, "IS NOT NULL") {
            for (how, changed) in flipped(&value, column.places) {
                cases.push(column.changed(trail, how, key, changed));
            }
            if column.nullable {
                cases.push(column.changed(trail, "is removed", key, Value::Null));
            }
        }
        if let Some((key, _)) = column.first(&database, "IS NULL") {
            for (how, filled) in filled(&column) {
                cases.push(column.changed(trail, how, key, filled));
            }
        }
    }
    cases
}

fn columns(database: &Connection) -> Vec<Column> {
    let mut columns = Vec::new();
    for table in TABLES {
        let mut statement = database
            .prepare("SELECT name, \"notnull\" = 0 AND pk = 0, type FROM pragma_table_info(?1)")
            .expect("a query");
        let rows = statement
            .query_map([table], |row| {
                let (name, nullable, kind): (String, bool, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let places = ["position", "statement", "number"].contains(&name.as_str());
                Ok(Column { table, name, places, nullable, kind })
            })
            .expect("rows");
        columns.extend(rows.map(|row| row.expect("a column")));
    }
    assert!(columns.len() > 45, "{}", columns.len());
    columns
}

/// The value with one bit flipped: the lowest of the first byte, that of upper case, and the highest of the last byte.
fn flipped(value: &Value, places: bool) -> Vec<(&'static str, Value)> {
    let bits = |bytes: &[u8]| {
        let flip = |index: usize, bit: u8| {
            let mut bytes = bytes.to_vec();
            bytes[index] ^= bit;
            bytes
        };
        let last = bytes.len() - 1;
        [
            ("has its first bit flipped", flip(0, 1)),
            ("is in another case", flip(0, 32)),
            ("has its last bit flipped", flip(last, 128)),
        ]
    };
    match value {
        // A row's place moves far, so that it is not another's.
        Value::Integer(number) if places => vec![("has a bit flipped", (number ^ (1 << 20)).into())],
        Value::Integer(number) => vec![("has a bit flipped", (number ^ 2).into())],
        Value::Text(text) => {
            let [first, case, _] = bits(text.as_bytes());
            let text = |(how, bytes): (_, Vec<u8>)| (how, String::from_utf8(bytes).expect("ASCII").into());
            vec![text(first), text(case)]
        }
        Value::Blob(bytes) => bits(bytes).map(|(how, bytes)| (how, bytes.into())).into(),
        Value::Null | Value::Real(_) => Vec::new(),
    }
}

/// What a value that is not there can be filled with.
fn filled(column: &Column) -> Vec<(&'static str, Value)> {
    match column.kind.as_str() {
        "INTEGER" => vec![("is filled with a number", 1.into()), ("is filled with another", 7.into())],
        "BLOB" => vec![
            ("is filled with nothing", Vec::new().into()),
            ("is filled with an id", vec![7; 16].into()),
            ("is filled with a digest", vec![7; 32].into()),
        ],
        _ => vec![("is filled with nothing", String::new().into()), ("is filled with a text", "{}".to_owned().into())],
    }
}

/// Columns that are not there, filled with what is no UTF-8: no parameter can be that.
pub fn not_utf8(trail: &Trail) -> Vec<Case> {
    let database = trail.look();
    let texts = columns(&database).into_iter().filter(|column| column.nullable);
    let texts = texts.filter(|column| ["TEXT", "ANY"].contains(&column.kind.as_str()));
    let cases = texts.flat_map(|column| {
        let of = |holds: &str, how: &str| {
            let (key, _) = column.first(&database, holds)?;
            let Column { table, name, .. } = &column;
            let told = [trail.run(key >> 40).to_string()];
            let statement = format!("UPDATE {table} SET {name} = CAST(x'ff61' AS TEXT) WHERE position = {key}");
            Some(Case::sql(format!("{table}.{name} {how} with what is no UTF-8"), told, statement))
        };
        [of("IS NULL", "is filled"), of("IS NOT NULL", "is replaced")].into_iter().flatten().collect::<Vec<_>>()
    });
    let cases: Vec<_> = cases.collect();
    assert!(cases.len() > 10, "{}", cases.len());
    cases
}
