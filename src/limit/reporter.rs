//! What an instance reports of the keys of a shared limit, and what it makes of the answers. Pure; whoever carries reports calls it some ten times a second.
//!
//! A store has the time of each key as all instances have moved it on. A report says by how much this instance has moved it since its last report, and how
//! many requests the key sends here; the answer says how far that time is ahead now, and how many requests the key sends to the others. So the time here is
//! set right, and the part of the requests that comes here is known: until the next answer each request is charged with what the others are likely to
//! allow meanwhile. What was allowed too much because that was guessed wrongly stays in the store's time, and is waited for.
//!
//! While there are no answers, nothing of what is counted is reported later: it was allowed within this instance's part. When there are some again, the
//! time here is told instead, for the store may have lost its own.
//!
//! A store may also be emptied while it answers. So each report says how far the key is ahead here, which a store that has no earlier report of this
//! instance goes by, and all keys are reported anew ([`Reporter::tell_all`]) when a store does not know this instance any more.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::shared::Counted;
use super::table::{SLOTS, nanos};
use super::{Rate, Table};

/// In this time the weight of a request in the demand falls to 1/e.
pub const DEMAND_FADES: Duration = Duration::from_secs(1);
/// Keys whose demand is remembered; some 100 bytes each.
const REMEMBERED: usize = 65_536;
/// A demand below this is forgotten.
const NEGLIGIBLE: f64 = 0.01;
/// So much is added to this instance's demand, so that a key that hardly anybody has seen has the whole rate wherever it comes.
const PRIOR: f64 = 1.0;

/// A report about one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The key, the same on all instances.
    pub key: u64,
    /// By how much its time has moved on, by requests that were allowed here.
    pub used: Duration,
    /// How far its time is ahead of the clock, by what the store has answered before and by `used`.
    pub ahead: Duration,
    /// It is ahead by so much whatever the store knows; otherwise only if the store has no earlier report of this instance about this key.
    pub is_certain: bool,
    /// The requests that it sends here: each counts for the less the older it is ([`DEMAND_FADES`]).
    pub demand: f64,
    /// The rate by which it has used that.
    pub rate: Rate,
    slot: usize,
}

/// What a store answers to a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// How far the key's time is ahead of the clock, in nanoseconds; negative = behind.
    pub ahead: i64,
    /// The requests that it sends to the other instances.
    pub others: f64,
}

/// Reports of one table.
#[derive(Debug, Default)]
pub struct Reporter {
    /// By key: the demand, and when it was that.
    demands: HashMap<u64, (f64, Duration)>,
    /// The bucket after the last one that was reported.
    next: usize,
    /// The first of the buckets whose keys are still to be reported anew, if any are.
    untold: Option<usize>,
}

impl Reporter {
    /// What there is to report at `now`, about `most` keys or a few more; what is beyond waits for the next time. What was counted is taken from the
    /// table.
    pub fn collect(&mut self, table: &Table, rate: Rate, most: usize, now: Duration) -> Vec<Report> {
        let Some(shared) = &table.shared else { return Vec::new() };
        let is_certain = shared.is_divided();
        let mut reports = Vec::new();
        self.next = shared.marked(self.next, |bucket| {
            for slot in bucket * SLOTS..(bucket + 1) * SLOTS {
                let ahead = table.slot(slot).tat.load(Relaxed).saturating_sub(nanos(now));
                let Some(Counted { allowed, sent }) = shared.take(slot) else { continue };
                let key = table.slot(slot).key.load(Relaxed);
                let demand = self.demand(key, sent, now);
                let moved = |factor| rate.cost(factor).saturating_mul(allowed.into());
                let (used, ahead) = match is_certain {
                    true => (0, ahead),
                    // what the others were guessed to allow meanwhile is not known
                    false => {
                        let used = moved(shared.weight());
                        (used, ahead.saturating_sub(moved(shared.factor(slot))).saturating_add(used))
                    }
                };
                let [used, ahead] = [used, ahead].map(Duration::from_nanos);
                reports.push(Report { key, used, ahead, is_certain, demand, rate, slot });
            }
            reports.len() < most
        });
        self.report_anew(table, rate, most, now, &mut reports);
        self.forget(now);
        reports
    }

    /// The store has forgotten this instance, and with it what that has reported: all keys are reported once more, as far as there is room for them beside those
    /// that there are requests for.
    pub fn tell_all(&mut self) {
        self.untold = Some(0);
    }

    /// Adds reports of the keys that have to be reported anew, until there are `most`.
    fn report_anew(&mut self, table: &Table, rate: Rate, most: usize, now: Duration, reports: &mut Vec<Report>) {
        while let Some(bucket) = self.untold.filter(|_| reports.len() < most) {
            self.untold = Some(bucket + 1).filter(|next| *next < table.buckets());
            for slot in bucket * SLOTS..(bucket + 1) * SLOTS {
                let [key, tat] = [&table.slot(slot).key, &table.slot(slot).tat].map(|of| of.load(Relaxed));
                let ahead = Duration::from_nanos(tat.saturating_sub(nanos(now)));
                if !ahead.is_zero() {
                    let demand = self.demands.get(&key).map_or(0.0, |(demand, at)| faded(*demand, *at, now));
                    reports.push(Report { key, used: Duration::ZERO, ahead, is_certain: false, demand, rate, slot });
                }
            }
        }
    }

    /// Sets right what the table has of a key, by the answer to the report about it.
    pub fn learn(&self, table: &Table, rate: Rate, report: &Report, answer: Answer, now: Duration) {
        let (Some(shared), slot) = (&table.shared, table.slot(report.slot)) else { return };
        // an answer says how far the key is ahead in times of the rate that was reported
        if slot.key.load(Relaxed) != report.key || report.rate != rate {
            return;
        }
        let share = (report.demand + PRIOR) / (report.demand + answer.others.max(0.0) + PRIOR);
        shared.set_share(report.slot, share);
        let since = rate.cost(shared.factor(report.slot)).saturating_mul(shared.peek(report.slot).allowed.into());
        slot.tat.store(nanos(now).saturating_add_signed(answer.ahead).saturating_add(since), Relaxed);
    }

    /// Adds requests to a key's demand.
    fn demand(&mut self, key: u64, sent: u32, now: Duration) -> f64 {
        let sent = f64::from(sent);
        if self.demands.len() >= REMEMBERED && !self.demands.contains_key(&key) {
            return sent;
        }
        let (demand, at) = self.demands.entry(key).or_insert((0.0, now));
        *demand = faded(*demand, *at, now) + sent;
        *at = now;
        *demand
    }

    fn forget(&mut self, now: Duration) {
        if self.demands.len() >= REMEMBERED / 2 {
            self.demands.retain(|_, (demand, at)| faded(*demand, *at, now) > NEGLIGIBLE);
        }
    }
}

/// What a demand has come down to.
pub fn faded(demand: f64, at: Duration, now: Duration) -> f64 {
    demand * (-now.saturating_sub(at).as_secs_f64() / DEMAND_FADES.as_secs_f64()).exp()
}
