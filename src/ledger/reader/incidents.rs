//! Incidents with what people noted about them.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Params, Row};

use super::{Reader, stamp};
use crate::clock::Stamp;
use crate::ledger::batch::Note;
use crate::sla::{Action, Cause, CauseKind, Incident};

const COLUMNS: &str = "id, service, began, detected, ended, is_cut, lasted_ms, down_ms, rto_ms, cause, cause_text, backends, actions, lost, good";

/// The hash of the last seal of an incident.
const SEALED: &str =
    "(SELECT hash FROM seal WHERE kind = 'incident' AND key = CAST(incident.id AS TEXT) ORDER BY seq DESC LIMIT 1)";

/// An incident as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredIncident {
    /// The incident.
    pub incident: Incident,
    /// What people noted about it, in order.
    pub notes: Vec<Note>,
    /// The hash of its seal; `None` = it is under way.
    pub sealed: Option<String>,
}

impl Reader {
    /// The incidents that a part of lies from `from` up to `to`, in order; of all services where none is named.
    pub fn incidents(&self, service: Option<&str>, from: Stamp, to: Stamp) -> Result<Vec<StoredIncident>, String> {
        let service = match service.map(|name| self.number(name)) {
            Some(None) => return Ok(Vec::new()),
            known => known.flatten(),
        };
        let (from, to) = (from.as_millis(), to.as_millis());
        let condition = "began < ?2 AND (ended IS NULL OR ended > ?1 OR began >= ?1)";
        match service {
            // a condition of its own, so that they are found by their index
            Some(service) => self.stored(&format!("service = ?3 AND {condition}"), [from, to, service]),
            None => self.stored(condition, [from, to]),
        }
    }

    /// The incident with this number.
    pub fn incident(&self, id: i64) -> Result<Option<StoredIncident>, String> {
        Ok(self.stored("id = ?1", [id])?.pop())
    }

    /// Those that are under way, in order.
    pub fn open_incidents(&self) -> Result<Vec<StoredIncident>, String> {
        self.stored("ended IS NULL", [])
    }

    /// The highest number of an incident; 0 = there is none.
    pub fn last_incident_id(&self) -> Result<i64, String> {
        self.one("SELECT coalesce(max(id), 0) FROM incident", [])
    }

    fn stored(&self, condition: &str, values: impl Params + Clone) -> Result<Vec<StoredIncident>, String> {
        let sql = format!("SELECT {COLUMNS}, {SEALED} FROM incident WHERE {condition} ORDER BY began, id");
        let mut stored = self.rows(&sql, values.clone(), |row| {
            let (incident, sealed): (Incident, Option<String>) = (self.read(row)?, row.get(15)?);
            Ok(StoredIncident { sealed: sealed.filter(|_| incident.ended.is_some()), incident, notes: Vec::new() })
        })?;
        let sql = format!(
            "SELECT incident, at, who, text FROM note WHERE incident IN (SELECT id FROM incident WHERE {condition}) ORDER BY id"
        );
        let notes = self.rows(&sql, values, |row| {
            Ok(Note { incident: row.get(0)?, at: stamp(row, 1)?, who: row.get(2)?, text: row.get(3)? })
        })?;
        let mut of: HashMap<i64, Vec<Note>> = HashMap::new();
        for note in notes {
            of.entry(note.incident).or_default().push(note);
        }
        for one in &mut stored {
            one.notes = of.remove(&one.incident.id).unwrap_or_default();
        }
        Ok(stored)
    }

    fn read(&self, row: &Row<'_>) -> rusqlite::Result<Incident> {
        let kind: String = row.get(9)?;
        let actions: Vec<(i64, String)> = json(row, 12)?;
        let backends: Vec<String> = json(row, 11)?;
        Ok(Incident {
            id: row.get(0)?,
            service: self.name(row.get(1)?),
            began: stamp(row, 2)?,
            detected: stamp(row, 3)?,
            ended: row.get::<_, Option<i64>>(4)?.map(Stamp::from_millis),
            is_cut: row.get(5)?,
            lasted_ms: row.get(6)?,
            down_ms: row.get(7)?,
            rto_ms: row.get(8)?,
            cause: Cause { kind: CauseKind::named(&kind).unwrap_or(CauseKind::Unknown), text: row.get(10)? },
            backends: backends.into_iter().map(Arc::from).collect(),
            actions: actions.into_iter().map(|(at, text)| Action { at: Stamp::from_millis(at), text }).collect(),
            lost: row.get(13)?,
            good: row.get(14)?,
        })
    }
}

/// Reads a column that holds JSON.
fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
