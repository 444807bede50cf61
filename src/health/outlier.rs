//! Which backends stand out from their peers: the decision to eject a backend for what real traffic shows.
//!
//! A backend is ejected for failures in a row, for its share of failures, or for answers slower than its peers'.
//! Whatever the traffic shows, no more than a share of the backends is out at a time, and never the last one that
//! works. Pure: the observations of one service go in, and ejections come out.

mod figures;

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

pub use figures::Figures;

use crate::detect::fault::Fault;
use crate::policy::{LatencyRule, Outlier};

/// Slower than the peers by less than this is not slow, whatever the factor: a few milliseconds are a pause of a garbage
/// collector, or the way to another zone.
const NOTICEABLE: Duration = Duration::from_millis(5);
/// After this many times `eject_for` without trouble, a backend's ejections are forgotten.
const WELL_FOR: u32 = 10;

/// Failures in a row are no evidence where they come about by chance once in so many attempts, because the peers fail often as well.
const CHANCE: f64 = 1e-9;
/// A peer with fewer exchanges in the window says nothing about how often one fails.
const FEW: u64 = 5;

/// What real traffic shows of one backend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Whether it may get work: it is not down, drained or of weight 0.
    pub takes_part: bool,
    /// Whether it is ejected already.
    pub is_ejected: bool,
    /// Failures in a row.
    pub consecutive: u32,
    /// What the comparison with its peers accuses it of, where that is to act.
    pub accused: Option<Fault>,
    /// Its exchanges in the window.
    pub counts: RequestCounts,
}

/// Exchanges of one backend: in a window, or since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestCounts {
    /// Exchanges that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// The time that all of them took, added up.
    pub elapsed: Duration,
}

/// Why a backend is ejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// This many failures in a row.
    Consecutive(u32),
    /// It is unlike its peers.
    Peers(Fault),
    /// The share of failures.
    ErrorRate(RequestCounts),
    /// Slow: its mean, and the median of its peers.
    Latency(Duration, Duration),
}

/// The backends to eject, as indices into `observations`, the worst first.
pub fn to_eject(policy: &Outlier, observations: &[Observation]) -> Vec<(usize, Reason)> {
    let mut outliers: Vec<_> = (0..observations.len())
        .filter(|at| observations[*at].takes_part && !observations[*at].is_ejected)
        .filter_map(|at| reason_against(policy, observations, at).map(|reason| (at, reason)))
        .collect();
    let peers = FailureShares::of(observations, !outliers.is_empty());
    outliers.retain(|(at, reason)| peers.stands_out(&observations[*at], *reason));
    if outliers.is_empty() {
        return outliers;
    }
    outliers.sort_by_key(|(_, reason)| Reverse(reason.severity()));
    outliers.truncate(room(policy, observations));
    outliers
}

/// How long a backend is ejected that was ejected `before` times already. The time is bounded, so that a backend that
/// was unwell for a day is readmitted within minutes of its recovery.
pub fn ejection_time(policy: &Outlier, before: u32) -> Duration {
    policy.eject_for.saturating_mul(before.saturating_add(1)).min(policy.max_eject_for)
}

/// Whether the ejections of a backend are forgotten that has had no trouble for this long.
pub fn are_ejections_forgotten(policy: &Outlier, well_for: Duration) -> bool {
    well_for >= policy.eject_for.saturating_mul(WELL_FOR)
}

/// How many more may be ejected.
fn room(policy: &Outlier, observations: &[Observation]) -> usize {
    let out = observations.iter().filter(|observation| observation.is_ejected).count();
    let working = observations.iter().filter(|observation| observation.takes_part && !observation.is_ejected).count();
    // rounded down, because it is a cap; but of two or more backends, one may always be ejected
    let share = (observations.len() as f64 * policy.max_ejected.clamp(0.0, 1.0)) as usize;
    let cap = if policy.max_ejected > 0.0 { share.max(1) } else { 0 };
    cap.saturating_sub(out).min(working.saturating_sub(1))
}

