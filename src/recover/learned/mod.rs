//! What is learned: which strategy helps against which fault of which service.
//!
//! * `course`: how faults go on by themselves, so that a strategy gets no credit for what would have passed
//! * `effectiveness`: what is known of a strategy against a fault of a service
//! * `choice`: which strategy is tried, given that
//!
//! Credit: the question is what would have become of the fault without the attempt. When more than [`CREDITED`] of the untreated faults of its
//! kind and age pass within the time that the strategy had, a success teaches nothing. It is not asked how much sooner than by itself the fault
//! passed: among faults that pass by themselves at random, some always pass soon after an act, so whoever credits those learns from chance alone.
//! As long as nobody knows how such faults go on, a strategy has the benefit of the doubt, up to [`DOUBT`] above its prior.
//!
//! Azure's Narya learns its mitigations by a bandit as well (S. Levy et al., "Predictive and adaptive failure mitigation to avert production
//! cloud VM interruptions", OSDI 2020).

mod choice;
mod course;
mod effectiveness;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::fault::Fault;
use crate::detect::phrase;

pub use choice::{Candidate, Choice};
pub use course::Peers;
pub use effectiveness::Effectiveness;

use choice::Belief;
use course::{Course, Passing};
use effectiveness::{History, Record};

/// A success is credited when a fault passes by itself with this probability or less.
const CREDITED: f64 = 0.3;
/// Where a fault passes by itself with more than this probability, an attempt that has not helped teaches nothing either: it may be one of the few
/// that last, whatever is done.
const PASSES: f64 = 0.5;
/// How far above its prior a strategy may get without evidence.
const DOUBT: f64 = 0.1;
/// As how many untreated faults one counts that a strategy was tried against in vain. Less than one, for it is no fair sample: it was one that
/// does not pass soon, or its success would have been seen, and the strategy may have kept it from passing.
const IN_VAIN: f64 = 0.25;
/// What was learned, of all services. It takes a few hundred bytes for each strategy that was tried against a kind of fault of a service, and
/// half a kilobyte for each kind of fault that a service has had.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Learned {
    services: BTreeMap<String, BTreeMap<Fault, Known>>,
}

/// What is known of one kind of fault of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Known {
    course: Course,
    strategies: BTreeMap<String, Record>,
    #[serde(skip)]
    has_changed: bool,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treated {
    /// The service was seen well in time.
    Healed {
        /// The age of the fault at the act.
        acted: Duration,
        /// The age at which it was seen well.
        healed: Duration,
        /// The time after the act that the strategy had for it.
        within: Duration,
        /// Other backends that had the same fault.
        peers: Peers,
    },
    /// It was, but nothing shows that this was the strategy's doing.
    Unproven {
        /// Why not, in words.
        why: &'static str,
    },
    /// It was not.
    NotHealed {
        /// The age of the fault at the act.
        acted: Duration,
        /// The age up to which the fault was seen to last.
        watched: Duration,
    },
    /// It got worse.
    Worse,
    /// The act itself failed.
    Failed,
}

/// What was learned from an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// The effectiveness of the strategy now.
    pub effectiveness: f64,
    /// Whether it was a success, and put to the strategy's credit.
    pub credited: bool,
    /// What was learned and why, for people.
    pub text: String,
}

impl Learned {
    /// Which of these to try. `None` = there is no candidate.
    pub fn choose(
        &self,
        service: &str,
        fault: Fault,
        candidates: &[Candidate<'_>],
        random: &mut fastrand::Rng,
    ) -> Option<Choice> {
        let belief = |candidate: &Candidate<'_>| {
            let here = self.record(service, fault, candidate.name).map(Record::history).unwrap_or_default();
            Belief::new(candidate, here, self.history_elsewhere(service, fault, candidate.name))
        };
        let beliefs: Vec<Belief> = candidates.iter().map(belief).collect();
        let means: Vec<f64> = beliefs.iter().map(Belief::mean).collect();
        let draws: Vec<f64> = beliefs.iter().map(|belief| belief.draw(random)).collect();
        let (at, likeliest) = (choice::greatest(&draws)?, choice::greatest(&means)?);
        let is_exploring = at != likeliest;
        let why = self.why(service, fault, candidates, at, draws[at], is_exploring);
        Some(Choice { at, why, is_exploring })
    }

