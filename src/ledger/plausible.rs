//! What no ledger of ours holds: tables, views and triggers of others, times that are longer than there is time, a table `meta` that was emptied.

use std::collections::HashSet;

use rusqlite::{Connection, Row};

use super::level::Level;
use super::{meta, schema};
use crate::clock::Stamp;

/// A stretch may have been accounted more than once where the clock was set back, which each process notes while it runs, and nobody between two
/// runs. So many times is beyond all of that.
const TIMES: i64 = 10;

/// The names of numbers in `meta`.
const NUMBERS: [&str; 8] = [
    meta::UNTIL,
    meta::BORNE_OUT,
    meta::PRUNED,
    "sealed_before",
    "complete_second",
    "complete_minute",
    "complete_hour",
    "complete_day",
];

/// What is in the file that [`schema::create`] does not make. A trigger, or a view in the place of a table, is a program of somebody else's.
pub fn foreign(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut model = Connection::open_in_memory()?;
    schema::create(&mut model)?;
    let objects = |connection: &Connection| -> rusqlite::Result<Vec<(String, String, String)>> {
        // the text of tables says less than their columns, which migrations may have added
        let sql = "SELECT type, name, coalesce(iif(type IN ('view', 'trigger') OR sql LIKE 'CREATE VIRTUAL%', sql, ''), '') FROM sqlite_schema
                   WHERE name NOT LIKE 'sqlite_stat%'";
        let text = |row: &Row<'_>| -> rusqlite::Result<String> {
            Ok(row.get::<_, String>(2)?.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?, text(row)?)))?.collect()
    };
    let ours: HashSet<_> = objects(&model)?.into_iter().collect();
    let found = objects(connection)?.into_iter().filter(|object| !ours.contains(object));
    let article = |kind: &str| if kind == "index" { "an index".to_owned() } else { format!("a {kind}") };
    let found =
        found.map(|(kind, name, _)| format!("there is {} {name:?}, which is none of a ledger's", article(&kind)));
    let columns: HashSet<_> = columns(&model)?.into_iter().collect();
    let added = self::columns(connection)?.into_iter().filter(|(table, column)| {
        columns.iter().any(|(known, _)| known == table) && !columns.contains(&(table.clone(), column.clone()))
    });
    Ok(found.chain(added.map(|(table, name)| format!("the table {table} has a column {name:?} too many"))).collect())
}

/// Tables and their columns, those that are made of others included.
fn columns(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_xinfo(t.name) c WHERE t.type = 'table'";
    connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// What is missing in `meta`, or is no number where there has to be one.
pub fn values(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    let has_times = connection.prepare("SELECT 1 FROM span_day")?.exists([])?;
    if has_times && meta::get(connection, "keeper")?.is_none() {
        found.push("meta has no keeper, which is written with everything else".to_owned());
    }
    for name in NUMBERS {
        if let Some(value) = meta::get(connection, name)?
            && value.parse::<i64>().is_err()
        {
            found.push(format!("{name} in meta is no number: {value:?}"));
        }
    }
    Ok(found)
}

/// Rows of a level with more time than there was, the first `most` of them.
pub fn too_long(connection: &Connection, level: Level, most: usize) -> rusqlite::Result<Vec<String>> {
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let again =
        count("SELECT (SELECT count(*) FROM clock_jump WHERE by_ms < 0) + (SELECT count(*) FROM gap)")?.min(1_000_000);
    let name = level.as_str();
    let sql = format!(
        "SELECT start, coalesce((SELECT s.name FROM service s WHERE s.id = rows.service), '?')
         FROM span_{name} AS rows WHERE up + down + planned + unknown > ?1 ORDER BY start LIMIT ?2"
    );
    let longest = level.millis() * (TIMES + again);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([longest, most], |row| {
        let (start, service): (i64, String) = (row.get(0)?, row.get(1)?);
        let start = Stamp::from_millis(start);
        Ok(format!("the {name} {start} of service {service} holds more time than a {name} has"))
    })?;
    rows.collect()
}