/// The reason to eject a backend, if there is one.
fn reason_against(policy: &Outlier, observations: &[Observation], at: usize) -> Option<Reason> {
    let Observation { consecutive, counts, accused, .. } = observations[at];
    if policy.consecutive_failures > 0 && consecutive >= policy.consecutive_failures {
        return Some(Reason::Consecutive(consecutive));
    }
    if let Some(fault) = accused {
        return Some(Reason::Peers(fault));
    }
    if !counts.is_enough(policy) {
        return None;
    }
    // counts of a window are exact in an f64
    if policy.error_rate > 0.0 && counts.failures as f64 >= policy.error_rate * counts.requests as f64 {
        return Some(Reason::ErrorRate(counts));
    }
    // what is found by evidence (`LatencyRule::Auto`) is not found here
    let LatencyRule::Factor(factor) = policy.latency else { return None };
    let (mean, median) = (counts.mean(), peers_median(policy, observations, at)?);
    let is_slow = mean > median.mul_f64(factor) && mean >= median + NOTICEABLE;
    is_slow.then_some(Reason::Latency(mean, median))
}

/// Which share of their exchanges backends fail, in order.
#[derive(Debug)]
struct FailureShares(Vec<f64>);

impl FailureShares {
    /// Of those that work and have had some exchanges; of none where nobody wants to know.
    fn of(observations: &[Observation], is_wanted: bool) -> Self {
        let counted = observations.iter().filter(|observation| {
            is_wanted && observation.takes_part && !observation.is_ejected && observation.counts.requests >= FEW
        });
        let mut shares: Vec<f64> = counted.map(|observation| observation.counts.failure_share()).collect();
        shares.sort_unstable_by(f64::total_cmp);
        Self(shares)
    }

    /// The share that the better ones of its peers fail: the lower quartile, since an ejection helps where somebody is better.
    fn beside(&self, observation: &Observation) -> f64 {
        let others = self.0.len() - usize::from(observation.counts.requests >= FEW).min(self.0.len());
        let Some(last) = others.checked_sub(1) else { return 0.0 };
        let own = observation.counts.failure_share();
        let place = self.0.partition_point(|share| *share < own);
        let quartile = last / 4;
        // its own share is one of them
        let at = if observation.counts.requests >= FEW && place <= quartile { quartile + 1 } else { quartile };
        self.0.get(at).copied().unwrap_or_default()
    }

    /// Whether its failures are more than its peers' failures explain.
    fn stands_out(&self, observation: &Observation, reason: Reason) -> bool {
        let peers = self.beside(observation);
        match reason {
            Reason::Peers(_) | Reason::Latency(..) => true,
            _ if peers <= 0.0 => true,
            Reason::Consecutive(failures) => f64::from(failures) * peers.ln() <= CHANCE.ln(),
            Reason::ErrorRate(counts) => {
                let (own, deviation) =
                    (counts.failure_share(), (peers * (1.0 - peers) / counts.requests as f64).sqrt());
                own >= (2.0 * peers).min((1.0 + peers) / 2.0) && own >= peers + 3.0 * deviation
            }
        }
    }
}

/// The median of the mean times of the other working backends; of an even number, the lower of the two in the middle.
fn peers_median(policy: &Outlier, observations: &[Observation], but: usize) -> Option<Duration> {
    let mut means: Vec<_> = observations
        .iter()
        .enumerate()
        .filter(|(at, observation)| {
            *at != but && observation.takes_part && !observation.is_ejected && observation.counts.is_enough(policy)
        })
        .map(|(_, observation)| observation.counts.mean())
        .collect();
    let middle = means.len().checked_sub(1)? / 2;
    Some(*means.select_nth_unstable(middle).1)
}

impl Observation {
    /// Whether time alone can't change what is decided about the backend.
    pub fn is_quiet(&self) -> bool {
        !self.is_ejected && self.consecutive == 0 && self.accused.is_none() && self.counts == RequestCounts::default()
    }
}

impl RequestCounts {
    fn is_enough(&self, policy: &Outlier) -> bool {
        self.requests > 0 && self.requests >= u64::from(policy.min_requests)
    }

    /// 0 where there were no exchanges.
    fn failure_share(&self) -> f64 {
        self.failures as f64 / self.requests.max(1) as f64
    }

