//! The incident under way: how it begins, how it ends, and how it outlives the process.

use std::sync::Arc;
use std::time::Duration;

use super::outage::{Outage, Reason, State};
use super::under_way::{Open, Up};
use super::{Account, Booked, Change, Look, SLACK, Watched, millis};
use crate::clock::{Moment, Stamp};
use crate::sla::{Cause, CauseKind, Incident};

/// An incident is over when the service has been up for so long: what flaps is one incident.
const HOLD: Duration = Duration::from_secs(10);

/// How an incident stood when the process before ended.
#[derive(Debug, Clone, Copy)]
pub struct Left {
    /// The moment up to which that process has accounted.
    pub until: Stamp,
    /// Since when the service was up again then; `None` = it was down.
    pub up_since: Option<Stamp>,
    /// How many milliseconds have passed since `until`, by a clock that nobody sets where there is one.
    pub away: i64,
    /// Whether somebody has watched since: a process that was replaced has done so until now.
    pub was_watched: bool,
}

impl Account {
    /// Since when the service is up again, while the incident is not over yet: who goes on with it has to know.
    pub fn up_again(&self) -> Option<Stamp> {
        self.incident.as_ref().and_then(|open| open.up.as_ref()).map(|up| up.at)
    }

    /// Goes on with an incident that was under way when the process before ended. Where the service was down then, and turns out to be up, that is
    /// where it ended, as far as anybody knows.
    pub fn resume(&mut self, incident: Incident, left: Left, now: Moment) {
        let up_at = left.up_since.filter(|up| *up >= incident.began);
        // what its length does not hold: the time since it was up again, and the time since the process before ended
        let since = left.until.since(up_at.unwrap_or(left.until)).max(0) + left.away;
        let before = |ms: i64| Moment::from_millis(now.as_millis().saturating_sub(ms.unsigned_abs()));
        let began = before(incident.lasted_ms + since);
        let up = (!left.was_watched || up_at.is_some()).then(|| Up {
            // the time for which it has to be up begins now where nobody has watched
            since: if left.was_watched { before(since) } else { now },
            at: up_at.unwrap_or(left.until),
            lasted_ms: incident.lasted_ms,
            good: 0,
        });
        if up.is_none() {
            let reason = Reason::NoBackend;
            self.state = State::Down(Outage { reason, since: began, found: now, was_usable: false });
            (self.unseen, self.taken_for) = (Watched::Down, Watched::Down);
        }
        let is_cut = up.is_some() && (up_at.is_none() || incident.is_cut);
        self.incident = Some(Open { incident: Incident { is_cut, ..incident }, began, planned_ms: 0, up });
    }

    /// So many more milliseconds of the incident that was resumed were `watched` as this before this process looked.
    pub fn was(&mut self, watched: Watched, ms: i64) {
        let Some(open) = &mut self.incident else { return };
        match watched {
            Watched::Down => open.incident.down_ms += ms,
            Watched::Planned => open.planned_ms += ms,
            Watched::Up | Watched::Unknown => {}
        }
    }

    /// The service is not accounted any more: the incident under way is over, as far as is known.
    pub fn close(&mut self, at: Stamp) -> Option<Incident> {
        let Open { incident, up, .. } = self.incident.take()?;
        Some(match up {
            Some(up) => Incident { ended: Some(up.at), ..incident },
            None => Incident { ended: Some(at), is_cut: true, ..incident },
        })
    }

    /// Begins an incident, ends it, or brings its figures up to date.
    pub(super) fn keep_incident(&mut self, look: &Look, next: &mut i64, booked: &mut Booked) {
        if let State::Down(outage) = self.state
            && !self.is_planned
            && self.incident.is_none()
        {
            let incident = self.begin_incident(outage, look, *next);
            *next = next.saturating_add(1);
            booked.changes.push(Change::Began(incident));
        }
        let Some(open) = &mut self.incident else { return };
        let Some(up) = &mut open.up else {
            open.incident.lasted_ms = open.lasted(look.now);
            return;
        };
        open.incident.lasted_ms = up.lasted_ms;
        if look.is_usable.is_none() && open.incident.is_cut {
            // what was resumed is over when the service was seen up for a while, and nobody has looked yet
            up.since = look.now;
        }
        if look.now.since(up.since) >= HOLD {
            let mut incident = Incident { ended: Some(up.at), ..open.incident.clone() };
            incident.good = (incident.good - up.good).max(0);
            // when two things happen in the same turn, either may be stamped first
            let last = up.at.plus(SLACK);
            incident.actions.retain(|action| action.at <= last);
            self.incident = None;
            self.settled = look.now;
            booked.changes.push(Change::Ended(incident));
        }
    }

    fn begin_incident(&mut self, outage: Outage, look: &Look, id: i64) -> Incident {
        // what is down at the end of maintenance is an incident from then on
        let began = outage.since.max(self.planned_until);
        let (good, lost) = self.judge.since(began.max(self.settled));
        let lost = lost + self.judge.bad_just_before(began, self.settled);
        let incident = Incident {
            id,
            service: Arc::clone(&self.service),
            began: self.past.stamp_of(began).unwrap_or(look.at),
            detected: look.at,
            ended: None,
            is_cut: false,
            lasted_ms: millis(look.now.since(began)),
            down_ms: self.past.ms_since(began, Watched::Down),
            rto_ms: millis(self.promise.rto),
            cause: Cause { kind: CauseKind::Unknown, text: outage.reason.to_string() },
            backends: Vec::new(),
            actions: Vec::new(),
            lost,
            good,
        };
        self.incident = Some(Open { incident: incident.clone(), began, planned_ms: 0, up: None });
        incident
    }
}
