//! What one step looks at, and the orders that come of it.

use crate::clock::{Moment, Stamp};
use crate::recover::attempt::Attempt;
use crate::recover::brakes::Counts;
use crate::recover::order::{Notice, Order};
use crate::recover::scene::Scene;

/// One step.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) now: Moment,
    pub(super) at: Stamp,
    pub(super) scene: &'a Scene,
    /// The backends of the scene by number.
    pub(super) counts: Counts,
    pub(super) orders: Vec<Order>,
    /// The id of the next run.
    pub(super) next_run: u64,
}

impl<'a> Turn<'a> {
    /// One in which nothing is run: runs get their ids from [`World::next_run`](super::World::next_run).
    pub(super) fn new(now: Moment, at: Stamp, scene: &'a Scene) -> Self {
        Self { now, at, scene, counts: Counts::of(scene), orders: Vec::new(), next_run: 0 }
    }

    pub(super) fn give(&mut self, orders: Vec<Order>) {
        self.orders.extend(orders);
    }

    /// The record has changed.
    pub(super) fn enter(&mut self, record: &Attempt) {
        self.orders.push(Order::Enter { attempt: Box::new(record.clone()), must_be_kept: false });
    }

    /// The record has to be on the disk before anything else is done for the attempt.
    pub(super) fn enter_first(&mut self, record: &Attempt) {
        self.orders.push(Order::Enter { attempt: Box::new(record.clone()), must_be_kept: true });
    }

    pub(super) fn tell(&mut self, notice: impl Fn(Box<Attempt>) -> Notice, record: &Attempt) {
        self.orders.push(Order::Tell(notice(Box::new(record.clone()))));
    }

    /// The wall's clock at that moment, in milliseconds since 1970.
    pub(super) fn stamp(&self, moment: Moment) -> i64 {
        let ago = i64::try_from(self.now.since(moment).as_millis()).unwrap_or(i64::MAX);
        self.at.plus(-ago).as_millis()
    }
}