    /// A fault was watched with nothing done against it, from this age to that age (the time since it was raised); `passed` = it was gone at the
    /// second age.
    pub fn untreated(&mut self, service: &str, fault: Fault, from: Duration, to: Duration, passed: bool) {
        let known = self.known_mut(service, fault);
        known.course.watch(from, to, passed, 1.0);
        known.has_changed = true;
    }

    /// An attempt is over. `prior` is the effectiveness that was assumed of the strategy before anything was learned.
    pub fn treated(&mut self, service: &str, fault: Fault, strategy: &str, prior: f64, result: Treated) -> Lesson {
        let elsewhere = self.course_elsewhere(service, fault);
        let known = self.known_mut(service, fault);
        known.has_changed = true;
        known.strategies.values_mut().for_each(Record::fade);
        let course = known.course;
        let record = known.strategies.entry(strategy.to_owned()).or_insert_with(|| Record::new(prior));
        let (credited, reason) = match result {
            Treated::Healed { acted, healed, within, peers } => {
                let part = (healed.saturating_sub(acted)).div_duration_f64(within.max(Duration::from_millis(1)));
                let passing = course.passing(&elsewhere, acted, acted + within).with(peers, part);
                let (credited, reason) = judge(passing, acted + within, record, prior);
                if credited {
                    record.credit()
                } else {
                    record.pass_over()
                }
                (credited, reason)
            }
            Treated::Unproven { why } => {
                record.pass_over();
                (false, format!("not credited: {why}"))
            }
            Treated::NotHealed { acted, watched } => {
                let passing = course.passing(&elsewhere, acted, watched);
                let reason = if passing.has_evidence() && passing.probability() > PASSES {
                    record.overlook();
                    "the service was not seen well in time; that is not counted, since most such faults pass by themselves"
                } else {
                    record.fail();
                    "the service was not seen well in time"
                };
                known.course.watch(acted, watched, false, IN_VAIN);
                (false, reason.to_owned())
            }
            Treated::Worse => {
                record.fail();
                (false, "it got worse".to_owned())
            }
            Treated::Failed => {
                record.fail();
                (false, "the act itself failed".to_owned())
            }
        };
        let shown = record.shown();
        let text = format!("{reason}; effectiveness {:.2} ({})", shown.effectiveness, in_words(shown));
        Lesson { effectiveness: shown.effectiveness, credited, text }
    }

    /// How well a strategy did. `prior` is what is shown of one that was never tried.
    pub fn effectiveness(&self, service: &str, fault: Fault, strategy: &str, prior: f64) -> Effectiveness {
        self.record(service, fault, strategy).copied().unwrap_or_else(|| Record::new(prior)).shown()
    }

    /// How well each strategy that was tried did: service, fault, strategy, in this order.
    pub fn all(&self) -> Vec<(String, Fault, String, Effectiveness)> {
        let faults =
            self.services.iter().flat_map(|(service, faults)| faults.iter().map(move |known| (service, known)));
        let shown = faults.flat_map(|(service, (fault, known))| {
            let row = |(name, record): (&String, &Record)| (service.clone(), *fault, name.clone(), record.shown());
            known.strategies.iter().map(row)
        });
        shown.collect()
    }

    /// What has changed since this was last called, as pairs of a key and JSON that [`restore`](Self::restore) takes back.
    pub fn take_changes(&mut self) -> Vec<(String, String)> {
        let mut changes = Vec::new();
        for (service, faults) in &mut self.services {
            for (fault, known) in faults.iter_mut().filter(|(_, known)| known.has_changed) {
                known.has_changed = false;
                changes.extend(serde_json::to_string(known).ok().map(|json| (key(service, *fault), json)));
            }
        }
        changes
    }

