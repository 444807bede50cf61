//! The figures by which a backend is judged, and what follows from them: for people who want to know why it was ejected, or how far it is from that.

use std::time::Duration;

use super::{FailureShares, Observation, Reason, peers_median, reason_against, room};
use crate::policy::Outlier;

/// What a backend is judged by, beside its peers.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// What real traffic shows of it.
    pub observation: Observation,
    /// The share of its exchanges in the window that failed, 0 where there were none.
    pub failing: f64,
    /// The share that the better ones of its peers fail.
    pub peers_failing: f64,
    /// How long its exchanges in the window took, on average; `None` = there were none.
    pub mean: Option<Duration>,
    /// The median of this over its peers; `None` = none of them had enough exchanges.
    pub peers_mean: Option<Duration>,
    /// What it would be ejected for, if nothing held that back.
    pub reason: Option<Reason>,
    /// What it would be ejected for if its peers did not fail as often.
    pub excused: Option<Reason>,
    /// How many backends of the service are ejected.
    pub out: usize,
    /// How many take part and are not ejected.
    pub working: usize,
    /// How many more may be ejected.
    pub room: usize,
}

impl Figures {
    /// Those of the backend at this place; `None` = there is none.
    pub fn of(policy: &Outlier, observations: &[Observation], at: usize) -> Option<Self> {
        let observation = *observations.get(at)?;
        let found = reason_against(policy, observations, at);
        let peers = FailureShares::of(observations, true);
        let (reason, excused) = match found {
            Some(reason) if peers.stands_out(&observation, reason) => (Some(reason), None),
            excused => (None, excused),
        };
        Some(Self {
            observation,
            failing: observation.counts.failure_share(),
            peers_failing: peers.beside(&observation),
            mean: (observation.counts.requests > 0).then(|| observation.counts.mean()),
            peers_mean: peers_median(policy, observations, at),
            reason,
            excused,
            out: observations.iter().filter(|other| other.is_ejected).count(),
            working: observations.iter().filter(|other| other.takes_part && !other.is_ejected).count(),
            room: room(policy, observations),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::RequestCounts;
    use super::*;
    use crate::policy::LatencyRule;

    const POLICY: Outlier = Outlier {
        consecutive_failures: 5,
        error_rate: 0.5,
        latency: LatencyRule::Factor(3.0),
        window: Duration::from_secs(10),
        min_requests: 20,
        eject_for: Duration::from_secs(10),
        max_eject_for: Duration::from_secs(300),
        max_ejected: 0.5,
    };

    fn shown(consecutive: u32, requests: u32, failures: u64, millis: u64) -> Observation {
        let elapsed = Duration::from_millis(millis) * requests;
        let counts = RequestCounts { requests: requests.into(), failures, elapsed };
        Observation { takes_part: true, is_ejected: false, consecutive, accused: None, counts }
    }

    #[test]
    fn a_backend_stands_beside_its_peers_with_what_it_would_be_ejected_for() {
        let all = [shown(7, 40, 10, 30), shown(0, 40, 0, 10), shown(0, 40, 2, 12)];
        let of = |at| Figures::of(&POLICY, &all, at).unwrap();
        let first = of(0);
        assert_eq!((first.failing, first.peers_failing, first.reason), (0.25, 0.0, Some(Reason::Consecutive(7))));
        let ms = Duration::from_millis;
        assert_eq!((first.mean, first.peers_mean), (Some(ms(30)), Some(ms(10))));
        assert_eq!((of(1).reason, of(1).room, of(1).working, of(1).out), (None, 1, 3, 0));
        assert_eq!(Figures::of(&POLICY, &all, 3), None);
    }

    #[test]
    fn where_all_fail_as_often_nobody_would_be_ejected() {
        let all = [shown(5, 40, 20, 10), shown(5, 40, 20, 10), shown(0, 40, 20, 10)];
        let first = Figures::of(&POLICY, &all, 0).unwrap();
        assert_eq!((first.reason, first.excused), (None, Some(Reason::Consecutive(5))));
    }
}
