//! What is known of one backend, and the evidence that speaks against it.

use std::ops::Range;
use std::time::Duration;

use super::evidence::{Cusum, ENOUGH, Pace, Seen, ratios};
use super::habit::{Block, Habit, follow};
use super::patience::Patience;
use super::round::{Flow, Recent, Round};
use crate::detect::sample::Sample;

/// How much slower the backend is that is looked for, in octaves: twice as slow.
const SLOWER: f64 = 1.0;
/// The most that slow answers add to the evidence in a second, for each octave by which they are slow: twice as slow takes 2.5 s, ten times
/// 0.8 s. A pause delays all answers that were under way, but these come at once; a backend that is slow is slow all the time.
const SLOW_PACE: f64 = 4.0;
/// The most that a round of slow answers adds.
const SLOW_BURST: f64 = 2.0;
/// Evidence that one of only two backends is slow grows so many times slower: the other one may be about to become slow too.
const ONE_OF_TWO: f64 = 2.0;
/// By how many standard deviations the lower of two numbers of a normal distribution lies below the mean: 1 / sqrt(pi).
const LOWER_OF_TWO: f64 = 0.564;
/// The variance of a median, as a multiple of that of a mean of as many numbers of a normal distribution: pi / 2.
const MEDIAN: f64 = 1.571;
/// How much larger the share of failures is that is looked for,
const WORSE: f64 = 0.08;
/// or of late attempts,
const LATER: f64 = 0.05;
/// and how fast these add up: in 2.3 s. What all have begun to have shows in all of them within 2 s.
const SHARE_PACE: Pace = Pace { a_second: 4.0, burst: 3.0 };
/// A share of failures or late attempts below this is what any backend may have.
const USUAL: f64 = 0.01;
/// A backend is dead if this share of its attempts fails.
const DEAD: f64 = 0.95;
/// and how fast that adds up: in 0.3 s. Connections that are all closed at the same moment are no evidence.
const DEAD_PACE: Pace = Pace { a_second: 30.0, burst: ENOUGH / 2.0 };
/// How much faster or slower than its peers a machine may always have been, in octaves: 1.2 times, and 1.8 times.
const HABIT: Range<f64> = -0.3..0.85;
/// How much more often than its peers it may always have failed.
const FAILS: Range<f64> = 0.0..0.03;
/// How much more often than its peers it may always have been late.
const LATE: Range<f64> = 0.0..0.2;
/// For so long after it joined, a backend is cold, and up to 2 octaves (four times as slow) are let pass. Its habit is the mean of that time, and of as long after
/// it was seen first.
const SETTLES: Duration = Duration::from_secs(15);
/// Backends that are seen first when Evenkeel starts are as warm as their peers; for so long they are taken for cold all the same, until it is known what is
/// usual.
const UNKNOWN: Duration = Duration::from_secs(3);
/// and until so many rounds have shown it, which takes long where there is little traffic.
const KNOWN: f64 = 25.0;
/// So many attempts that wait are a stall also where it is not known whether they were begun before or after the last answer.
const STALL: f64 = 8.0;
/// See [`SETTLES`].
const COLD: f64 = 2.0;
/// For so long after it joined, a backend has less load than others.
const RAMP: Duration = Duration::from_secs(10);
/// The weight of a round in what the last rounds have shown.
const LATEST: f64 = 0.3;
/// Where more of the peers' attempts are late than this, it is the service that is slow, and not the tail of one backend.
const LATE_IN_HEALTH: f64 = 0.03;
/// A backend that fails this share of what it gets answers nothing.
const NEARLY_ALL: f64 = 0.9;
/// Peers that differ by less than this, in octaves, do not differ: a fifth of a backend's time.
const SPREAD: f64 = 0.26;
/// The suspicion, at most, of a backend that is slower by less than that.
const SMALL: f64 = 0.45;
/// Attempts before which nobody is judged by how slow or how often they are.
const LEAST: f64 = 12.0;
/// Slower than the peers by less than this many seconds is not slow, whatever the factor: threads are scheduled in milliseconds.
const NOTICEABLE: f64 = 1e-3;
/// and slower by less than this, in octaves: 1.5 times. With much traffic the smallest difference is significant.
const CLEARLY_SLOW: f64 = 0.58;

