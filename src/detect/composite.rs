//! The vote: confidences of detectors that name the same fault of the same subject add up, and what holds becomes a verdict.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::fault::{CERTAIN, Detector, Fault, Subject, Verdict, Vote};

/// Looks in a row at which a fault needs the votes before it is a verdict.
const LOOKS: u32 = 2;
/// A verdict is cleared when its subject has had less than this share of the votes it takes
const CLEARS_BELOW: f64 = 0.75;
/// for so long
const WELL_FOR: Duration = Duration::from_secs(3);
/// and at so many looks in a row.
const WELL_LOOKS: u32 = 3;
/// Another fault takes the place of the one that a verdict names if it has so much more confidence.
const CLEARLY_MORE: f64 = 0.1;
/// What the peers detector names has so much more weight among names: it has compared what happens at the same moment, by more samples.
const NAMED_BY_PEERS: f64 = 0.2;

/// The verdicts of one service, and what may become one.
#[derive(Debug, Default)]
pub(super) struct Composite {
    verdicts: Vec<Verdict>,
    /// By subject, those of which something was said lately.
    standings: BTreeMap<Subject, Standing>,
}

/// One look at the votes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) votes: &'a [Vote],
    /// The sum of confidences that makes a verdict.
    pub(super) threshold: f64,
    pub(super) now: Duration,
    /// All detectors have looked, not only those whose votes count at once.
    pub(super) is_full: bool,
}

/// What is known of the subjects that there are.
pub(super) trait Subjects {
    /// A verdict of this subject is not cleared now, as nothing can be seen of it.
    fn is_kept(&self, subject: &Subject) -> bool;
    /// What is said of `whole` is also said of `part`.
    fn covers(&self, whole: &Subject, part: &Subject) -> bool;
}

/// What has come of a look.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// Verdicts that are new, or whose fault is another one now.
    pub(super) raised: Vec<Verdict>,
    /// Verdicts that hold no more.
    pub(super) cleared: Vec<Verdict>,
}

/// What has been said of a subject at the last looks.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// Full looks in a row at which a fault had the votes.
    ill: u32,
    /// Full looks in a row at which none had nearly enough, and when the first of them was.
    well: u32,
    well_since: Duration,
}

/// The confidences that add up for a fault.
#[derive(Debug, Clone, Copy)]
struct Sum {
    fault: Fault,
    confidence: f64,
    /// One of them is that of the peers detector.
    by_peers: bool,
}

/// By subject.
type Sums = BTreeMap<Subject, Vec<Sum>>;

impl Composite {
    /// The verdicts that hold.
    pub(super) fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// Counts the votes.
    pub(super) fn count(&mut self, look: &Look<'_>, subjects: &impl Subjects) -> Outcome {
        let mut outcome = Outcome::default();
        if look.votes.is_empty() && self.standings.is_empty() {
            return outcome;
        }
        let sums = sums(look.votes);
        for (subject, faults) in &sums {
            let Some(sum) = self.named(subject, faults, subjects.is_kept(subject)) else { continue };
            let Sum { fault, confidence, .. } = sum;
            let is_covered = self.verdicts.iter().any(|verdict| subjects.covers(&verdict.subject, subject));
            let believed = confidence >= look.threshold && !is_covered;
            if !believed && !look.is_full {
                continue;
            }
            let standing = self.standings.entry(subject.clone()).or_default();
            standing.ill = if believed { standing.ill + u32::from(look.is_full) } else { 0 };
            let of_it = |vote: &&Vote| vote.subject == *subject && vote.fault == fault;
            let at_once = look.votes.iter().filter(of_it).any(is_at_once);
            if believed && (at_once || standing.ill >= LOOKS) {
                let mut votes: Vec<Vote> = look.votes.iter().filter(of_it).cloned().collect();
                votes.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
                let (subject, confidence, since) = (subject.clone(), confidence.min(CERTAIN), look.now);
                self.raise(Verdict { subject, fault, confidence, votes, since }, &mut outcome);
            }
        }
        self.clear(&sums, look, subjects, &mut outcome);
        outcome
    }

