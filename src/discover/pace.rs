//! When a source is asked again. It is pure, so that a test can play hours of it.

use std::time::Duration;

/// The shortest time between two questions to a source, whatever its answers say.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest time between two questions to a source that fails.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// When a source is asked again.
#[derive(Debug)]
pub struct Pace {
    /// How often it is asked when all is well; `None` = only when it has changed, or when its answer says until when it holds.
    refresh: Option<Duration>,
    /// The longest time between two questions while it fails.
    longest: Duration,
    /// Failures in a row, up to now.
    failures: u32,
    /// How long to wait from the last answer on; `None` = until it has changed.
    delay: Option<Duration>,
}

impl Pace {
    /// For a source that is asked at once, and then every `refresh`; `None` for one that tells when it has changed.
    pub fn new(refresh: Option<Duration>) -> Self {
        // 1 s, 2 s, 4 s, ... but not more seldom than when all is well
        let longest = refresh.unwrap_or(LONGEST_BACK_OFF).clamp(SHORTEST, LONGEST_BACK_OFF);
        Self { refresh, longest, failures: 0, delay: Some(Duration::ZERO) }
    }

    /// The same with another longest time between two questions to a source that fails.
    pub fn with_longest(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// How long to wait from the last answer on; `None` = until the source has changed.
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// Waits for so long; for ever when only a change of the source is to be waited for.
    pub async fn wait(&self) {
        match self.delay {
            Some(delay) => tokio::time::sleep(delay).await,
            None => std::future::pending().await,
        }
    }

    /// The source has given a good answer, which holds for so long.
    pub fn answered(&mut self, holds: Option<Duration>) {
        self.failures = 0;
        self.delay = self.refresh.into_iter().chain(holds).min().map(|delay| delay.max(SHORTEST));
    }

    /// The source has not answered.
    pub fn failed(&mut self) {
        self.delay = Some(SHORTEST.saturating_mul(1 << self.failures.min(10)).min(self.longest));
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(pace: &Pace) -> u64 {
        pace.delay().unwrap().as_secs()
    }

    fn failures(mut pace: Pace, count: usize) -> Vec<u64> {
        let mut fail = || {
            pace.failed();
            seconds(&pace)
        };
        (0..count).map(|_| fail()).collect()
    }

    #[test]
    fn it_is_asked_again_when_the_answer_or_the_patience_is_over() {
        let delay = |refresh, holds| {
            let mut pace = Pace::new(refresh);
            assert_eq!(pace.delay(), Some(Duration::ZERO), "the first time at once");
            pace.answered(holds);
            pace.delay().map(|delay| delay.as_secs())
        };
        let (ten, hasty) = (Some(Duration::from_secs(10)), Some(Duration::from_millis(10)));
        let holds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!([0, 1, 7, 3600].map(|ttl| delay(ten, holds(ttl))), [Some(1), Some(1), Some(7), Some(10)]);
        assert_eq!(delay(hasty, holds(60)), Some(1));
        let told = (delay(None, None), delay(None, holds(5)));
        assert_eq!(told, (None, Some(5)), "a file tells itself, unless something is missing in it");
    }

    #[test]
    fn one_that_fails_is_asked_more_and_more_seldom() {
        assert_eq!(failures(Pace::new(Some(Duration::from_secs(10))), 6), [1, 2, 4, 8, 10, 10]);
        assert_eq!(failures(Pace::new(None), 8), [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(failures(Pace::new(None).with_longest(Duration::from_secs(5)), 5), [1, 2, 4, 5, 5]);
        let mut pace = Pace::new(Some(Duration::from_secs(10)));
        pace.failed();
        pace.failed();
        pace.answered(None);
        pace.failed();
        assert_eq!(seconds(&pace), 1, "the back-off begins anew");
    }
}
