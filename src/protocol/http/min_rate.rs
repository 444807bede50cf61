//! The lowest rate at which the sender of a body must send (`min_body_rate`), in all versions of HTTP.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::{Error, Kind};
use crate::timer::{Alarm, TICK, Timers};

/// The time that may be spent waiting for a sender, summed over the whole body, before its rate is judged.
const GRACE: Duration = Duration::from_secs(10);
/// How often the rate is checked while nothing arrives.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Enforces `min_body_rate`, in bytes a second. Only the time spent waiting for the sender counts, not the time in which we don't
/// read.
#[derive(Debug)]
pub struct MinRate {
    /// In bytes a second.
    rate: u64,
    timers: Timers,
    /// The tick at which the current wait began.
    waiting_since: Option<u64>,
    /// The sum of all earlier waits.
    waited: Duration,
    alarm: Option<Alarm>,
}

impl MinRate {
    /// A limit of at least `rate` bytes a second; `None` when `rate` is 0, which means no limit.
    pub fn new(rate: u64, timers: &Timers) -> Option<Self> {
        let min_rate =
            || Self { rate, timers: timers.clone(), waiting_since: None, waited: Duration::ZERO, alarm: None };
        (rate > 0).then(min_rate)
    }

    /// Some data has arrived: the wait for it is over.
    pub fn arrived(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += self.waited_since(since);
        }
    }

    fn waited_since(&self, since: u64) -> Duration {
        TICK * u32::try_from(self.timers.now().saturating_sub(since)).unwrap_or(u32::MAX)
    }

    /// To be polled while no data is there; `received` is the number of bytes that arrived so far. Ready with an error when the
    /// sender is too slow.
    pub fn poll(&mut self, received: u64, cx: &mut Context<'_>) -> Poll<Error> {
        let since = *self.waiting_since.get_or_insert_with(|| self.timers.now());
        loop {
            let waited = self.waited + self.waited_since(since);
            if waited > GRACE && (received as f64) < self.rate as f64 * (waited - GRACE).as_secs_f64() {
                return Poll::Ready(Error::new(Kind::SlowRequest, "slower than limits.min_body_rate"));
            }
            let timers = &self.timers;
            let alarm = self.alarm.get_or_insert_with(|| Alarm::new(timers, CHECK_INTERVAL));
            match alarm.poll(cx) {
                Poll::Ready(()) => alarm.set(CHECK_INTERVAL),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{Instant, sleep};

    use super::*;

    /// Runs `waiting` beside the clock.
    async fn beside(timers: &Timers, waiting: impl Future<Output = ()>) {
        tokio::select! { () = timers.clone().run() => {}, () = waiting => {} }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_below_the_rate_is_given_up_after_its_grace() {
        let timers = Timers::new();
        beside(&timers, async {
            let mut min_rate = MinRate::new(1000, &timers).unwrap();
            let began = Instant::now();
            let error = poll_fn(|cx| min_rate.poll(500, cx)).await;
            assert_eq!(error.kind(), Kind::SlowRequest);
            // half a second's bytes are too few half a second after the grace; it is looked at once a second
            let took = began.elapsed();
            assert!(took > GRACE + CHECK_INTERVAL / 2 && took < GRACE + 2 * CHECK_INTERVAL, "{took:?}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_for_the_sender_does_not_count() {
        let timers = Timers::new();
        beside(&timers, async {
            let mut min_rate = MinRate::new(1000, &timers).unwrap();
            for _ in 0..20 {
                let waiting = timers.within(Duration::from_millis(100), poll_fn(|cx| min_rate.poll(0, cx)));
                assert!(waiting.await.is_none(), "it was given up");
                min_rate.arrived();
                // the backend takes its time
                sleep(GRACE).await;
            }
        })
        .await;
    }

    #[test]
    fn without_a_rate_there_is_no_pace() {
        assert!(MinRate::new(0, &Timers::new()).is_none());
    }
}
