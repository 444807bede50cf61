//! Evenkeel's events as a story for people: what it saw, did and learned, and who was without work from when to when.

use std::collections::BTreeSet;
use std::time::Duration;

use super::line::{Line, Voice};
use crate::clock::Moment;
use crate::endpoint::state::State;
use crate::event::{Event, Kind, PromiseChange, RecoveryChange};
use crate::recover::Attempt;

/// What has been told so far.
#[derive(Debug)]
pub struct Story {
    start: Moment,
    /// Each time in which a backend got no new work, in order.
    pub outages: Vec<Outage>,
    /// The attempts at a repair that are over.
    pub repairs: Vec<Attempt>,
    /// Those that are not.
    under_way: BTreeSet<i64>,
    /// Whether more of the error budget was spent than there was, at some time.
    pub was_spent: bool,
}

/// A time in which a backend got no new work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Who.
    pub backend: String,
    /// From when on, since the start.
    pub from: Duration,
    /// Until when; `None` = it goes on.
    pub to: Option<Duration>,
    /// Why it began.
    pub why: String,
}

impl Story {
    /// A story that begins at `start`.
    pub fn new(start: Moment) -> Self {
        Self { start, outages: Vec::new(), repairs: Vec::new(), under_way: BTreeSet::new(), was_spent: false }
    }

    /// Whether all backends get work and nothing is being repaired.
    pub fn is_settled(&self) -> bool {
        self.under_way.is_empty() && self.outages.iter().all(|outage| outage.to.is_some())
    }

    /// The line that tells of an event; `None` = it is no part of the story.
    pub fn tell(&mut self, event: &Event) -> Option<Line> {
        let at = event.moment.since(self.start);
        let backend = event.subject.backend.as_deref().unwrap_or("the service");
        let (voice, text) = match &event.kind {
            Kind::Backend { state, reason, was, after, .. } => {
                let since = self.stands(backend, *state, reason, at);
                stand(backend, *state, reason, *was, since.or(*after))?
            }
            Kind::Fault(_) => (Voice::Saw, named(&event.kind.text(), backend)),
            Kind::Recovery(change) => self.recovery(change)?,
            Kind::Promise(change) => {
                self.was_spent |= matches!(change, PromiseChange::BudgetSpent { .. });
                (Voice::Saw, event.kind.text())
            }
            Kind::PanicBegan { .. } | Kind::PanicEnded { .. } | Kind::ServiceDown { .. } | Kind::ServiceUp { .. } => {
                (Voice::Saw, event.kind.text())
            }
            _ => return None,
        };
        Some(Line { at, voice, text })
    }

    /// Keeps how a backend stands from now on. When it gets work again: how long it did not.
    fn stands(&mut self, backend: &str, state: State, why: &str, at: Duration) -> Option<Duration> {
        let open = self.outages.iter_mut().rev().find(|outage| outage.backend == backend && outage.to.is_none());
        let works = matches!(state, State::Up | State::Starting | State::Unknown);
        match open {
            Some(outage) if works => {
                outage.to = Some(at);
                Some(at.saturating_sub(outage.from))
            }
            None if !works => {
                let (backend, why) = (backend.to_owned(), why.to_owned());
                self.outages.push(Outage { backend, from: at, to: None, why });
                None
            }
            _ => None,
        }
    }

    fn recovery(&mut self, change: &RecoveryChange) -> Option<(Voice, String)> {
        let told = match change {
            RecoveryChange::Began(attempt) => {
                self.under_way.insert(attempt.id);
                let whom = attempt.backend.as_deref().unwrap_or("the service");
                let Attempt { id, fault, .. } = &**attempt;
                (Voice::Did, format!("has {whom} restarted: {} (attempt {id})", fault.replace('_', " ")))
            }
            RecoveryChange::Acted(attempt) => {
                let took = attempt.act.as_ref().map_or(0, |act| act.took_ms) as f64 / 1e3;
                (Voice::Saw, format!("the restart is done after {took:.1} s; now the backend has to be seen well"))
            }
            RecoveryChange::Succeeded(attempt) | RecoveryChange::Failed(attempt) | RecoveryChange::Ended(attempt) => {
                self.under_way.remove(&attempt.id);
                self.repairs.push(Attempt::clone(attempt));
                (Voice::Learned, Kind::Recovery(change.clone()).text())
            }
            RecoveryChange::Braked(held) => (Voice::Did, format!("holds back a repair: {}", held.why)),
            _ => (Voice::Did, Kind::Recovery(change.clone()).text()),
        };
        Some(told)
    }
}

/// How a backend stands now, as a sentence; `since` is how long it had no work before.
fn stand(
    backend: &str,
    state: State,
    reason: &str,
    was: Option<State>,
    since: Option<Duration>,
) -> Option<(Voice, String)> {
    let told = match state {
        State::Ejected => (Voice::Did, format!("takes {backend} out: {reason}")),
        State::Down => (Voice::Saw, format!("{backend} is down: {reason}")),
        State::Draining => (Voice::Did, format!("gives {backend} no work: {reason}")),
        State::Broken => (Voice::Did, format!("breaks the circuit of {backend}: {reason}")),
        State::Disabled => (Voice::Did, format!("gives {backend} nothing: {reason}")),
        State::Unknown => return None,
        State::Up | State::Starting if matches!(was, None | Some(State::Unknown)) => return None,
        State::Up | State::Starting => {
            let after = since.map(|since| format!(", after {:.1} s", since.as_secs_f64())).unwrap_or_default();
            (Voice::Did, format!("gives {backend} work again{after}: a twentieth of its share, doubled each second"))
        }
    };
    Some(told)
}

/// The text of an event, with the name of the backend that it speaks of.
fn named(text: &str, backend: &str) -> String {
    text.strip_prefix("backend").map_or_else(|| text.to_owned(), |rest| format!("{backend}{rest}"))
}
