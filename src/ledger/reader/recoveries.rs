//! Attempts to repair something.

use rusqlite::types::Type;
use rusqlite::{Params, Row};

use super::Reader;
use crate::clock::Stamp;
use crate::recover::Attempt;

impl Reader {
    /// The newest `most` attempts that began from `from` up to `to` and have a number above `after`, the newest first; of all services where
    /// none is named.
    pub fn recoveries(
        &self,
        service: Option<&str>,
        after: i64,
        from: Stamp,
        to: Stamp,
        most: usize,
    ) -> Result<Vec<Attempt>, String> {
        let service = match service.map(|name| self.number(name)) {
            Some(None) => return Ok(Vec::new()),
            known => known.flatten(),
        };
        let (from, to, most) = (from.as_millis(), to.as_millis(), i64::try_from(most).unwrap_or(i64::MAX));
        let condition = "id > ?1 AND start >= ?2 AND start < ?3 ORDER BY id DESC LIMIT ?4";
        match service {
            // a condition of its own, so that they are found by their index
            Some(service) => self.attempts(&format!("service = ?5 AND {condition}"), [after, from, to, most, service]),
            None => self.attempts(condition, [after, from, to, most]),
        }
    }

    /// The attempt with this number.
    pub fn recovery(&self, id: i64) -> Result<Option<Attempt>, String> {
        Ok(self.attempts("id = ?1", [id])?.pop())
    }

    /// Those that are not over, and those whose act is still in force, the oldest first.
    pub fn open_recoveries(&self) -> Result<Vec<Attempt>, String> {
        self.attempts("end IS NULL OR in_force ORDER BY id", [])
    }

    /// The highest number of an attempt; 0 = there is none.
    pub fn last_recovery_id(&self) -> Result<i64, String> {
        self.one("SELECT coalesce(max(id), 0) FROM recovery", [])
    }

    fn attempts(&self, condition: &str, values: impl Params) -> Result<Vec<Attempt>, String> {
        self.rows(&format!("SELECT json FROM recovery WHERE {condition}"), values, read)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let text: String = row.get(0)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
