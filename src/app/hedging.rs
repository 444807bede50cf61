//! Finds the time after which the requests of a service are hedged, where the configuration names a quantile (`retry.hedge = "p95"`): once a second, of
//! what the workers have counted. Workers read the result, which is one number.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::metrics::BUCKETS;
use crate::metrics::latencies::quantile;
use crate::policy::Hedge;
use crate::snapshot::{Hedges, Snapshot};

/// How often the quantiles are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// After so long, what was counted weighs half as much: the quantile follows the service within seconds where there is much traffic.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// A quantile is known when so many have taken longer. With ten, the time that is found has the rank that is wanted to about a third of the tail (the
/// standard deviation of a count of ten is three).
const BEYOND: f64 = 10.0;

/// The quantiles of all services that hedge at one.
#[derive(Debug, Default)]
pub(super) struct Hedging {
    services: Vec<Watched>,
    looked: Option<Moment>,
}

/// A service that hedges at a quantile.
#[derive(Debug)]
struct Watched {
    hedges: Arc<Hedges>,
    /// What was last read of the workers.
    seen: [u32; BUCKETS],
    window: Window,
}

/// What attempts took of late: counts that fade with time, but not below what has to be known.
#[derive(Debug)]
struct Window {
    counts: [f64; BUCKETS],
    /// The share that is looked for, from 0.5 to 0.999.
    share: f64,
}

impl Hedging {
    /// Another snapshot is in force. What is known of services that stay is kept.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.services);
        for service in &snapshot.services {
            let Some((hedges, rule)) = service.hedges.as_ref().zip(service.retry.hedge) else { continue };
            let share = match rule {
                Hedge::Quantile(share) => share,
                Hedge::After(time) => {
                    hedges.set_after(Some(time));
                    continue;
                }
            };
            let known = before.iter().position(|known| Arc::ptr_eq(&known.hedges, hedges));
            let mut watched = match known {
                Some(at) => before.swap_remove(at),
                None => {
                    // what a setting of before has said is not known to be right
                    hedges.set_after(None);
                    Watched { hedges: Arc::clone(hedges), seen: hedges.counts.latencies(), window: Window::new(share) }
                }
            };
            watched.window.share = share;
            self.services.push(watched);
        }
    }

    /// Looks at all of them, once a second.
    pub fn look(&mut self, now: Moment) {
        let since = self.looked.map_or(INTERVAL, |looked| now.since(looked));
        if since < INTERVAL {
            return;
        }
        self.looked = Some(now);
        for Watched { hedges, seen, window } in &mut self.services {
            let read = hedges.counts.latencies();
            let new = std::array::from_fn(|at| read[at].wrapping_sub(seen[at]));
            *seen = read;
            hedges.set_after(window.after(&new, since));
        }
    }
}

impl Window {
    fn new(share: f64) -> Self {
        Self { counts: [0.0; BUCKETS], share }
    }

    /// The time after which to hedge, now that these were counted in the time `since` the last look; `None` = too few were.
    fn after(&mut self, new: &[u32; BUCKETS], since: Duration) -> Option<Duration> {
        let total: f64 = self.counts.iter().sum();
        let enough = BEYOND / (1.0 - self.share);
        let came: f64 = new.iter().map(|count| f64::from(*count)).sum();
        // a service that is asked little is not forgotten: what is too few to say anything with the new ones stays
        let fades = 0.5_f64.powf(since.as_secs_f64() / HALF_LIFE.as_secs_f64());
        let fades = if total > 0.0 { fades.max(((enough - came) / total).min(1.0)) } else { 1.0 };
        for (count, new) in self.counts.iter_mut().zip(new) {
            *count = *count * fades + f64::from(*new);
        }
        // counts that fade come back to the edge by rounding
        if total * fades + came < enough * 0.999 {
            return None;
        }
        quantile(&self.counts, self.share).map(Duration::from_secs_f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// So many, in this bucket.
    fn in_bucket(at: usize, count: u32) -> [u32; BUCKETS] {
        let mut counts = [0; BUCKETS];
        counts[at] = count;
        counts
    }

    fn millis(after: Option<Duration>) -> f64 {
        after.unwrap().as_secs_f64() * 1e3
    }

    #[test]
    fn nothing_is_known_before_ten_have_taken_longer() {
        let mut window = Window::new(0.95);
        assert_eq!(window.after(&in_bucket(11, 199), SECOND), None);
        let known = millis(window.after(&in_bucket(11, 20), SECOND));
        assert!((5.6..5.8).contains(&known), "{known}");
        let mut rare = Window::new(0.999);
        assert_eq!(rare.after(&in_bucket(11, 9_000), SECOND), None);
        assert!(rare.after(&in_bucket(11, 1_700), SECOND).is_some());
    }

    #[test]
    fn it_follows_a_service_that_becomes_slower_and_forgets_it_again() {
        let mut window = Window::new(0.95);
        (0..60).for_each(|_| _ = window.after(&in_bucket(11, 1000), SECOND));
        // 5 % of the last 10 s is less than one second of a slow one
        let slow = millis(window.after(&in_bucket(21, 1000), SECOND));
        assert!(slow > 100.0, "{slow}");
        let later: Vec<f64> = (0..60).map(|_| millis(window.after(&in_bucket(11, 1000), SECOND))).collect();
        assert!(later[59] < 6.0 && later.is_sorted_by(|a, b| a >= b), "{later:?}");
    }

    #[test]
    fn a_service_that_nobody_asks_keeps_what_is_known() {
        let mut window = Window::new(0.95);
        let known = window.after(&in_bucket(15, 5_000), SECOND);
        let idle: Vec<_> = (0..3_600).map(|_| window.after(&[0; BUCKETS], SECOND)).collect();
        assert!(
            idle.iter().all(|after| after.is_some() && (millis(*after) - millis(known)).abs() < 0.1),
            "{:?}",
            idle.last()
        );
        assert!(window.counts.iter().sum::<f64>() < 201.0, "but only as much as is needed");
    }
}