    /// The fault that has the most confidence; that of a verdict that holds, unless another one has clearly more. Of a backend of which
    /// nothing can be seen, only the peers detector can have learned something new.
    fn named(&self, subject: &Subject, faults: &[Sum], is_kept: bool) -> Option<Sum> {
        let weight = |sum: &Sum| sum.confidence + if sum.by_peers { NAMED_BY_PEERS } else { 0.0 };
        let most = faults.iter().max_by(|a, b| weight(a).total_cmp(&weight(b))).copied()?;
        let Some(before) = self.verdicts.iter().find(|verdict| verdict.subject == *subject) else { return Some(most) };
        let same = faults.iter().find(|sum| sum.fault == before.fault).copied();
        if is_kept && !most.by_peers {
            return same;
        }
        Some(same.filter(|same| weight(same) + CLEARLY_MORE >= weight(&most)).unwrap_or(most))
    }

    fn raise(&mut self, mut verdict: Verdict, outcome: &mut Outcome) {
        match self.verdicts.iter_mut().find(|before| before.subject == verdict.subject) {
            Some(before) => {
                verdict.since = before.since;
                if before.fault != verdict.fault {
                    outcome.raised.push(verdict.clone());
                }
                *before = verdict;
            }
            None => {
                outcome.raised.push(verdict.clone());
                self.verdicts.push(verdict);
            }
        }
    }

    /// Drops the verdicts for which nothing speaks any more, and those that a verdict on a host or a zone covers.
    fn clear(&mut self, sums: &Sums, look: &Look<'_>, subjects: &impl Subjects, outcome: &mut Outcome) {
        let enough = CLEARS_BELOW * look.threshold;
        self.standings.retain(|subject, standing| {
            let has_votes = sums.get(subject).is_some_and(|faults| faults.iter().any(|sum| sum.confidence >= enough));
            if has_votes || subjects.is_kept(subject) {
                standing.well = 0;
            } else if look.is_full {
                if standing.well == 0 {
                    standing.well_since = look.now;
                }
                (standing.ill, standing.well) = (0, standing.well + 1);
            }
            standing.well < WELL_LOOKS || look.now.saturating_sub(standing.well_since) < WELL_FOR
        });
        let wholes: Vec<Subject> = self.verdicts.iter().map(|verdict| verdict.subject.clone()).collect();
        self.verdicts.retain(|verdict| {
            let is_covered = wholes.iter().any(|whole| subjects.covers(whole, &verdict.subject));
            let holds = self.standings.contains_key(&verdict.subject) && !is_covered;
            if !holds {
                outcome.cleared.push(verdict.clone());
            }
            holds
        });
    }

    /// Verdicts on backends go with these to their new places. Returns those on backends that are gone.
    pub(super) fn reorder(&mut self, places: &[Option<usize>]) -> Vec<Verdict> {
        let moved = |subject: &Subject| match subject {
            Subject::Backend(at) => places.iter().position(|place| *place == Some(*at)).map(Subject::Backend),
            other => Some(other.clone()),
        };
        let mut gone = Vec::new();
        self.verdicts.retain_mut(|verdict| {
            let Some(subject) = moved(&verdict.subject) else {
                gone.push(verdict.clone());
                return false;
            };
            verdict.votes.iter_mut().for_each(|vote| vote.subject = subject.clone());
            verdict.subject = subject;
            true
        });
        let standings = std::mem::take(&mut self.standings);
        self.standings =
            standings.into_iter().filter_map(|(subject, standing)| Some((moved(&subject)?, standing))).collect();
        gone
    }
}

/// The detector has gathered evidence over time itself, or has seen what leaves no doubt.
fn is_at_once(vote: &Vote) -> bool {
    vote.detector == Detector::Peers || vote.fault == Fault::Unresponsive
}

fn sums(votes: &[Vote]) -> Sums {
    let mut sums = Sums::new();
    for vote in votes.iter().filter(|vote| vote.confidence > 0.0) {
        let faults = sums.entry(vote.subject.clone()).or_default();
        let by_peers = vote.detector == Detector::Peers;
        match faults.iter_mut().find(|sum| sum.fault == vote.fault) {
            Some(sum) => {
                sum.confidence += vote.confidence;
                sum.by_peers |= by_peers;
            }
            None => faults.push(Sum { fault: vote.fault, confidence: vote.confidence, by_peers }),
        }
    }
    sums
}
