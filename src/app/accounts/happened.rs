//! What else the accounts take note of at a look: events, and what the clocks did.

use serde_json::json;

use super::{Accounts, Phase};
use crate::clock::{Moment, Stamp, rfc3339};
use crate::event::{Event, Kind, LedgerChange, Subject};
use crate::ledger::{ClockJump, EventRow, Gap, GapReason};

/// Events that are taken over into the ledger at a time.
const EVENTS: usize = 1000;

impl Accounts {
    /// Takes over into the ledger what has happened, and into incidents what was done about them.
    pub(super) fn take_events(&mut self) {
        let batch = self.sources.events.since(self.last_event, EVENTS);
        let missed = if self.last_event == 0 { self.sources.events.dropped() } else { batch.missed };
        if let Some(event) = batch.events.first().filter(|_| missed > 0) {
            self.batch.history.push(missed_row(missed, event));
        }
        for event in batch.events {
            self.last_event = event.id;
            match event.kind {
                Kind::Reloaded { .. } => self.reloaded = event.time.into(),
                Kind::BackendRemoved { .. } => self.note_removal(&event),
                // where it could not be written, it may be another file that is written now
                Kind::Ledger(LedgerChange::SetAside { .. } | LedgerChange::Recovered { .. }) => self.enter_anew(),
                _ => {}
            }
            self.note_action(&event);
            self.batch.history.push(row(&event));
        }
    }

    /// Discovery, or a reload, has taken a backend away.
    fn note_removal(&mut self, event: &Event) {
        let service = event.subject.service.as_ref();
        if let Some(account) = service.and_then(|service| self.services.get_mut(service)) {
            account.removed = event.time.into();
        }
    }

    /// Notes in the incident of a service what was done while it is under way.
    fn note_action(&mut self, event: &Event) {
        let (at, text) = (Stamp::from(event.time), event.kind.text());
        match (&event.kind, &event.subject.service, &event.subject.backend) {
            (Kind::Promise(_), ..) => {}
            (Kind::Reloaded { .. }, ..) => {
                self.services.values_mut().for_each(|account| account.acted(at, text.clone()));
            }
            (_, Some(service), backend) => {
                if let Some(account) = self.services.get_mut(service) {
                    let whom = backend.as_deref().map(|id| format!("{id}: ")).unwrap_or_default();
                    account.acted(at, format!("{whom}{text}"));
                }
            }
            _ => {}
        }
    }

    /// Enters what the clocks did.
    pub(super) fn watch_clocks(&mut self, now: Moment, at: Stamp) {
        let change = self.clocks.look(now, at);
        if change.slept > 0 && self.phase == Phase::Keeping {
            let from = at.plus(-change.slept);
            self.batch.gaps.push(Gap { from, to: at, why: GapReason::Suspended });
            for name in self.services.keys() {
                self.batch.spans.extend(crate::ledger::unknown(name, from, at));
            }
        }
        if change.stalled > 0 && self.phase == Phase::Keeping {
            // the accounts of the services take this time for unknown by themselves
            let from = at.plus(-change.stalled - change.slept);
            self.batch.gaps.push(Gap { from, to: at.plus(-change.slept), why: GapReason::Stalled });
            tracing::warn!(
                "the process was stopped for {:.1} s, or kept from running: what is promised is not known to have been kept meanwhile",
                change.stalled as f64 / 1e3
            );
        }
        if change.jumped != 0 {
            self.enter_jump(at, change.jumped);
        }
    }

    /// The wall's clock was set, by so many milliseconds.
    pub(super) fn enter_jump(&mut self, at: Stamp, by_ms: i64) {
        self.batch.jumps.push(ClockJump { at, by_ms });
        let by_s = by_ms as f64 / 1e3;
        self.sources.events.tell(Subject::default(), Kind::Ledger(LedgerChange::ClockJumped { by_s }));
    }
}

/// What stands for events that came faster than they could be taken over, and are not kept any more; the next one is there.
fn missed_row(missed: u64, next: &Event) -> EventRow {
    let text = format!(
        "{missed} events before this are not here: more came than are kept while the ledger was not ready for them"
    );
    let (id, kind) = (next.id.saturating_sub(1), "events_missed");
    let time = rfc3339(next.time);
    let json =
        json!({ "id": id, "time": time, "kind": kind, "level": "warn", "text": text, "cause": { "missed": missed } });
    EventRow {
        id,
        time: next.time.into(),
        kind: kind.to_owned(),
        level: "warn".to_owned(),
        service: None,
        backend: None,
        json: json.to_string(),
    }
}

fn row(event: &Event) -> EventRow {
    EventRow {
        id: event.id,
        time: event.time.into(),
        kind: event.kind.name().to_owned(),
        level: event.kind.level().as_str().to_owned(),
        service: event.subject.service.clone(),
        backend: event.subject.backend.clone(),
        json: event.to_json().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Events;

    #[test]
    fn events_that_fell_out_before_they_were_taken_over_leave_a_row_that_says_how_many() {
        let events = Events::default();
        let tell = |n: u64| {
            (0..n).for_each(|_| events.tell(Subject::default(), Kind::Ledger(LedgerChange::ClockJumped { by_s: 1.0 })))
        };
        tell(10_000);
        assert_eq!(events.dropped(), 0);
        tell(7);
        assert_eq!(events.dropped(), 7);
        let first = events.since(0, 1).events.remove(0);
        let row = missed_row(events.dropped(), &first);
        assert_eq!((row.id, row.kind.as_str()), (first.id - 1, "events_missed"));
        assert!(row.json.contains("\"missed\":7"), "{}", row.json);
    }
}