/// What is known of one backend.
#[derive(Debug, Clone, Default)]
pub(super) struct Backend {
    pub(super) takes_part: bool,
    pub(super) is_ejected: bool,
    /// Others are compared with it.
    pub(super) is_reference: bool,
    joined: Duration,
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<f64>,
    pub(super) round: Round,
    pub(super) recent: Recent,
    pub(super) flow: Flow,
    block: Block,
    /// It seemed to hang when it was forgiven, and has not answered in time since.
    seemed_hung: bool,
    /// Attempts that were begun in the sample in which it last answered in time.
    begun_beside: f64,
    /// So many wait that it has stalled, whether they were begun before or after it last answered.
    pub(super) has_stalled: bool,
    /// Attempts that were given up since it last answered in time.
    abandoned: f64,
    /// How long what seemed to hang took, as the logarithm of microseconds, where such answers came now.
    pub(super) after_all: Option<f64>,
    /// For how long it has been observed.
    observed: Duration,
    /// For how long it has answered nothing in time. Attempts that were begun before can't say that it is hung.
    pub(super) silent: Duration,
    /// How many attempts were begun since, also since it was forgiven.
    begun: f64,
    /// How long ago it was last forgiven; `None` = never.
    forgiven: Option<Duration>,
    /// Attempts that are late, of those begun since it last answered in time.
    pub(super) stuck: f64,
    /// How rare it is that these wait for so long, as the sum of logarithms.
    rarity: f64,
    /// All attempts that wait and are late.
    waiting_late: f64,
    /// How long the oldest of these has waited.
    pub(super) unanswered: Duration,
    habit: Habit,
    pub(super) slow: Cusum,
    pub(super) failing: Cusum,
    pub(super) late: Cusum,
    /// That it fails nearly everything.
    pub(super) dead: Cusum,
    /// That it is hung, as a share of what is enough.
    pub(super) hung: f64,
}

/// What the peers of a backend show in a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peers {
    /// How long their answers take: the median, and where they are of an even number the two in the middle, in octaves.
    pub(super) medians: (f64, f64),
    /// How many there are.
    pub(super) count: usize,
    /// How much they differ among each other, as a standard deviation.
    pub(super) deviation: f64,
    /// How much the answers of one backend differ: the variance of their logarithms.
    pub(super) within: f64,
    /// By how much the variance of rounds exceeds the one that these two explain, as answers of one moment are alike (hot keys); at least 1.
    pub(super) dispersion: f64,
}

impl Backend {
    /// Takes in a sample that covers the last `lasted`.
    pub(super) fn add(&mut self, sample: &Sample, patience: &mut Patience, lasted: Duration) {
        (self.takes_part, self.is_ejected, self.joined) = (sample.takes_part, sample.is_ejected, sample.joined);
        (self.cpu, self.memory) = (sample.cpu, sample.memory);
        self.observed += lasted;
        self.forgiven = self.forgiven.map(|ago| ago + lasted);
        if !sample.takes_part {
            (self.round, self.recent, self.stuck, self.hung) = (Round::default(), Recent::default(), 0.0, 0.0);
            // it is not asked: that it answers nothing says nothing
            (self.silent, self.begun, self.abandoned) = (Duration::ZERO, 0.0, 0.0);
            return;
        }
        self.round.add(sample, patience, lasted);
        self.silent += lasted;
        self.begun += sample.begun as f64;
        // what is given up at an ejection was begun before it
        self.abandoned = if sample.is_ejected { 0.0 } else { self.abandoned + sample.abandoned as f64 };
        let late = (patience.late.as_secs_f64() * 1e6).log2();
        let in_time = sample.latencies.mean().is_none_or(|mean| mean < late);
        self.after_all = sample.latencies.mean().filter(|_| self.seemed_hung && !in_time);
        self.seemed_hung &= !(sample.answers > 0 && in_time);
        if (sample.answers > 0 && in_time) || sample.failures.status > 0 {
            if self.stuck > 0.0 {
                patience.paused(self.silent);
            }
            (self.silent, self.begun, self.abandoned) = (Duration::ZERO, 0.0, 0.0);
            self.begun_beside = sample.begun as f64;
        }
        let since = self.forgiven.map_or(self.silent, |ago| ago.min(self.silent));
        // clients that wait for their answers send nothing more: what was begun beside the last answer may be all there is
        let (beside, _) = patience.late_since(&sample.waiting, since + lasted);
        self.has_stalled = beside.min(self.begun + self.begun_beside) >= STALL;
        let (since, begun) = match self.has_stalled {
            true => (since + lasted, self.begun + self.begun_beside),
            false => (since, self.begun),
        };
        let (stuck, rarity) = patience.late_since(&sample.waiting, since);
        // of those that have waited for longest it is not known whether they were begun since
        // and those that were given up would wait as well
        let stuck = stuck + self.abandoned;
        self.stuck = stuck.min(begun.max(self.abandoned));
        self.rarity = if stuck > 0.0 { rarity * self.stuck / stuck } else { 0.0 };
        self.waiting_late = patience.late(&sample.waiting);
        // the last answer came at some moment of the sample that has it
        let oldest = sample.waiting.oldest;
        self.unanswered = if oldest <= since + lasted && self.abandoned <= 0.0 { oldest } else { since };
        if self.suspicion() < 0.25 && !self.is_ejected {
            patience.learn(&sample.latencies);
        }
    }

