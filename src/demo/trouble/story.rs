//! Evenkeel's events as a story for people: what it saw, did and learned, and who was without work from when to when.

use std::collections::BTreeSet;
use std::time::Duration;

use super::line::{Line, Voice};
use crate::clock::Moment;
use crate::endpoint::state::State;
use crate::event::{Event, Kind, RecoveryChange};
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
    /// The last fault, as it was told.
    last_fault: String,
    /// Whether it was said how a backend gets its work back.
    is_return_explained: bool,
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
}

impl Story {
    /// A story that begins at `start`.
    pub fn new(start: Moment) -> Self {
        Self {
            start,
            outages: Vec::new(),
            repairs: Vec::new(),
            under_way: BTreeSet::new(),
            last_fault: String::new(),
            is_return_explained: false,
        }
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
            Kind::Backend { state, reason, .. } => {
                let without = self.stands(backend, *state, at);
                self.stand(backend, *state, reason, without)?
            }
            Kind::Fault(_) => {
                let text = named(&event.kind.text(), backend);
                self.last_fault.clone_from(&text);
                (Voice::Saw, text)
            }
            Kind::Recovery(change) => self.recovery(change)?,
            Kind::Promise(_)
            | Kind::PanicBegan { .. }
            | Kind::PanicEnded { .. }
            | Kind::ServiceDown { .. }
            | Kind::ServiceUp { .. } => (Voice::Saw, event.kind.text()),
            _ => return None,
        };
        Some(Line { at, voice, text })
    }

    /// Keeps how a backend stands from now on. When it gets work again: how long it did not.
    fn stands(&mut self, backend: &str, state: State, at: Duration) -> Option<Duration> {
        let open = self.outages.iter_mut().rev().find(|outage| outage.backend == backend && outage.to.is_none());
        let works = matches!(state, State::Up | State::Starting | State::Unknown);
        match open {
            Some(outage) if works => {
                outage.to = Some(at);
                Some(at.saturating_sub(outage.from))
            }
            None if !works => {
                self.outages.push(Outage { backend: backend.to_owned(), from: at, to: None });
                None
            }
            _ => None,
        }
    }

    /// How a backend stands now, as a sentence; `without` is how long it had no work before.
    fn stand(
        &mut self,
        backend: &str,
        state: State,
        reason: &str,
        without: Option<Duration>,
    ) -> Option<(Voice, String)> {
        let told = match state {
            State::Ejected => {
                let (why, time) = reason.rsplit_once(", for ").unwrap_or((reason, "a while"));
                let is_told = self.last_fault.starts_with(backend) && self.last_fault.ends_with(why);
                let why = if is_told { String::new() } else { format!(": {why}") };
                (Voice::Did, format!("takes {backend} out for {}{why}", spaced(time)))
            }
            State::Down => (Voice::Saw, format!("{backend} is down: {reason}")),
            State::Draining => (Voice::Did, format!("gives {backend} no new work: {reason}")),
            State::Broken => (Voice::Did, format!("breaks the circuit of {backend}: {reason}")),
            State::Disabled => (Voice::Did, format!("gives {backend} nothing: {reason}")),
            State::Unknown => return None,
            State::Up | State::Starting => {
                let without = without?.as_secs_f64();
                let how = match std::mem::replace(&mut self.is_return_explained, true) {
                    false => ": a twentieth of its share, which doubles each second",
                    true => ", a little at first",
                };
                (Voice::Did, format!("gives {backend} work again after {without:.1} s{how}"))
            }
        };
        Some(told)
    }

    fn recovery(&mut self, change: &RecoveryChange) -> Option<(Voice, String)> {
        let told = match change {
            RecoveryChange::Began(attempt) => {
                self.under_way.insert(attempt.id);
                let whom = attempt.backend.as_deref().unwrap_or("the service");
                let Attempt { id, fault, .. } = &**attempt;
                (Voice::Did, format!("has {whom} restarted: it is {} (attempt {id})", fault.replace('_', " ")))
            }
            RecoveryChange::Acted(attempt) => {
                let took = attempt.act.as_ref().map_or(0, |act| act.took_ms) as f64 / 1e3;
                (Voice::Saw, format!("the restart is done after {took:.1} s; now it has to be seen well"))
            }
            RecoveryChange::Succeeded(attempt) => {
                self.is_over(attempt);
                let whom = attempt.backend.as_deref().unwrap_or("the service");
                let after = attempt.recovery_ms.unwrap_or_default() as f64 / 1e3;
                let lesson = &attempt.lesson;
                (
                    Voice::Learned,
                    format!("the restart has healed {whom} {after:.1} s after the fault was found; {lesson}"),
                )
            }
            RecoveryChange::Failed(attempt) | RecoveryChange::Ended(attempt) => {
                self.is_over(attempt);
                (Voice::Learned, Kind::Recovery(change.clone()).text())
            }
            RecoveryChange::Braked(held) => (Voice::Did, format!("holds back a repair: {}", held.why)),
            _ => (Voice::Did, Kind::Recovery(change.clone()).text()),
        };
        Some(told)
    }

    fn is_over(&mut self, attempt: &Attempt) {
        self.under_way.remove(&attempt.id);
        self.repairs.push(attempt.clone());
    }
}

