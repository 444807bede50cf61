//! What recovery does to the ways of exchanges, as workers see it: which of them go to another service, and which are answered without a backend.

use std::sync::Arc;
use std::time::Duration;

use super::{Cut, Service, Way};
use crate::clock::Moment;
use crate::endpoint::standing;
use crate::recover::plan::Destination;

/// What happens to the exchanges with one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Course {
    /// The service, by its place in the snapshot, that does a part of the work, and the part in thousandths.
    away: Option<(usize, u32)>,
    /// What is cut off.
    cuts: Arc<[Cut]>,
}

impl Course {
    /// The service that does the work of an exchange instead, by its place in the snapshot; `None` = it stays at home. `random` gives a
    /// number below 1000.
    pub fn away(&self, random: impl FnOnce() -> u32) -> Option<usize> {
        let (service, share) = self.away?;
        (share >= standing::WHOLE || random() < share).then_some(service)
    }

    /// The part of the work that another service does, in thousandths.
    pub fn share(&self) -> u32 {
        self.away.map_or(0, |(_, share)| share)
    }

    /// Whether anything is cut off.
    pub fn has_cuts(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// Whether a part of the work goes to the service at this place.
    pub fn leads_to(&self, service: usize) -> bool {
        self.away.is_some_and(|(away, _)| away == service)
    }

    /// How long requests of this path are still cut off at `now`; `None` = they are not.
    pub fn cut_off(&self, path: &str, now: Moment) -> Option<Duration> {
        let cuts = self.cuts.iter().filter(|cut| path.starts_with(&*cut.path));
        cuts.map(|cut| cut.until.since(now)).max().filter(|left| !left.is_zero())
    }
}

/// The courses of these services; none at all where recovery does nothing to any of them.
pub(super) fn courses(services: &[Arc<Service>]) -> Vec<Course> {
    let courses: Vec<_> =
        services.iter().map(|service| Course { away: away(service, services), cuts: service.detour.cuts() }).collect();
    let is_any = courses.iter().any(|course| *course != Course::default());
    if is_any { courses } else { Vec::new() }
}

/// The other service that does a part of this one's work. `None` where that has no backend that can be used: the work stays at home then,
/// whoever is there. Where nobody is at home, all of it goes away. The other one's own detour is not followed.
fn away(service: &Service, services: &[Arc<Service>]) -> Option<(usize, u32)> {
    let Way { to: Destination::Service(to), share } = service.detour.way()? else { return None };
    let other = services.iter().find(|other| other.name == to && other.index != service.index)?;
    let share = if service.has_usable_backend() { share } else { standing::WHOLE };
    (share > 0 && other.has_usable_backend()).then_some((other.index, share))
}