    /// There is enough to think that it hangs, though it may be a pause: what waits for it may try another one.
    pub(super) fn seems_to_hang(&self) -> bool {
        self.hung >= 0.5
    }

    /// Others may be compared with it.
    pub(super) fn may_be_reference(&self) -> bool {
        self.takes_part && !self.is_ejected
    }

    /// Others are compared with it, and it does not fail everything.
    pub(super) fn is_living_reference(&self) -> bool {
        self.is_reference && self.dead.share() < 0.5
    }

    /// It has its full load, and has had for as long as answers take: one that comes back gets less at first and is faster for that, and what ends
    /// first are the short answers.
    pub(super) fn has_full_load(&self, answers_take: Duration) -> bool {
        self.joined >= answers_take.max(RAMP)
    }

    /// It has joined lately, and not because it was let in again.
    fn is_cold(&self) -> bool {
        let is_unknown = self.observed < UNKNOWN || (self.observed < SETTLES && self.habit.rounds < KNOWN);
        (self.joined < SETTLES || is_unknown) && self.forgiven.is_none()
    }

    /// Its habits are not known yet.
    fn is_new(&self) -> bool {
        (self.joined < SETTLES || self.observed < SETTLES) && self.forgiven.is_none()
    }

    /// Its attempts that are late now, and all that wait or ended of late.
    pub(super) fn waiting(&self) -> (f64, f64) {
        (self.waiting_late, self.waiting_late + self.recent.attempts + self.round.attempts())
    }

    /// Attempts wait that were begun since it last answered, while others answer what was begun since. `peers` is the share of their attempts that
    /// are late: each of these would be with that likelihood if the backend were well (they are censored observations of its latency).
    pub(super) fn compare_silence(&mut self, patience: &Patience, peers: f64) {
        let late = (DEAD / peers.max(USUAL)).ln().max(0.0);
        let rarity = if peers <= LATE_IN_HEALTH { self.rarity } else { 0.0 };
        let evidence = (self.stuck * late + rarity) / ENOUGH;
        let enough = patience.hung.as_secs_f64() * if self.is_cold() { 2.0 } else { 1.0 };
        let time = self.unanswered.as_secs_f64() / enough;
        self.hung = if evidence < 1.0 { evidence * time.min(1.0) } else { time.min(1.5) };
    }

    /// Adds what this sample says of a backend that fails nearly everything. `peers` is the share of their attempts that fail.
    pub(super) fn compare_deaths(&mut self, sample: &Sample, peers: f64, company: bool, lasted: Duration) {
        let (failures, answers) = (sample.failures.total() as f64, sample.answers as f64);
        let ratio = share_ratio(failures, answers, peers.max(USUAL), DEAD);
        let attempts = failures + answers;
        let pace = DEAD_PACE.shared(company);
        self.dead.add_at(pace, ratio, lasted.as_secs_f64(), Seen { attempts, own: failures, peers: peers * attempts });
    }

