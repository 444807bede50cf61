//! A place within the adaptive limit of a service, which an exchange needs before it looks for a backend: taken at once, or after a short wait in the line
//! of its priority, or not at all.
//!
//! A place that comes free goes to whoever waits on the same worker, the most important first, and stays counted all the while: nobody who comes later
//! gets it in between. What other workers give back, or room within a limit that was raised, goes to those who wait before anybody
//! who comes, and is found within a tick by asking where nobody does.
//!
//! Who may wait and for how long is said by [`waiting`].

pub mod lines;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use crate::concurrency::ConcurrencyPlace;
use crate::concurrency::waiting::{self, ASK};
use crate::error::{Error, Kind, Result};
use crate::policy::Priority;
use crate::protocol::http::Presence;
use crate::snapshot::ConcurrencyLimit;
use crate::timer::Alarm;

/// Takes a place at once, where there is one and nobody who came before waits for it.
pub fn enter(worker: &Worker, limit: &ConcurrencyLimit, priority: Priority) -> Option<ConcurrencyPlace> {
    worker.lines.let_in(&limit.state);
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
) -> Result<ConcurrencyPlace> {
    let shed = |why| {
        limit.state.counts().shed(worker.index, priority as usize);
        Error::new(Kind::Shed, why)
    };
    if worker.lines.len(address(limit), priority) >= room(limit, priority) {
        return Err(shed("above the adaptive limit of its service"));
    }
    let longest = longest.min(waiting::longest(limit.state.unloaded(), priority));
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
    let in_all = limit.state.limit().unwrap_or(limit.rule.initial);
    waiting::room(in_all, limit.state.counts().workers(), priority)
}

fn address(limit: &ConcurrencyLimit) -> usize {
    Arc::as_ptr(&limit.state).addr()
}
