//! A place within the adaptive limit of a service, which an exchange needs before it looks for a backend: taken at once, or after a short wait in the line
//! of its priority, or not at all.
//!
//! A place that comes free goes to whoever waits on the same worker, the most important first, and stays counted all the while: nobody who comes later
//! gets it in between. What other workers give back, or a limit that was raised, is found within a tick by asking.
//!
//! Lines are short, and waits too, because waiting helps with what comes unevenly only. Where more comes than can be done, a long line makes all of those
//! who are served wait for its whole length, and serves no more of them (the standing queue of CoDel, RFC 8289).

pub mod lines;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use crate::error::{Error, Kind, Result};
use crate::metrics::LimitPlace;
use crate::policy::Priority;
use crate::protocol::http::Presence;
use crate::snapshot::ConcurrencyLimit;
use crate::timer::Alarm;

/// How often those who wait ask whether there is room.
const ASK: Duration = Duration::from_millis(20);
/// The wait where the latency without load is not known yet.
const UNKNOWN: Duration = Duration::from_millis(100);
/// Who matters most may wait in a line of this part of the limit: with the exchanges in flight, it takes about one and a half times as long as those
/// alone.
const LONG_LINE: u32 = 2;
/// All others may wait in a line of this part. With more, they would be served no sooner: what comes free above their part of the limit is not for them.
const SHORT_LINE: u32 = 8;

/// Takes a place at once, where there is one and nobody who came before waits for it.
pub fn enter(worker: &Worker, limit: &ConcurrencyLimit, priority: Priority) -> Option<LimitPlace> {
    if worker.lines.has_before(address(limit), priority) { None } else { limit.enter(priority) }
}

/// Waits for a place, for at most `longest`. `client` is watched meanwhile, where it can be; with `abort_on_close`, one that ends its side is gone.
///
/// # Errors
///
/// [`Kind::Shed`] where there is no place in the line, or none has come free in time.
pub async fn wait(
    worker: &Worker,
    limit: &ConcurrencyLimit,
    priority: Priority,
    longest: Duration,
    (client, abort_on_close): (Option<&Presence>, bool),
) -> Result<LimitPlace> {
    let shed = |why| {
        limit.state.shed(worker.index, priority as usize);
        Error::new(Kind::Shed, why)
    };
    if worker.lines.len(address(limit), priority) >= room(limit, priority) {
        return Err(shed("above the adaptive limit of its service"));
    }
    let longest = longest.min(limit.state.unloaded().unwrap_or(UNKNOWN).max(ASK));
    let ticket = worker.lines.join(address(limit), priority, limit.rule.part(priority));
    let _watched = client.map(|client| client.watch(abort_on_close));
    let mut alarm = Alarm::new(&worker.timers, ASK);
    let place = poll_fn(|cx| {
        while alarm.poll(cx).is_ready() {
            alarm.set(ASK);
        }
        ticket.poll(limit, priority, cx)
    });
    let place = worker.timers.within(longest, place).await;
    place.ok_or_else(|| shed("above the adaptive limit of its service, and no place has come free"))
}

/// How many may wait on one worker.
fn room(limit: &ConcurrencyLimit, priority: Priority) -> usize {
    let part = if priority == Priority::High { LONG_LINE } else { SHORT_LINE };
    let in_all = limit.state.limit().unwrap_or(limit.rule.initial) / part;
    (in_all as usize / limit.state.workers().max(1)).max(1)
}

fn address(limit: &ConcurrencyLimit) -> usize {
    Arc::as_ptr(&limit.state).addr()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Registry;
    use crate::policy::Concurrency;

    fn limit(places: u32) -> ConcurrencyLimit {
        let rule = Concurrency {
            min: 1,
            max: 100,
            initial: places,
            tolerance: 1.5,
            probe: Duration::from_secs(30),
            normal: 800,
            low: 600,
        };
        let state = Registry::new(2).adaptive("api");
        state.publish(places, 1);
        ConcurrencyLimit { rule, state }
    }

    #[test]
    fn lines_are_as_long_as_the_limit_allows() {
        let limit = limit(40);
        assert_eq!(Priority::ALL.map(|priority| room(&limit, priority)), [10, 2, 2]);
        limit.state.publish(3, 2);
        assert_eq!(Priority::ALL.map(|priority| room(&limit, priority)), [1, 1, 1]);
    }
}
