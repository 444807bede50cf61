//! A new service against the one that it is to replace, at the same moment: whether the new one stands out by its errors or its latency.
//!
//! Both get the same kind of requests in the same time, so what they have in common (a slow database, a busy hour) shows in both. What is left is
//! judged as that of a backend is against its peers ([`peers`](super::peers)): log-likelihood ratios add up over rounds (a CUSUM), and it is the evidence
//! that has to be large, not a ratio. A new service that gets 1 % of the requests has few; what few requests prove is little by itself, so nothing has
//! to be waited for but more of them.
//!
//! * `failing`: more of its attempts fail than of the other's; `dead`: half of them or more do
//! * `slow`: the mean of its latencies (of their logarithms) is higher; `late`: more of its answers take longer than nearly all of the other's
//! * `hung`: attempts wait for an answer for longer than the other lets any wait
//!
//! What the two have always had different is not known, other than of peers: that is what a new version is tried out for.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::peers::evidence::{Cusum, ENOUGH, Pace, Seen};
use super::phrase;
use super::sample::{BUCKETS, Sample, bucket};

/// A round lasts for this long at least,
const ROUND_LASTS: Duration = Duration::from_secs(1);
/// and until the new service has had so many attempts,
const ROUND_ATTEMPTS: f64 = 4.0;
/// but for no longer than this.
const ROUND_AT_MOST: Duration = Duration::from_secs(4);

/// The time in which what the other service showed is forgotten to 37 %. It is not forgotten while nothing new is known: with the last step of a plan it
/// may get nothing any more.
const REMEMBERED: f64 = 60.0;
/// Evidence adds up at this pace at most, so that what goes wrong at one moment does not decide: it takes three seconds.
const A_SECOND: f64 = 4.0;
/// Attempts before which nothing is believed.
const LEAST: f64 = 5.0;

/// A share of failures, or of late answers, below this is what any service may have.
const USUAL: f64 = 0.002;
/// The share of failures that is looked for is twice the other's, and this more;
const WORSE: f64 = 0.01;
/// that of late answers this more.
const LATER: f64 = 0.05;
/// A service of which this share fails is broken.
const DEAD: f64 = 0.5;
/// Where the other service fails this share, nothing can be told of the new one.
const HOPELESS: f64 = 0.9;
/// A share of few attempts may be off by so many standard deviations.
const UNCERTAIN: f64 = 1.5;

/// How much slower the new service is that is looked for, in octaves: 1.5 times.
const SLOWER: f64 = 0.585;
/// Slower than the other by less than this, in octaves, is not slow, however sure it is: 1.4 times.
const CLEARLY_SLOW: f64 = 0.485;
/// and by less than this many microseconds: threads are scheduled in milliseconds.
const NOTICEABLE: f64 = 1_000.0;
/// Two services that differ by less than this, in octaves, do not differ: a fifth.
const SPREAD: f64 = 0.26;
/// No round counts as slower than by this many octaves: one answer of a minute is one answer.
const AT_MOST: f64 = 3.0;
/// For so long after more requests come to it, the new service may have cold caches,
const COLD_FOR: Duration = Duration::from_secs(10);
/// and so many octaves are let pass: twice as slow.
const COLD: f64 = 1.0;
/// How much answers are thought to differ before there are any (the variance of their logarithms), and of how many answers that would be.
const UNKNOWN: (f64, f64) = (1.0, 20.0);
/// Answers of the other service from which it is known what is late.
const KNOWN: f64 = 50.0;
/// The share of the other's answers that no more than are late.
const TAIL: f64 = 0.05;
/// Late is what takes longer than that by this many buckets, of half an octave: 1.4 times, and up to twice.
const BEYOND: usize = 1;

/// No attempt is thought to hang before this time,
const HANGS_AFTER: Duration = Duration::from_secs(1);
/// nor where the other service lets attempts wait for longer than this: their ages are told up to a little more, and the time-out tells the rest;
const TOLD: Duration = Duration::from_secs(3);
/// attempts that wait are compared with what was answered in so many seconds, in which they would have been;
const ANSWERING: f64 = 4.0;
/// and what seems to hang is believed to when it has for this long: a pause of the new service is none.
const HANGS_FOR: Duration = Duration::from_secs(2);