    /// Adds what this round says of how long answers take. Returns by how much the last rounds differ from what is expected, as a multiple of the
    /// variance that is expected of their sum; `None` = they are not known yet, or the backend may be ill.
    pub(super) fn compare_latency(&mut self, peers: &Peers, company: bool, seconds: f64) -> Option<f64> {
        let mean = self.round.mean()?;
        let answers = self.round.count;
        let weight = if self.habit.rounds == 0.0 { 1.0 } else { LATEST };
        self.habit.latest += weight * (mean - self.habit.latest);
        // one answer of a few that came very late is no evidence: such a round differs in itself
        let within = peers.within.max(self.round.variance().unwrap_or_default()) / answers;
        let (lower, upper) = peers.medians;
        // of two that differ by chance only, the lower one is lower than both by as much
        let lower = (lower + LOWER_OF_TWO * within.sqrt()).min(f64::midpoint(lower, upper));
        // of two backends that differ, only the one that has changed can be at fault: the other may just have become faster
        let has_changed = self.habit.latest - self.habit.latency > SLOWER / 2.0;
        let than_best = mean - lower - self.habit.slower;
        let than_best = if has_changed { than_best } else { than_best.min(0.0) };
        let than_all = if peers.count <= 1 { than_best } else { mean - upper - self.habit.slower };
        let slower = than_all.max(than_best) - if self.is_cold() { COLD } else { 0.0 };
        let between = (peers.deviation.powi(2) - within).max(SPREAD.powi(2));
        let variance = within * (1.0 + MEDIAN / peers.count as f64) + between;
        let ratio = SLOWER / (variance * peers.dispersion) * (slower - SLOWER / 2.0);
        let pace = Pace { a_second: SLOW_PACE * slower.max(SLOWER), burst: SLOW_BURST * seconds.clamp(1.0, 2.5) };
        let pace = pace.shared(company).over(if peers.count <= 1 { ONE_OF_TWO } else { 1.0 });
        let ratio = if self.flow.ebbs() { ratio.min(0.0) } else { ratio };
        self.slow.add_at(pace, ratio, seconds, Seen { attempts: answers, own: mean * answers, peers: lower * answers });
        if self.is_well() {
            let weight = self.habit.weight(self.is_new(), seconds);
            self.habit.latency += weight * (mean - self.habit.latency);
            follow(&mut self.habit.slower, mean - lower, weight, HABIT);
        }
        let is_usual = self.is_well() && !self.is_cold();
        self.block.add(slower, variance).filter(|_| is_usual)
    }

    /// Adds what this round says of failures. `peers` is the share of their attempts that fail.
    pub(super) fn compare_failures(&mut self, peers: f64, company: bool, seconds: f64) {
        let Round { failures, answers, .. } = self.round;
        let attempts = failures + answers;
        let usual = usual(peers + self.habit.failing, self.recent.attempts);
        let ratio = share_ratio(failures, answers, usual, usual + WORSE.max(usual / 2.0));
        self.failing.add_at(
            SHARE_PACE.shared(company),
            ratio,
            seconds,
            Seen { attempts, own: failures, peers: peers * attempts },
        );
        if self.is_well() && attempts > 0.0 {
            let weight = self.habit.weight(self.is_new(), seconds);
            follow(&mut self.habit.failing, failures / attempts - peers, weight, FAILS);
        }
    }

    /// Adds what this round says of attempts that are late. `peers` is the share of theirs that are.
    pub(super) fn compare_lateness(&mut self, peers: f64, company: bool, seconds: f64) {
        let late = self.round.late;
        let attempts = self.round.attempts().max(late);
        if attempts == 0.0 || self.is_cold() {
            return;
        }
        let usual = usual(peers + self.habit.late, self.recent.attempts);
        let ratio = match peers <= LATE_IN_HEALTH {
            true => share_ratio(late, attempts - late, usual, usual + LATER.max(usual * 2.0)),
            false => -ENOUGH,
        };
        let ratio = if self.flow.ebbs() { ratio.min(0.0) } else { ratio };
        self.late.add_at(
            SHARE_PACE.shared(company),
            ratio,
            seconds,
            Seen { attempts, own: late, peers: peers * attempts },
        );
        if self.is_well() {
            let weight = self.habit.weight(false, seconds);
            follow(&mut self.habit.late, late / attempts - peers, weight, LATE);
        }
    }