    /// Takes in what was kept, in any order. Returns how many of the pairs were ignored, since nobody could have kept them so.
    pub fn restore<'a>(&mut self, kept: impl Iterator<Item = (&'a str, &'a str)>) -> usize {
        let mut ignored = 0;
        for (key, json) in kept {
            match (place(key), serde_json::from_str::<Known>(json)) {
                (Some((service, fault)), Ok(known)) if known.is_sound() => *self.known_mut(service, fault) = known,
                _ => ignored += 1,
            }
        }
        ignored
    }

    /// Forgets the services that are not there any more and for which nothing was ever tried: what is known of them is worth little, and it would
    /// only grow. Returns the keys of what was kept of them. What was tried is kept: services come back, and others learn from it.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let untried = |faults: &BTreeMap<Fault, Known>| faults.values().all(|known| known.strategies.is_empty());
        let gone = self.services.extract_if(.., |service, faults| !is_there(service) && untried(faults));
        let keys = gone.flat_map(|(service, faults)| faults.into_keys().map(move |fault| key(&service, fault)));
        keys.collect()
    }

    fn record(&self, service: &str, fault: Fault, strategy: &str) -> Option<&Record> {
        self.services.get(service)?.get(&fault)?.strategies.get(strategy)
    }

    fn known_mut(&mut self, service: &str, fault: Fault) -> &mut Known {
        self.services.entry(service.to_owned()).or_default().entry(fault).or_default()
    }

    /// What all other services know of a kind of fault.
    fn elsewhere<'a>(&'a self, service: &'a str, fault: Fault) -> impl Iterator<Item = &'a Known> {
        self.services.iter().filter(move |(name, _)| *name != service).filter_map(move |(_, faults)| faults.get(&fault))
    }

    fn course_elsewhere(&self, service: &str, fault: Fault) -> Course {
        self.elsewhere(service, fault).fold(Course::default(), |mut all, known| {
            all.add(&known.course);
            all
        })
    }

    fn history_elsewhere(&self, service: &str, fault: Fault, strategy: &str) -> History {
        let records = self.elsewhere(service, fault).filter_map(|known| known.strategies.get(strategy));
        records.fold(History::default(), |all, record| all + record.history())
    }

    /// Such as "restart: effectiveness 0.84 for unresponsive here (7 of 8 attempts), scale_up 0.41; best draw of Thompson sampling 0.79".
    fn why(
        &self,
        service: &str,
        fault: Fault,
        candidates: &[Candidate<'_>],
        at: usize,
        draw: f64,
        is_exploring: bool,
    ) -> String {
        let shown = |candidate: &Candidate<'_>| self.effectiveness(service, fault, candidate.name, candidate.prior);
        let chosen = shown(&candidates[at]);
        let mut why = format!(
            "{}: effectiveness {:.2} for {} here ({})",
            candidates[at].name,
            chosen.effectiveness,
            fault.as_str(),
            in_words(chosen)
        );
        for (_, other) in candidates.iter().enumerate().filter(|(place, _)| *place != at) {
            why += &format!(", {} {:.2}", other.name, shown(other).effectiveness);
        }
        match (candidates.len(), is_exploring) {
            (1, _) => why += "; there is no other",
            (_, false) => why += &format!("; best draw of Thompson sampling {draw:.2}"),
            (_, true) => why += &format!("; tried to learn more of it, best draw of Thompson sampling {draw:.2}"),
        }
        why
    }
}

impl Known {
    fn is_sound(&self) -> bool {
        self.course.is_sound() && self.strategies.values().all(Record::is_sound)
    }
}

/// Whether a success is credited, and why.
fn judge(passing: Passing, until: Duration, record: &Record, prior: f64) -> (bool, String) {
    let probability = passing.probability();
    let seen = format!(
        "{:.0} of {:.0} faults of this kind passed by themselves within {}",
        passing.passed,
        passing.watched,
        phrase::time(until)
    );
    if probability <= CREDITED {
        return (true, format!("credited: {seen}"));
    }
    if passing.has_evidence() {
        return (false, format!("not credited: {seen}"));
    }
    let unknown =
        format!("whether such faults pass by themselves within {} has not been seen yet", phrase::time(until));
    if record.credited_effectiveness() < prior + DOUBT {
        return (true, format!("credited for now: {unknown}"));
    }
    (false, format!("not credited: {unknown}"))
}

/// Such as "7 of 8 attempts".
fn in_words(shown: Effectiveness) -> String {
    match (shown.attempts, shown.successes - shown.credited) {
        (0, _) => "never tried".to_owned(),
        (attempts, 0) => format!("{} of {attempts} attempts", shown.successes),
        (attempts, own) => format!("{} of {attempts} attempts, {own} without credit", shown.successes),
    }
}

/// Where it is kept. The name of a fault has no colon; that of a service may.
fn key(service: &str, fault: Fault) -> String {
    format!("{}:{service}", fault.as_str())
}

/// The reverse of [`key`].
fn place(key: &str) -> Option<(&str, Fault)> {
    let (name, service) = key.split_once(':')?;
    let fault = Fault::ALL.into_iter().find(|fault| fault.as_str() == name)?;
    Some((service, fault))
}
