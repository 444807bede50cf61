//! How the history goes on when the file that was written has left its place, and another one is there: an older one, that of another run, or a new
//! one. What the file does not have of the time before is unknown in it.

use rusqlite::Connection;

use super::batch::{Batch, Gap, GapReason, Keeper};
use super::level::unknown;
use super::meta;
use super::touched::Identity;
use super::write::{BatchId, Services, write};
use crate::clock::Stamp;

/// What was written last, and to which file.
#[derive(Debug, Clone, Copy)]
pub struct Last {
    /// The file.
    pub file: Identity,
    until: Option<Stamp>,
    keeper: Option<Keeper>,
}

impl Last {
    /// What the ledger has now.
    pub fn of(connection: &Connection, file: Identity) -> rusqlite::Result<Self> {
        Ok(Self { file, until: meta::stamp(connection, meta::UNTIL)?, keeper: meta::keeper(connection)? })
    }

    /// Enters into the file that is there now that nobody knows of the time in which another one was written, and that the same run keeps the time.
    pub fn go_on(&self, connection: &mut Connection, id: BatchId) -> rusqlite::Result<()> {
        let (Some(to), Some(keeper)) = (self.until, self.keeper) else { return Ok(()) };
        let from = meta::stamp(connection, meta::UNTIL)?;
        let mut batch = Batch { keeper, takes_over: true, ..Batch::default() };
        if from.is_none_or(|from| from < to) {
            batch.until = Some(to);
            batch.gaps.push(Gap { from: from.unwrap_or_default(), to, why: GapReason::Moved });
        }
        if let Some(from) = from {
            for name in names(connection)? {
                batch.spans.extend(unknown(&name.into(), from, to));
            }
        }
        write(connection, &batch, id, &mut Services::new())
    }
}

fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare("SELECT name FROM service")?.query_map([], |row| row.get(0))?.collect()
}