/// What is known of the two.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    /// What both have shown since the round began.
    round: [Sample; 2],
    lasted: Duration,
    /// What the other has shown of late.
    usual: Known,
    /// What the new one has shown of late, of which only the spread of its latencies and its answers are used.
    own: Known,
    failing: Cusum,
    dead: Cusum,
    slow: Cusum,
    late: Cusum,
    /// What the new one has answered in about the last [`ANSWERING`].
    answering: f64,
    /// For how long it has seemed to hang; `None` = it does not.
    hung: Option<Duration>,
    /// How many attempts seem to hang.
    hangs: f64,
    /// How long ago more requests began to come to the new one.
    since_more: Duration,
}

/// In what a service stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// It fails.
    Errors,
    /// It is slow.
    Latency,
    /// It does not answer.
    Silence,
}

/// That the new service stands out.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// In what.
    pub measure: Measure,
    /// In words, with figures.
    pub reason: String,
}

/// What a service has shown of late: counts that fade.
#[derive(Debug, Clone)]
struct Known {
    answers: f64,
    failures: f64,
    count: f64,
    logs: f64,
    squares: f64,
    buckets: [f64; BUCKETS],
}

impl Default for Known {
    fn default() -> Self {
        Self { answers: 0.0, failures: 0.0, count: 0.0, logs: 0.0, squares: 0.0, buckets: [0.0; BUCKETS] }
    }
}

impl Pair {
    /// From now on the new service gets more requests than before.
    pub fn gets_more(&mut self) {
        self.since_more = Duration::ZERO;
    }

    /// Takes in what the `new` service and the `other` one have shown in the last `lasted`.
    pub fn observe(&mut self, new: &Sample, other: &Sample, lasted: Duration) {
        self.round[0].follow(new);
        self.round[1].follow(other);
        self.lasted += lasted;
        self.since_more += lasted;
        self.compare_silence(new, other, lasted);
        let enough = self.lasted >= ROUND_LASTS && self.round[0].attempts() as f64 >= ROUND_ATTEMPTS;
        if enough || self.lasted >= ROUND_AT_MOST {
            self.end_round();
        }
    }

    /// In what the new service stands out: by errors, by latency, or by both kinds if asked for both; `None` = in nothing, or nothing is proven.
    pub fn finding(&self, errors: bool, latency: bool) -> Option<Finding> {
        let found = |measure, reason| Some(Finding { measure, reason });
        if self.hung.is_some_and(|hung| hung >= HANGS_FOR) {
            let reason = format!("{:.0} of its requests get no answer, while the other service answers", self.hangs);
            return found(Measure::Silence, reason);
        }
        for evidence in [&self.dead, &self.failing].into_iter().filter(|_| errors) {
            if is_enough(evidence) {
                let Seen { attempts, own, peers } = evidence.seen;
                let (own, peers) = (phrase::share(own / attempts), phrase::share(peers / attempts));
                let reason = format!("{own} of its {attempts:.0} requests failed, of the other service's {peers}");
                return found(Measure::Errors, reason);
            }
        }
        if latency && is_enough(&self.slow) && octaves(&self.slow.seen) >= CLEARLY_SLOW {
            let Seen { attempts, own, peers } = self.slow.seen;
            let (own, peers) = (phrase::log_time(own / attempts), phrase::log_time(peers / attempts));
            let reason = format!("its answers take {own}, the other service's {peers} (the middle of {attempts:.0})");
            return found(Measure::Latency, reason);
        }
        if latency && is_enough(&self.late) {
            let Seen { attempts, own, peers } = self.late.seen;
            let (own, peers) = (phrase::share(own / attempts), phrase::share(peers / attempts));
            let reason = format!(
                "{own} of its {attempts:.0} answers take longer than nearly all of the other service's, of which {peers} do"
            );
            return found(Measure::Latency, reason);
        }
        None
    }

