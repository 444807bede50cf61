//! What algorithms in the shadow would have picked, in a sample of the first attempts.

use super::{Criteria, Worker};
use crate::balance::{Cursor, Pick, Tried};
use crate::snapshot::{Diverted, Service, is_sampled};

/// Has each algorithm in the shadow of the service pick for an exchange for which `first` was picked, if the exchange belongs to the sample. It
/// is not inlined: nearly no service has a shadow.
#[cold]
pub(super) fn sample(
    worker: &Worker,
    service: &Service,
    criteria: &Criteria<'_>,
    first: usize,
    random: &mut fastrand::Rng,
) {
    let Some(shadow) = service.shadow.as_ref().filter(|_| criteria.tried.is_empty() && is_sampled(random)) else {
        return;
    };
    // while a failover sends a part of the work elsewhere, or zones divide it, it is not the algorithm that decides who gets it
    if service.available.zones.is_some() || matches!(service.available.diverted, Diverted::Part { share: 1.., .. }) {
        return;
    }
    let mut cursors = worker.shadow_cursors.borrow_mut();
    shadow.sample(&service.available.shadows, first, worker.index, |number, balancer| {
        let cursor = cursors.entry((service.index, number)).or_insert_with(|| Cursor::new(worker.index));
        let tried = Tried::default();
        service.pick_by(balancer, Pick { cursor, tried, random, now: criteria.now, key: criteria.keys.hash })
    });
}
