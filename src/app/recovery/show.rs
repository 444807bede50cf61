//! What operators see of recovery: events, and what was learned.

use std::sync::Arc;

use crate::event::kind::recovery::{Given, Held};
use crate::event::{Events, Kind, RecoveryChange};
use crate::operator::recovery::Effectiveness;
use crate::recover::Notice;
use crate::recover::learned::Learned;

/// Tells what a coordinator wants people to hear.
pub(super) fn tell(events: &Events, service: &Arc<str>, notice: Notice) {
    let change = match notice {
        Notice::Proposed(attempt) => RecoveryChange::Proposed(Arc::from(attempt)),
        Notice::Began(attempt) => RecoveryChange::Began(Arc::from(attempt)),
        Notice::Acted(attempt) => RecoveryChange::Acted(Arc::from(attempt)),
        Notice::Ended(attempt) => RecoveryChange::over(Arc::from(attempt)),
        Notice::Undone(attempt) => RecoveryChange::Undone(Arc::from(attempt)),
        Notice::Released(attempt) => RecoveryChange::Released(Arc::from(attempt)),
        Notice::Braked { backend, fault, brake, text } => RecoveryChange::Braked(Held {
            service: service.to_string(),
            backend: backend.map(|backend| backend.to_string()),
            fault: fault.as_str().to_owned(),
            brake: brake.to_owned(),
            why: text,
        }),
        Notice::Exhausted { backend, fault, tried, again_after } => RecoveryChange::Exhausted(Given {
            service: service.to_string(),
            backend: backend.map(|backend| backend.to_string()),
            fault: fault.as_str().to_owned(),
            tried,
            again_after_s: again_after.as_secs_f64(),
        }),
    };
    events.tell(change.subject(), Kind::Recovery(change));
}

/// What was learned, as the API shows it.
pub(super) fn effectiveness(learned: &Learned) -> Vec<Effectiveness> {
    let all = learned.all().into_iter().map(|(service, fault, strategy, known)| Effectiveness {
        service: service.as_str().into(),
        fault: fault.as_str().to_owned(),
        strategy: strategy.as_str().into(),
        effectiveness: known.effectiveness,
        attempts: known.attempts,
        successes: known.successes,
        credited: known.credited,
    });
    all.collect()
}