    /// Attempts that wait for longer than the other service lets any wait: each would be as rare as they are there.
    fn compare_silence(&mut self, new: &Sample, other: &Sample, lasted: Duration) {
        let after = self.usual.slowest().max(HANGS_AFTER);
        let is_told = after <= TOLD;
        let (own, others) = (f64::from(new.waiting.at_least(after)), f64::from(other.waiting.at_least(after)));
        let usual = usual(others, self.usual.attempts() + others);
        self.answering = self.answering * (-lasted.as_secs_f64() / ANSWERING).exp() + new.answers as f64;
        let ratio = |worse: f64| ratio(own, self.answering, usual, worse);
        let is_much =
            own >= LEAST && ratio(DEAD.max(f64::midpoint(1.0, usual))).max(ratio(worse(usual, LATER))) >= ENOUGH;
        self.hangs = own;
        self.hung = (is_told && is_much).then(|| self.hung.unwrap_or_default() + lasted);
    }

    fn end_round(&mut self) {
        let [new, other] = std::mem::take(&mut self.round);
        let seconds = std::mem::take(&mut self.lasted).as_secs_f64();
        // what both begin to have in this round shows in the other as well
        let other_now = Known::of(&other);
        let pace = Pace { a_second: A_SECOND, burst: A_SECOND * seconds.clamp(1.0, 2.5) };
        self.usual.follow(&other, seconds);
        if new.attempts() > 0 {
            self.compare_failures(&new, &other_now, pace, seconds);
            self.compare_latency(&new, &other_now, pace, seconds);
            self.compare_tail(&new, &other_now, pace, seconds);
        }
        self.own.follow(&new, seconds);
    }

    fn compare_failures(&mut self, new: &Sample, other: &Known, pace: Pace, seconds: f64) {
        if self.usual.attempts() == 0.0 {
            return;
        }
        let (failures, answers) = (new.failures.total() as f64, new.answers as f64);
        let now = if other.attempts() > 0.0 { other.failures / other.attempts() } else { 0.0 };
        let usual = usual(self.usual.failures, self.usual.attempts()).max(now).min(HOPELESS);
        let attempts = failures + answers;
        let peers = attempts * self.usual.failures / self.usual.attempts();
        let seen = Seen { attempts, own: failures, peers };
        let dead = DEAD.max(f64::midpoint(1.0, usual));
        self.failing.add_at(pace, ratio(failures, answers, usual, worse(usual, WORSE)), seconds, seen);
        self.dead.add_at(pace, ratio(failures, answers, usual, dead), seconds, seen);
    }

    fn compare_latency(&mut self, new: &Sample, other: &Known, pace: Pace, seconds: f64) {
        let Some(mean) = new.latencies.mean().filter(|mean| mean.is_finite()) else { return };
        // at the same moment if it has answered, else as it was
        let compared = if other.count > 0.0 { other } else { &self.usual };
        let Some(usual) = compared.mean() else { return };
        let count = new.latencies.count as f64;
        let within = self.within().max(new.latencies.variance().unwrap_or_default());
        let variance = within / count + within / compared.count + SPREAD.powi(2);
        let cold = if self.since_more <= COLD_FOR { COLD } else { 0.0 };
        let slower = (mean - usual - cold).clamp(-AT_MOST, AT_MOST);
        let is_noticed = mean.exp2() - usual.exp2() >= NOTICEABLE;
        let ratio = SLOWER / variance * (slower - SLOWER / 2.0);
        let ratio = if is_noticed { ratio } else { ratio.min(0.0) };
        self.slow.add_at(pace, ratio, seconds, Seen { attempts: count, own: mean * count, peers: usual * count });
    }

    fn compare_tail(&mut self, new: &Sample, other: &Known, pace: Pace, seconds: f64) {
        let Some(late) = self.usual.late() else { return };
        if self.since_more <= COLD_FOR {
            return;
        }
        let own: f64 = new.latencies.buckets[late..].iter().map(|count| f64::from(*count)).sum();
        let all: f64 = new.latencies.buckets.iter().map(|count| f64::from(*count)).sum();
        if all == 0.0 {
            return;
        }
        let (others, of) = self.usual.beyond(late);
        let (now, of_now) = other.beyond(late);
        let now = if of_now > 0.0 { now / of_now } else { 0.0 };
        let usual = usual(others, of).max(now).min(HOPELESS);
        let seen = Seen { attempts: all, own, peers: all * others / of };
        self.late.add_at(pace, ratio(own, all - own, usual, worse(usual, LATER)), seconds, seen);
    }

