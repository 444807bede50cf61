//! Sends the work elsewhere (to the backups, to another service, to one zone), and back again when those that failed have been well for a while.
//!
//! The work comes home by a share that begins at 5 % and doubles each second. When those at home fail again meanwhile, all of it goes away once
//! more, and they have to be well for twice as long, up to ten times, so that the work does not go to and fro.

use std::time::Duration;

use super::{Case, Hold, LOW, Progress, Proof, Release, Strategy};
use crate::clock::Moment;
use crate::recover::order::Order;
use crate::recover::plan::Destination;
use crate::recover::scene::{BackendScene, Measure, Scene};

/// The share of the work that goes home first, in thousandths.
const FIRST: u32 = 50;
/// All of it.
const ALL: u32 = 1000;
/// The time between two rises of the share.
const RISES_EVERY: Duration = Duration::from_secs(1);
/// How many times longer than configured those at home have to be well, at most, after they have failed again.
const MOST: u32 = 10;

/// See the module.
pub(super) struct Failover<'a> {
    pub(super) to: &'a Destination,
    pub(super) back_after: Duration,
}

impl Failover<'_> {
    /// Whether the backend is one of those that the work is sent to.
    fn is_destination(&self, backend: &BackendScene) -> bool {
        match self.to {
            Destination::Backups => backend.backup,
            Destination::Zone(zone) => backend.zone == *zone,
            Destination::Service(_) => false,
        }
    }

    fn destination_is_usable(&self, scene: &Scene) -> bool {
        match self.to {
            Destination::Service(name) => scene.usable_services.contains(name),
            _ => scene.backends.iter().any(|backend| backend.usable && self.is_destination(backend)),
        }
    }

    /// The backends that do the work when all is well, but for those that somebody has taken out.
    fn home<'s>(&self, scene: &'s Scene) -> impl Iterator<Item = &'s BackendScene> {
        scene.backends.iter().filter(|backend| !backend.taken_out && !self.is_destination(backend))
    }

    /// Whether most backends at home have been well for so long since that moment.
    fn home_is_well(&self, scene: &Scene, case: &Case<'_>, since: Moment, time: Duration) -> bool {
        let is_well =
            |backend: &&BackendScene| backend.well_since.is_some_and(|well| case.now.since(well.max(since)) >= time);
        2 * self.home(scene).filter(is_well).count() > self.home(scene).count()
    }

    /// Where the work goes, in words.
    fn place(&self) -> String {
        match self.to {
            Destination::Backups => "no backup".into(),
            Destination::Service(name) => format!("no backend of {name}"),
            Destination::Zone(zone) => format!("no backend in zone {zone}"),
        }
    }
}

impl Strategy for Failover<'_> {
    fn precondition(&self, case: &Case<'_>, scene: &Scene) -> Result<(), String> {
        if !self.destination_is_usable(scene) {
            return Err(format!("{} can be used", self.place()));
        }
        if case.backend.is_none() {
            return Ok(());
        }
        let all = self.home(scene).count();
        let unwell = self.home(scene).filter(|backend| !backend.usable || backend.trouble.is_some()).count();
        if 2 * unwell > all {
            return Ok(());
        }
        Err(format!("{} of the {all} backends that would lose their work are well", all - unwell))
    }

    fn act(&self, case: &Case<'_>) -> Vec<Order> {
        vec![Order::FailOver { attempt: case.attempt, to: self.to.clone() }]
    }

    fn undo(&self, case: &Case<'_>) -> Vec<Order> {
        vec![Order::FailBack { attempt: case.attempt, share_thousandths: ALL }]
    }

    /// Those who failed may stay as they are: the work has to be done well.
    fn progress(&self, case: &Case<'_>, scene: &Scene, requests: &Measure) -> Progress {
        let is_done_elsewhere = self.destination_is_usable(scene) && requests.failed_share() <= LOW;
        let is_over = case.backend.is_none() && scene.trouble.is_none();
        if is_over || is_done_elsewhere { Progress::Well(None) } else { Progress::NotYet }
    }

    /// Where no primary can be used, backups do the work without a failover.
    fn is_vain(&self, case: &Case<'_>, scene: &Scene) -> bool {
        let nobody_is_home = !self.home(scene).any(|backend| backend.usable);
        let goes_anyway = *self.to == Destination::Backups && nobody_is_home;
        goes_anyway || self.progress(case, scene, &scene.measure) != Progress::NotYet
    }

    fn proof(&self, _: &Case<'_>, _: &Scene) -> Proof {
        Proof::OfService
    }

    fn estimate(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn stays_in_force(&self) -> bool {
        true
    }

    fn is_withdrawn(&self) -> bool {
        true
    }

    fn release(&self, case: &Case<'_>, hold: &mut Hold, scene: &Scene) -> Release {
        let attempt = case.attempt;
        if hold.share == 0 {
            let time = self.back_after * (1 << hold.relapses.min(MOST)).min(MOST);
            if !self.home_is_well(scene, case, hold.since, time) {
                return Release::Keep;
            }
            *hold = Hold { share: FIRST, raised: case.now, was_in_trouble: scene.trouble.is_some(), ..*hold };
            return Release::Change(vec![Order::FailBack { attempt, share_thousandths: FIRST }]);
        }
        let is_new_trouble = scene.trouble.is_some() && !hold.was_in_trouble;
        if is_new_trouble || !self.home_is_well(scene, case, case.acted, Duration::ZERO) {
            *hold = Hold { share: 0, since: case.now, relapses: hold.relapses.saturating_add(1), ..*hold };
            return Release::Change(self.act(case));
        }
        if case.now.since(hold.raised) < RISES_EVERY {
            return Release::Keep;
        }
        hold.share = ALL.min(2 * hold.share);
        hold.raised = case.now;
        let orders = vec![Order::FailBack { attempt, share_thousandths: hold.share }];
        if hold.share == ALL { Release::Over(orders) } else { Release::Change(orders) }
    }
}