    /// How much its answers of this round differ: squares of distances, and of how many independent ones. `None` = there are too few answers.
    pub(super) fn squares(&self) -> Option<(f64, f64)> {
        if let Some(variance) = self.round.variance() {
            return Some((variance * self.round.count, self.round.count - 1.0));
        }
        let mean = self.round.mean().filter(|_| self.habit.rounds > 0.0)?;
        Some(((mean - self.habit.latency).powi(2), 1.0))
    }

    /// Ends the round.
    pub(super) fn end_round(&mut self) {
        self.habit.rounds += f64::from(u8::from(self.round.attempts() > 0.0));
        self.round = Round::default();
    }

    /// Nothing much speaks against it, so that what it shows is what it always shows.
    pub(super) fn is_well(&self) -> bool {
        self.suspicion() <= 0.25
    }

    /// The evidence of what speaks most against it, as a share of what is enough.
    pub(super) fn suspicion(&self) -> f64 {
        let slow = if self.is_clearly_slow() { self.slow.share() } else { self.slow.share().min(SMALL) };
        [self.failing, self.late, self.dead].iter().map(Cusum::share).fold(self.hung.max(slow), f64::max)
    }

    /// There is enough evidence that it is slow, and not by little.
    pub(super) fn is_slow(&self) -> bool {
        Self::is_enough(&self.slow) && self.is_clearly_slow()
    }

    fn is_clearly_slow(&self) -> bool {
        let Seen { attempts, own, peers } = self.slow.seen;
        let seconds = |logs: f64| (logs / attempts).exp2() / 1e6;
        seconds(own) >= seconds(peers) + NOTICEABLE
            && (own - peers) / attempts - self.habit.slower.max(0.0) >= CLEARLY_SLOW
    }

    /// There is enough evidence of this kind, from enough attempts.
    pub(super) fn is_enough(evidence: &Cusum) -> bool {
        evidence.share() >= 1.0 && evidence.seen.attempts >= LEAST
    }

    /// What it failed it did not answer, and it has not answered anything else since it began to fail.
    pub(super) fn answers_nothing(&self) -> bool {
        let Seen { attempts, own, .. } = self.failing.seen;
        let answered_some = own > self.dead.seen.own && own < attempts * NEARLY_ALL;
        let answered_now = self.dead.seen.own < self.dead.seen.attempts * NEARLY_ALL;
        !answered_some && !answered_now && self.recent.unanswered(&self.round) >= NEARLY_ALL
    }

    /// Forgets what speaks against it.
    pub(super) fn forgive(&mut self) {
        self.seemed_hung |= self.hung >= 1.0;
        (self.slow, self.failing, self.late, self.dead) = Default::default();
        (self.hung, self.stuck, self.begun, self.abandoned) = (0.0, 0.0, 0.0, 0.0);
        self.forgiven = Some(Duration::ZERO);
        self.recent = Recent::default();
    }
}

/// The share that may go wrong; a share of few attempts may be off by one and a half standard deviations.
fn usual(expected: f64, attempts: f64) -> f64 {
    let expected = expected.clamp(0.0, 0.9);
    let uncertain = 1.5 * (expected * (1.0 - expected) / attempts.max(1.0)).sqrt();
    (expected + uncertain).clamp(USUAL, 0.9)
}

/// The log-likelihood ratio of these attempts, if the share that goes wrong is `worse` or `usual`.
fn share_ratio(wrong: f64, well: f64, usual: f64, worse: f64) -> f64 {
    ratios(usual, worse).map_or(-ENOUGH, |(goes_wrong, goes_well)| wrong * goes_wrong + well * goes_well)
}