    /// How much answers of one service differ: the variance of their logarithms, as both have shown it.
    fn within(&self) -> f64 {
        let (variance, of) = UNKNOWN;
        let (squares, count) = [&self.usual, &self.own].into_iter().fold((variance * of, of), |sum, known| {
            let own = known.variance().unwrap_or_default() * known.count;
            (sum.0 + own, sum.1 + known.count)
        });
        squares / count
    }
}

impl Known {
    fn of(sample: &Sample) -> Self {
        Self {
            answers: sample.answers as f64,
            failures: sample.failures.total() as f64,
            count: sample.latencies.count as f64,
            logs: sample.latencies.logs,
            squares: sample.latencies.squares,
            buckets: sample.latencies.buckets.map(f64::from),
        }
    }

    /// Takes in a round that lasted for so many seconds. Nothing fades in one that shows nothing.
    fn follow(&mut self, round: &Sample, seconds: f64) {
        if round.attempts() == 0 {
            return;
        }
        let (keeps, round) = ((-seconds / REMEMBERED).exp(), Self::of(round));
        self.answers = self.answers * keeps + round.answers;
        self.failures = self.failures * keeps + round.failures;
        self.count = self.count * keeps + round.count;
        self.logs = self.logs * keeps + round.logs;
        self.squares = self.squares * keeps + round.squares;
        self.buckets.iter_mut().zip(round.buckets).for_each(|(sum, count)| *sum = *sum * keeps + count);
    }

    fn attempts(&self) -> f64 {
        self.answers + self.failures
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.logs / self.count).filter(|mean| mean.is_finite())
    }

    fn variance(&self) -> Option<f64> {
        let mean = self.mean().filter(|_| self.count > 1.0)?;
        Some((self.squares / self.count - mean * mean).max(0.0)).filter(|variance| variance.is_finite())
    }

    /// How long nearly all of its answers take at most: three standard deviations above the mean.
    fn slowest(&self) -> Duration {
        let log = self.mean().unwrap_or_default() + 3.0 * self.variance().unwrap_or_default().sqrt();
        // a minute, which is longer than any age is told
        Duration::from_secs_f64((log.exp2() / 1e6).min(60.0))
    }

    /// The first bucket of what is late; `None` = too little is known.
    fn late(&self) -> Option<usize> {
        let total: f64 = self.buckets.iter().sum();
        if total < KNOWN {
            return None;
        }
        let mut above = total;
        let at = self.buckets.iter().position(|count| {
            above -= count;
            above <= total * TAIL
        })?;
        let shortest = bucket((2.0 * NOTICEABLE).log2());
        Some((at + 1 + BEYOND).max(shortest)).filter(|late| *late < BUCKETS)
    }

    /// How many of the answers are in this bucket or above, and how many there are.
    fn beyond(&self, bucket: usize) -> (f64, f64) {
        (self.buckets[bucket..].iter().sum(), self.buckets.iter().sum())
    }
}

/// The share that goes wrong of so many attempts, on the safe side.
fn usual(wrong: f64, attempts: f64) -> f64 {
    // half a failure more than there were: none of ten is no proof that there never are any
    let share = ((wrong + 0.5) / (attempts + 1.0)).clamp(0.0, HOPELESS);
    let uncertain = UNCERTAIN * (share * (1.0 - share) / (attempts + 1.0)).sqrt();
    (share + uncertain).clamp(USUAL, HOPELESS)
}

/// The share that is looked for, where this one is usual.
fn worse(usual: f64, by: f64) -> f64 {
    (usual * 2.0 + by).min(f64::midpoint(1.0, usual))
}

/// The log-likelihood ratio of these attempts, if the share that goes wrong is `worse` or `usual` (A. Wald, "Sequential Analysis", 1947).
fn ratio(wrong: f64, well: f64, usual: f64, worse: f64) -> f64 {
    // where nearly everything goes wrong, nothing can be told
    if usual >= HOPELESS {
        return 0.0;
    }
    wrong * (worse / usual).ln() + well * ((1.0 - worse) / (1.0 - usual)).ln()
}

fn is_enough(evidence: &Cusum) -> bool {
    evidence.share() >= 1.0 && evidence.seen.attempts >= LEAST
}

/// By how many octaves it was slower, on the mean.
fn octaves(seen: &Seen) -> f64 {
    (seen.own - seen.peers) / seen.attempts
}
