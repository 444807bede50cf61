//! Heartbeats that were promised and do not come.
//!
//! A backend that posts heartbeats promises further ones. When none has come for [`missed`](Heartbeat::missed) times
//! [`interval`](Heartbeat::interval), the backend is [unresponsive](Fault::Unresponsive). One that has never sent any has promised none. This is
//! a failure detector with a fixed timeout (T. D. Chandra, S. Toueg, "Unreliable failure detectors for reliable distributed systems", 1996): it is
//! late by its timeout and no earlier, and wrong only when heartbeats get lost.
//!
//! When the heartbeats of all backends stop together, that is one fault of the service (or of the way by which they come) and not one of each.

use std::time::Duration;

use super::fault::{Detector, Fault, Subject, Vote};
use super::phrase;
use super::sample::Sample;
use super::settings::Heartbeat;

/// How sure it is (mission, part 4).
const CONFIDENCE: f64 = 0.9;

/// Says which backends miss their heartbeats.
pub fn observe(settings: &Heartbeat, samples: &[Sample], votes: &mut Vec<Vote>) {
    let patience = settings.interval.saturating_mul(settings.missed);
    let promised = samples.iter().enumerate().filter(|(_, sample)| !sample.is_withdrawn);
    let ages: Vec<(usize, Duration)> = promised.filter_map(|(at, sample)| Some((at, sample.heartbeat?))).collect();
    let vote = |subject, reason| Vote {
        detector: Detector::Heartbeat,
        subject,
        fault: Fault::Unresponsive,
        confidence: CONFIDENCE,
        reason,
    };
    if let Some(newest) = ages.iter().map(|(_, age)| *age).min().filter(|newest| ages.len() > 1 && *newest > patience) {
        let reason = format!("none of {} backends has sent a heartbeat for {}", ages.len(), phrase::time(newest));
        return vote(Subject::Service, reason).cast(votes);
    }
    for &(at, age) in ages.iter().filter(|(_, age)| *age > patience) {
        let mut reason = format!(
            "its last heartbeat came {} ago, promised is one every {}",
            phrase::time(age),
            phrase::time(settings.interval)
        );
        if samples[at].answers > 0 {
            reason += ", though it answers requests";
        }
        vote(Subject::Backend(at), reason).cast(votes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The votes when the last heartbeats came so many seconds ago.
    fn votes(ages: &[Option<u64>]) -> Vec<Vote> {
        let sample = |age: &Option<u64>| Sample { heartbeat: age.map(Duration::from_secs), ..Sample::default() };
        let samples: Vec<Sample> = ages.iter().map(sample).collect();
        let mut votes = Vec::new();
        observe(&Heartbeat { interval: Duration::from_secs(5), missed: 3 }, &samples, &mut votes);
        votes
    }

    #[test]
    fn a_backend_that_misses_what_it_promised_is_unresponsive() {
        let votes = votes(&[Some(4), Some(16), None]);
        assert_eq!(votes.len(), 1);
        assert_eq!(
            (&votes[0].subject, votes[0].fault, votes[0].confidence),
            (&Subject::Backend(1), Fault::Unresponsive, 0.9)
        );
        assert_eq!(votes[0].reason, "its last heartbeat came 16 s ago, promised is one every 5.0 s");
    }

    #[test]
    fn late_is_not_missed_and_who_never_sent_any_promised_none() {
        assert_eq!(votes(&[Some(14), Some(15), None, None]), []);
    }

    #[test]
    fn a_backend_that_was_withdrawn_may_stop() {
        let samples = [Sample { heartbeat: Some(Duration::from_secs(99)), is_withdrawn: true, ..Sample::default() }];
        let mut votes = Vec::new();
        observe(&Heartbeat { interval: Duration::from_secs(5), missed: 3 }, &samples, &mut votes);
        assert_eq!(votes, []);
    }

    #[test]
    fn heartbeats_that_stop_everywhere_are_one_fault_of_the_service() {
        let votes = votes(&[Some(17), Some(16), Some(18)]);
        assert_eq!(votes.len(), 1);
        assert_eq!(votes[0].subject, Subject::Service);
    }
}
