//! The pace that the sender of a body must keep up (`min_body_rate`), whichever protocol the body comes by.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::{Error, Kind};
use crate::timer::{Alarm, TICK, Timers};

/// How long a sender may be slower than `min_body_rate` (waiting for it, all in all).
const GRACE: Duration = Duration::from_secs(10);
/// How often its pace is looked at while nothing arrives.
const LOOK: Duration = Duration::from_secs(1);

/// Holds a sender to `min_body_rate`: only the time spent waiting for it counts.
#[derive(Debug)]
pub struct Pace {
    rate: u64,
    timers: Timers,
    waiting_since: Option<u64>,
    waited: Duration,
    alarm: Option<Alarm>,
}

impl Pace {
    /// At least `rate` bytes a second; `None` when that is 0, which is no limit.
    pub fn new(rate: u64, timers: &Timers) -> Option<Self> {
        let pace = || Self { rate, timers: timers.clone(), waiting_since: None, waited: Duration::ZERO, alarm: None };
        (rate > 0).then(pace)
    }

    /// Something has come.
    pub fn arrived(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += self.waited_since(since);
        }
    }

    fn waited_since(&self, since: u64) -> Duration {
        TICK * u32::try_from(self.timers.now().saturating_sub(since)).unwrap_or(u32::MAX)
    }

    /// Nothing is there, and `received` bytes have come so far: ready when the sender is too slow.
    pub fn poll(&mut self, received: u64, cx: &mut Context<'_>) -> Poll<Error> {
        let since = *self.waiting_since.get_or_insert_with(|| self.timers.now());
        loop {
            let waited = self.waited + self.waited_since(since);
            if waited > GRACE && (received as f64) < self.rate as f64 * (waited - GRACE).as_secs_f64() {
                return Poll::Ready(Error::new(Kind::SlowRequest, "slower than limits.min_body_rate"));
            }
            let timers = &self.timers;
            let alarm = self.alarm.get_or_insert_with(|| Alarm::new(timers, LOOK));
            match alarm.poll(cx) {
                Poll::Ready(()) => alarm.set(LOOK),
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
            let mut pace = Pace::new(1000, &timers).unwrap();
            let began = Instant::now();
            let error = poll_fn(|cx| pace.poll(500, cx)).await;
            assert_eq!(error.kind(), Kind::SlowRequest);
            // half a second's bytes are too few half a second after the grace; it is looked at once a second
            let took = began.elapsed();
            assert!(took > GRACE + LOOK / 2 && took < GRACE + 2 * LOOK, "{took:?}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_for_the_sender_does_not_count() {
        let timers = Timers::new();
        beside(&timers, async {
            let mut pace = Pace::new(1000, &timers).unwrap();
            for _ in 0..20 {
                let waiting = timers.within(Duration::from_millis(100), poll_fn(|cx| pace.poll(0, cx)));
                assert!(waiting.await.is_none(), "it was given up");
                pace.arrived();
                // the backend takes its time
                sleep(GRACE).await;
            }
        })
        .await;
    }

    #[test]
    fn without_a_rate_there_is_no_pace() {
        assert!(Pace::new(0, &Timers::new()).is_none());
    }
}
