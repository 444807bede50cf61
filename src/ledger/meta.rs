//! Single values of the ledger: the table `meta`.

use rusqlite::{Connection, OptionalExtension, params};

use super::batch::Keeper;
use crate::clock::Stamp;

/// Up to when time is accounted.
pub const UNTIL: &str = "until";

/// The last time of the wall's clock that was borne out: see [`age`](super::age).
pub const BORNE_OUT: &str = "borne_out";

/// The batches that were written last, one of each run.
pub const BATCHES: &str = "batches";

/// Before when history was deleted by hand.
pub const PRUNED: &str = "pruned_before";

/// Up to where that was told.
pub const TOLD: &str = "pruned_told";

/// The value with this name.
pub fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()
}

/// Stores a value.
pub fn set(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
    connection.prepare_cached(sql)?.execute(params![name, value])?;
    Ok(())
}

/// The time with this name.
pub fn stamp(connection: &Connection, name: &str) -> rusqlite::Result<Option<Stamp>> {
    Ok(get(connection, name)?.and_then(|text| text.parse().ok()).map(Stamp::from_millis))
}

/// Raises the time with this name; `false` = it is as late already.
pub fn raise(connection: &Connection, name: &str, to: Stamp) -> rusqlite::Result<bool> {
    if stamp(connection, name)?.is_some_and(|known| known >= to) {
        return Ok(false);
    }
    set(connection, name, &to.as_millis().to_string())?;
    Ok(true)
}

/// The run that keeps the time.
pub fn keeper(connection: &Connection) -> rusqlite::Result<Option<Keeper>> {
    Ok(get(connection, "keeper")?.and_then(|text| u64::from_str_radix(&text, 16).ok()).map(Keeper))
}

/// From now on it is this run.
pub fn set_keeper(connection: &Connection, keeper: Keeper) -> rusqlite::Result<()> {
    set(connection, "keeper", &format!("{:016x}", keeper.0))
}