/// A time such as `2.5s` with a space before its unit.
fn spaced(time: &str) -> String {
    let unit = time.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(time.len());
    let (number, unit) = time.split_at(unit);
    if unit.is_empty() { number.to_owned() } else { format!("{number} {unit}") }
}

/// The text of an event, with the name of the backend that it speaks of.
fn named(text: &str, backend: &str) -> String {
    text.strip_prefix("backend").map_or_else(|| text.to_owned(), |rest| format!("{backend}{rest}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::endpoint::state::DecidedBy;
    use crate::event::Subject;
    use crate::recover::Outcome;

    const START: Moment = Moment::from_millis(1_000_000);

    fn event(at_s: u64, backend: &str, kind: Kind) -> Event {
        let moment = START.plus(Duration::from_secs(at_s));
        let subject = Subject::backend(&"shop".into(), &backend.into());
        Event { id: at_s, time: SystemTime::UNIX_EPOCH, moment, subject, kind }
    }

    fn stands(at_s: u64, backend: &str, state: State, reason: &str, was: State) -> Event {
        let by = DecidedBy::Outlier;
        event(at_s, backend, Kind::Backend { state, by, reason: reason.to_owned(), was: Some(was), after: None })
    }

    fn told(story: &mut Story, event: &Event) -> String {
        story.tell(event).map(|line| line.render(false)).unwrap_or_default()
    }

    #[test]
    fn an_ejection_is_told_with_its_reason_and_kept_with_its_times() {
        let mut story = Story::new(START);
        let ejected = stands(70, "b", State::Ejected, "5 failures in a row, for 2.5s", State::Up);
        assert_eq!(told(&mut story, &ejected), " 1:10  did      takes b out for 2.5 s: 5 failures in a row\n");
        assert!(!story.is_settled());
        let back = told(&mut story, &stands(73, "b", State::Up, "", State::Ejected));
        assert!(back.starts_with(" 1:13  did      gives b work again after 3.0 s: a twentieth of its share"), "{back}");
        assert!(story.is_settled());
        let outage = Outage { backend: "b".into(), from: Duration::from_secs(70), to: Some(Duration::from_secs(73)) };
        assert_eq!(story.outages, [outage]);
    }

    #[test]
    fn a_backend_that_is_down_after_its_ejection_is_one_outage() {
        let mut story = Story::new(START);
        for (at, state) in [(1, State::Ejected), (2, State::Down), (5, State::Starting), (6, State::Up)] {
            let _ = story.tell(&stands(at, "d", state, "connection refused", State::Up));
        }
        assert_eq!(story.outages.len(), 1);
        assert_eq!(story.outages[0].to, Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_repair_is_told_from_its_begin_to_what_was_learned() {
        let mut story = Story::new(START);
        let mut attempt =
            Attempt { id: 1, backend: Some("d".into()), fault: "unresponsive".into(), ..Attempt::default() };
        let began = event(1, "d", Kind::Recovery(RecoveryChange::Began(Arc::new(attempt.clone()))));
        assert_eq!(told(&mut story, &began), " 0:01  did      has d restarted: it is unresponsive (attempt 1)\n");
        assert!(!story.is_settled());
        attempt.outcome = Some(Outcome::Healed);
        attempt.recovery_ms = Some(1_300);
        attempt.lesson = "effectiveness 0.55".into();
        let healed = event(7, "d", Kind::Recovery(RecoveryChange::over(Arc::new(attempt))));
        let line = told(&mut story, &healed);
        assert!(
            line.starts_with(" 0:07  learned  the restart has healed d 1.3 s after the fault was found;"),
            "{line}"
        );
        assert!(story.is_settled());
        assert_eq!(story.repairs.len(), 1);
    }

    #[test]
    fn what_concerns_nobody_in_the_fleet_is_left_out() {
        let mut story = Story::new(START);
        assert_eq!(story.tell(&event(1, "b", Kind::Ready { version: "0" })), None);
        let new =
            Kind::Backend { state: State::Up, by: DecidedBy::Checks, reason: String::new(), was: None, after: None };
        assert_eq!(story.tell(&event(1, "b", new)), None);
    }
}
