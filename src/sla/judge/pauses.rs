//! How long requests pause. A service that is asked a hundred times a second is silent after ten seconds; one that is asked once in a minute is not.

use std::time::Duration;

use crate::clock::Moment;

/// Without a request for so long, no service counts as silent,
const SHORTEST: Duration = Duration::from_secs(10);
/// and without one for so long every one does.
const LONGEST: Duration = Duration::from_secs(60);
/// Pauses have to be known for so long before a shorter silence than the longest says anything.
const WATCHED: Duration = Duration::from_secs(30);
/// The longest pause is that of the last one to two times this.
const REMEMBERED: Duration = Duration::from_secs(300);

/// The pauses between requests of late.
#[derive(Debug, Default)]
pub struct Pauses {
    /// The first request that was seen, and the last.
    first: Option<Moment>,
    last: Moment,
    /// The longest pause since then, and the longest of the time before.
    since: Moment,
    longest: Duration,
    longest_before: Duration,
}

impl Pauses {
    /// A request has ended.
    pub fn request(&mut self, now: Moment) {
        if self.first.is_none() {
            (self.first, self.last, self.since) = (Some(now), now, now);
        }
        if now.since(self.since) >= REMEMBERED {
            (self.longest_before, self.longest, self.since) = (self.longest, Duration::ZERO, now);
        }
        self.longest = self.longest.max(now.since(self.last));
        self.last = now;
    }

    /// After how long without a request the service is silent: twice as long as requests have paused of late.
    pub fn silence(&self) -> Duration {
        let watched = self.first.map_or(Duration::ZERO, |first| self.last.since(first));
        if watched < WATCHED {
            return LONGEST;
        }
        (2 * self.longest.max(self.longest_before)).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The silence after requests at these seconds.
    fn silence(seconds: impl IntoIterator<Item = u64>) -> u64 {
        let mut pauses = Pauses::default();
        seconds.into_iter().for_each(|second| pauses.request(Moment::from_millis(1000 * second)));
        pauses.silence().as_secs()
    }

    #[test]
    fn the_less_a_service_is_asked_the_longer_it_takes_to_be_silent() {
        assert_eq!(silence([]), 60);
        assert_eq!(silence(0..29), 60, "it is not known for long enough");
        assert_eq!(silence(0..60), 10);
        assert_eq!(silence((0..60).step_by(10)), 20);
        assert_eq!(silence((0..600).step_by(40)), 60);
        // a batch each half minute
        assert_eq!(silence((0..10).flat_map(|n| 30 * n..30 * n + 3)), 56);
    }

    #[test]
    fn a_pause_is_forgotten_after_five_to_ten_minutes() {
        assert_eq!(silence((0..5).chain(30..300)), 52);
        assert_eq!(silence((0..5).chain(30..580)), 52);
        assert_eq!(silence((0..5).chain(30..700)), 10);
    }
}