    fn mean(&self) -> Duration {
        let nanos = self.elapsed.as_nanos() / u128::from(self.requests.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Reason {
    /// As a label of a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Consecutive(_) => "consecutive_failures",
            Self::Peers(fault) => fault.as_str(),
            Self::ErrorRate(_) => "error_rate",
            Self::Latency(..) => "latency",
        }
    }

    /// How bad it is: a backend that only fails is worst, then one that fails often, then a slow one.
    fn severity(&self) -> (u8, u128) {
        match self {
            Self::Consecutive(failures) => (2, u128::from(*failures)),
            Self::Peers(Fault::Unresponsive) => (2, 0),
            Self::Peers(Fault::HighErrorRate) => (1, 0),
            Self::Peers(_) => (0, u128::MAX),
            Self::ErrorRate(counts) => {
                (1, u128::from(counts.failures) * 1_000_000 / u128::from(counts.requests.max(1)))
            }
            Self::Latency(mean, _) => (0, mean.as_nanos()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consecutive(failures) => write!(f, "{failures} failures in a row"),
            Self::Peers(fault) => write!(f, "it {fault}, unlike its peers"),
            Self::ErrorRate(RequestCounts { requests, failures, .. }) => {
                write!(f, "{failures} of {requests} exchanges failed")
            }
            Self::Latency(mean, median) => {
                write!(f, "answers take {} ms, those of its peers {} ms", mean.as_millis(), median.as_millis())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    const NOBODY: [usize; 0] = [];

    fn well() -> Observation {
        counts(1000, 0, 10)
    }

    fn counts(requests: u64, failures: u64, mean_ms: u64) -> Observation {
        let counts = RequestCounts { requests, failures, elapsed: Duration::from_millis(mean_ms * requests) };
        Observation { takes_part: true, is_ejected: false, consecutive: 0, accused: None, counts }
    }

    fn failing(consecutive: u32) -> Observation {
        Observation { consecutive, ..counts(0, 0, 0) }
    }

    fn out() -> Observation {
        Observation { is_ejected: true, ..well() }
    }

    fn ejected(observations: &[Observation]) -> Vec<usize> {
        to_eject(&POLICY, observations).into_iter().map(|(at, _)| at).collect()
    }

    #[test]
    fn failures_in_a_row_eject_without_regard_to_the_number_of_exchanges() {
        assert_eq!(ejected(&[well(), failing(4), well()]), NOBODY);
        assert_eq!(to_eject(&POLICY, &[well(), failing(5), well()]), [(1, Reason::Consecutive(5))]);
    }

    #[test]
    fn a_share_of_failures_ejects_once_there_are_enough_exchanges() {
        assert_eq!(ejected(&[well(), counts(19, 19, 10)]), NOBODY);
        assert_eq!(ejected(&[well(), counts(20, 9, 10)]), NOBODY);
        assert_eq!(ejected(&[well(), counts(20, 10, 10)]), [1]);
    }

    #[test]
    fn the_slow_one_is_measured_against_the_median_of_the_others() {
        assert_eq!(ejected(&[well(), well(), counts(20, 0, 30)]), NOBODY);
        assert_eq!(ejected(&[well(), well(), counts(20, 0, 31)]), [2]);
        assert_eq!(ejected(&[well(), counts(20, 0, 800)]), [1], "of two");
        assert_eq!(ejected(&[counts(19, 0, 10), counts(20, 0, 800)]), NOBODY, "nobody to measure it against");
        assert_eq!(ejected(&[counts(20, 0, 800), counts(20, 0, 800), counts(20, 0, 800)]), NOBODY, "all are slow");
    }

    #[test]
    fn a_few_milliseconds_are_not_slow() {
        assert_eq!(ejected(&[counts(20, 0, 1), counts(20, 0, 1), counts(20, 0, 5)]), NOBODY);
        assert_eq!(ejected(&[counts(20, 0, 1), counts(20, 0, 1), counts(20, 0, 6)]), [2]);
    }

    #[test]
    fn failures_in_a_row_are_no_news_where_all_fail_often() {
        let fails = |share: f64, consecutive| Observation { consecutive, ..counts(1000, (1000.0 * share) as u64, 10) };
        assert_eq!(ejected(&[fails(0.2, 12), fails(0.2, 0), fails(0.2, 0)]), NOBODY);
        assert_eq!(ejected(&[fails(0.2, 13), fails(0.2, 0), fails(0.2, 0)]), [0]);
        assert_eq!(ejected(&[fails(0.2, 5), fails(0.0, 0), fails(0.2, 0)]), [0], "somebody does not");
        assert_eq!(ejected(&[fails(1.0, 900), fails(1.0, 900), fails(1.0, 900)]), NOBODY, "nobody is better");
        assert_eq!(ejected(&[fails(0.6, 0), fails(0.6, 0), fails(0.6, 0)]), NOBODY);
        assert_eq!(ejected(&[fails(0.6, 0), fails(0.95, 0), fails(0.6, 0)]), [1]);
    }

    #[test]
    fn one_that_is_unlike_its_peers_goes_whatever_its_counts() {
        let accused = Observation { accused: Some(Fault::HighLatency), ..counts(3, 0, 80) };
        assert_eq!(to_eject(&POLICY, &[well(), accused, well()]), [(1, Reason::Peers(Fault::HighLatency))]);
        assert_eq!(ejected(&[accused, Observation { takes_part: false, ..well() }]), NOBODY, "the last one stays");
    }

    #[test]
    fn no_more_than_the_share_goes_and_the_worst_go_first() {
        let observations = [well(), counts(20, 0, 800), counts(20, 12, 10), failing(9), failing(7), counts(20, 19, 10)];
        assert_eq!(ejected(&observations), [3, 4, 5]);
        assert_eq!(ejected(&[well(), failing(5), out(), out()]), NOBODY, "two of four are out already");
        assert_eq!(ejected(&[failing(5), failing(6), well()]), [1], "half of three is one");
    }

    #[test]
    fn of_two_one_may_go_and_the_last_one_stays() {
        assert_eq!(ejected(&[failing(5), failing(6)]), [1]);
        assert_eq!(ejected(&[failing(5), out()]), NOBODY);
        assert_eq!(ejected(&[failing(5)]), NOBODY);
        let down = Observation { takes_part: false, ..well() };
        assert_eq!(ejected(&[failing(5), down, down, down]), NOBODY, "the others are down");
        assert_eq!(to_eject(&Outlier { max_ejected: 1.0, ..POLICY }, &[failing(5), failing(6)]).len(), 1);
        assert_eq!(to_eject(&Outlier { max_ejected: 0.0, ..POLICY }, &[failing(5), well()]), []);
    }

    #[test]
    fn what_takes_no_part_is_neither_ejected_nor_a_peer() {
        let down = Observation { takes_part: false, ..failing(50) };
        assert_eq!(ejected(&[well(), well(), down]), NOBODY);
        assert_eq!(
            ejected(&[Observation { takes_part: false, ..well() }, counts(20, 0, 800), counts(20, 0, 800)]),
            NOBODY
        );
    }

    #[test]
    fn rules_that_are_off_eject_nobody() {
        for latency in [LatencyRule::Off, LatencyRule::Auto] {
            let off = Outlier { consecutive_failures: 0, error_rate: 0.0, latency, ..POLICY };
            assert_eq!(to_eject(&off, &[well(), failing(50), counts(20, 20, 10), counts(20, 0, 800)]), []);
        }
    }

    #[test]
    fn it_takes_longer_each_time_up_to_a_bound_and_is_forgotten_at_last() {
        let seconds = [0, 1, 2, 28, 29, 30, u32::MAX].map(|before| ejection_time(&POLICY, before).as_secs());
        assert_eq!(seconds, [10, 20, 30, 290, 300, 300, 300]);
        assert!(!are_ejections_forgotten(&POLICY, Duration::from_secs(99)));
        assert!(are_ejections_forgotten(&POLICY, Duration::from_secs(100)));
    }

    #[test]
    fn no_judgement_panics_or_empties_a_service() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let observations: Vec<_> = (0..random.usize(0..7))
                .map(|_| Observation {
                    takes_part: random.u8(0..4) > 0,
                    is_ejected: random.u8(0..4) == 0,
                    consecutive: random.u32(0..8),
                    accused: (random.u8(0..6) == 0).then_some(Fault::Unresponsive),
                    ..counts(random.u64(0..40), random.u64(0..40), random.u64(0..100))
                })
                .collect();
            let working = |observation: &&Observation| observation.takes_part && !observation.is_ejected;
            let verdicts = ejected(&observations);
            let before = observations.iter().filter(working).count();
            assert!(verdicts.is_empty() || verdicts.len() < before, "{observations:?}");
            assert!(verdicts.iter().all(|at| working(&&observations[*at])), "{observations:?}");
            let out = observations.iter().filter(|observation| observation.is_ejected).count() + verdicts.len();
            assert!(verdicts.is_empty() || out <= (observations.len() / 2).max(1), "{observations:?}");
        }
    }
}
