//! The account of one running service: what it reads, what it tells, and what it shows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, counter, gauge};

use crate::clock::{Moment, Stamp};
use crate::endpoint::Endpoint;
use crate::endpoint::standing::{Health, Shown};
use crate::event::{Events, Kind, PromiseChange, Subject};
use crate::health::faults::Faults;
use crate::ledger::Maintenance;
use crate::metrics::{PromisedRequests, names};
use crate::report::standings::Standing;
use crate::sla::account::{Account, Booked, Change, Look};
use crate::sla::budget::Budget;
use crate::sla::burn::{Burn, Lookback, Severity};
use crate::sla::maintenance::Planned;
use crate::sla::{CauseKind, Incident, Tally};
use crate::snapshot::{Promised, Service};

use super::cause;
use super::counted::{EndedAccount, since_before};

/// So much of what was done of late is kept.
const RECENT: usize = 20;

/// So many milliseconds after it was found an incident is explained at the latest.
const EXPLAINED_WITHIN: i64 = 30_000;

/// After so long, backends that nobody has checked and services without backends are taken for what they are.
const SETTLED: Duration = Duration::from_secs(30);

/// The account of a service, with what belongs to it while the process runs.
pub(super) struct ServiceAccount {
    pub name: Arc<str>,
    pub account: Account,
    pub burn: Burn,
    /// The planned times.
    windows: Vec<Planned>,
    /// What was done of late: an incident may have begun before it was found.
    recent: VecDeque<(Stamp, String)>,
    /// What goes into the ledger next, by second.
    tallies: Vec<(Stamp, Tally)>,
    requests: Arc<PromisedRequests>,
    /// The requests that were counted by the look before.
    seen: [u64; 4],
    /// The incident that was told to have lasted too long.
    pub rto_told: Option<i64>,
    is_budget_spent: bool,
    /// When it was looked at first.
    began: Option<Moment>,
    /// Something is known of its backends.
    is_settled: bool,
    /// When a backend was last taken away.
    pub removed: Stamp,
    /// What the ledger has of when the service was up again, while its incident is not over yet.
    kept_up_again: Option<Stamp>,
    pub is_protected: bool,
    gauges: Gauges,
}

/// What the metrics show of it.
struct Gauges {
    target: Gauge,
    by_time: Gauge,
    by_requests: Gauge,
    budget_left: Gauge,
    is_down: Gauge,
    rates: Vec<(Lookback, Gauge)>,
}

/// What a look works with, beside the service.
#[derive(Clone, Copy)]
pub(super) struct LookSources<'a> {
    pub events: &'a Events,
    pub faults: &'a Faults,
    /// When the configuration was changed last.
    pub reloaded: Stamp,
    /// The maintenance of this service that was started by hand.
    pub by_hand: Option<&'a Maintenance>,
}

impl ServiceAccount {
    /// Begins with the next look.
    ///
    /// All requests that were counted so far are new to it, unless it goes on where an account of the same service has ended (`before`).
    pub fn new(
        name: &Arc<str>,
        promised: &Promised,
        by_hand: Option<&Maintenance>,
        before: Option<&EndedAccount>,
    ) -> Self {
        let promise = promised.promise.clone();
        let maintenance = planned(promised, by_hand);
        let target = promise.target;
        let mut account = Account::new(Arc::clone(name), promise, maintenance.clone());
        let rto_told = before.and_then(|before| before.resume(&mut account, Moment::now(), Stamp::now()));
        Self {
            name: Arc::clone(name),
            burn: Burn::new(target),
            account,
            windows: maintenance,
            recent: VecDeque::new(),
            tallies: Vec::new(),
            requests: Arc::clone(&promised.requests),
            seen: before.and_then(|before| before.seen_of(&promised.requests)).unwrap_or_default(),
            rto_told,
            is_budget_spent: false,
            began: None,
            is_settled: false,
            removed: Stamp::default(),
            kept_up_again: None,
            is_protected: false,
            gauges: Gauges::of(name),
        }
    }

    /// Adds maintenance that was started by hand in the time before this process.
    pub fn plan(&mut self, announced: &[Maintenance]) {
        let own = announced.iter().filter(|announced| announced.service == self.name);
        let mut windows = self.windows.clone();
        windows.extend(own.map(|announced| Planned::Once { from: announced.from, to: announced.to }));
        self.account.set(self.account.promise().clone(), windows);
    }

    /// What has to be known where the service is promised something again.
    pub fn end(self, cut: Option<Incident>) -> EndedAccount {
        EndedAccount { requests: self.requests, seen: self.seen, cut }
    }

    /// Takes on what is promised now.
    pub fn update(&mut self, promised: &Promised, by_hand: Option<&Maintenance>) {
        self.burn.set_target(promised.promise.target);
        self.windows = planned(promised, by_hand);
        self.account.set(promised.promise.clone(), self.windows.clone());
        if !Arc::ptr_eq(&self.requests, &promised.requests) {
            self.requests = Arc::clone(&promised.requests);
            self.seen = [0; 4];
        }
    }

    /// Looks at the service, tells what has happened, and gives it back.
    pub fn look(
        &mut self,
        service: &Service,
        now: Moment,
        at: Stamp,
        next: &mut i64,
        sources: &LookSources<'_>,
    ) -> Vec<Change> {
        let requests = self.read();
        let look = Look { now, at, is_usable: self.is_usable(service, &requests, now), requests };
        let mut booked = self.account.look(&look, next);
        self.explain(service, at, sources, &mut booked);
        if let Some(Change::Began(incident)) = booked.changes.iter().find(|change| matches!(change, Change::Began(_))) {
            self.note_recent(incident.began);
        }
        for change in &booked.changes {
            self.tell(change, at, sources);
        }
        self.tell_rto(sources.events);
        self.enter(booked.tallies, at);
        booked.changes
    }

    /// Something was done to the service or its backends.
    pub fn acted(&mut self, at: Stamp, text: String) {
        if self.account.incident().is_some() {
            return self.account.acted(at, text);
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((at, text));
    }

    /// Notes in an incident that was found just now what was done since it began.
    fn note_recent(&mut self, began: Stamp) {
        for (at, text) in std::mem::take(&mut self.recent) {
            if at >= began {
                self.account.acted(at, text);
            }
        }
    }

    /// Counts requests only.
    pub fn count_only(&mut self, now: Moment, at: Stamp) {
        let look = Look { now, at, is_usable: None, requests: self.read() };
        let booked = self.account.count_only(&look);
        self.enter(booked.tallies, at);
    }

    /// What has come together for the ledger.
    pub fn take_tallies(&mut self) -> impl Iterator<Item = (Arc<str>, Stamp, Tally)> + use<> {
        let name = Arc::clone(&self.name);
        std::mem::take(&mut self.tallies).into_iter().map(move |(second, tally)| (Arc::clone(&name), second, tally))
    }

    /// Adds to what goes into the ledger next: looks are many, seconds are few.
    fn enter(&mut self, tallies: Vec<(Stamp, Tally)>, at: Stamp) {
        for (second, tally) in tallies {
            self.burn.add(second.plus(1000).min(at), &tally);
            match self.tallies.iter_mut().rev().find(|(known, _)| *known == second) {
                Some((_, known)) => *known += tally,
                None => self.tallies.push((second, tally)),
            }
        }
    }

    /// Tells of alerts that begin or end; to be called about once a second.
    pub fn tell_alerts(&mut self, at: Stamp, events: &Events) {
        for change in self.burn.alerts(at) {
            if change.is_raised {
                let labels =
                    [("service", self.name.to_string()), ("severity", change.alert.severity.as_str().to_owned())];
                counter!(names::BUDGET_ALERTS.name, &labels).increment(1);
            }
            events.tell(Subject::service(&self.name), Kind::Promise(PromiseChange::Alert(change)));
        }
    }

    /// Shows what its window holds in the metrics, and tells when more of the budget is spent than there was.
    pub fn show_window(&mut self, window: &Tally, at: Stamp, events: &Events) {
        let promise = self.account.promise();
        let budget = Budget::of(promise.target, promise.window.length_ms(at), window);
        let (by_time, by_requests) = (window.by_time(), window.by_requests());
        let left = budget.left();
        self.gauges.by_time.set(by_time.unwrap_or(f64::NAN));
        self.gauges.by_requests.set(by_requests.unwrap_or(f64::NAN));
        self.gauges.budget_left.set(left.unwrap_or(f64::NAN));
        let is_spent = left.is_some_and(|left| left < 0.0);
        if let Some(left) = left.filter(|_| is_spent && !self.is_budget_spent) {
            let target = promise.target;
            let spent = PromiseChange::BudgetSpent { left, by_time, by_requests, target };
            events.tell(Subject::service(&self.name), Kind::Promise(spent));
        }
        self.is_budget_spent = is_spent;
    }

    /// How it stands, for the admin address. The metrics are brought up to date on the way.
    pub fn standing(&mut self, at: Stamp) -> Standing {
        let rates: Vec<_> = Lookback::ALL.into_iter().map(|window| (window, self.burn.rate(window, at))).collect();
        for ((_, rate), (_, gauge)) in rates.iter().zip(&self.gauges.rates) {
            gauge.set(rate.worst().unwrap_or(0.0));
        }
        self.gauges.target.set(self.account.promise().target);
        self.gauges.is_down.set(f64::from(u8::from(self.account.is_down() && !self.account.is_planned())));
        Standing {
            promise: self.account.promise().clone(),
            is_down: self.account.is_down(),
            maintenance: self.account.maintenance_until(at),
            incident: self.account.incident().cloned(),
            rates,
            alerts: self.burn.active().copied().collect(),
            is_protected: self.is_protected,
            window: None,
        }
    }

    /// Whether a backend can be used; `None` = nobody knows so far. What backends are taken for until they are checked is neither uptime nor an
    /// outage: nobody has looked.
    fn is_usable(&mut self, service: &Service, requests: &Tally, now: Moment) -> Option<bool> {
        if !self.is_settled {
            let began = *self.began.get_or_insert(now);
            let is_late = now.since(began) >= SETTLED && !is_in_doubt(service);
            let is_shown = requests.good > 0 && service.has_usable_backend();
            self.is_settled = is_late || is_shown || is_known(service);
        }
        self.is_settled.then(|| service.has_usable_backend())
    }

    /// The requests since the look before.
    fn read(&mut self) -> Tally {
        since_before(&self.requests, &mut self.seen)
    }

    /// Since when the service is up again, where that has changed and its incident is not over yet: a process that goes on with it has to know.
    pub fn changed_up_again(&mut self) -> Option<Option<Stamp>> {
        let up_again = self.account.up_again();
        (std::mem::replace(&mut self.kept_up_again, up_again) != up_again).then_some(up_again)
    }

    /// Says why the incident under way has begun, unless that is known already.
    /// What comes much later is no cause.
    fn explain(&mut self, service: &Service, at: Stamp, sources: &LookSources<'_>, booked: &mut Booked) {
        let is_unexplained = |incident: &Incident| {
            incident.cause.kind == CauseKind::Unknown && at.since(incident.detected) < EXPLAINED_WITHIN
        };
        if !self.account.incident().is_some_and(is_unexplained) {
            return;
        }
        let Some(incident) = self.account.incident() else { return };
        let reloaded = sources.reloaded.max(self.removed);
        let (cause, backends) = cause::find(service, sources.faults, reloaded, incident.began);
        let cause = cause.unwrap_or_else(|| incident.cause.clone());
        let backends = if backends.is_empty() { incident.backends.clone() } else { backends };
        self.account.explain(cause.clone(), backends.clone());
        for change in &mut booked.changes {
            if let Change::Began(began) = change {
                (began.cause, began.backends) = (cause.clone(), backends.clone());
            }
        }
    }

    fn tell(&mut self, change: &Change, at: Stamp, sources: &LookSources<'_>) {
        let told = match change {
            Change::Began(incident) => {
                let labels = [("service", self.name.to_string()), ("cause", incident.cause.kind.as_str().to_owned())];
                counter!(names::INCIDENTS.name, &labels).increment(1);
                PromiseChange::IncidentBegan(incident.clone())
            }
            Change::Ended(incident) => PromiseChange::IncidentEnded(incident.clone()),
            Change::MaintenanceBegan(until) => {
                let by_hand = sources.by_hand.filter(|running| running.from <= at && at < running.to);
                let (reason, who) = match by_hand {
                    Some(running) => (running.reason.clone(), running.who.clone()),
                    None => (String::new(), "configuration".to_owned()),
                };
                PromiseChange::MaintenanceBegan { until: *until, reason, who }
            }
            Change::MaintenanceEnded => PromiseChange::MaintenanceEnded,
        };
        sources.events.tell(Subject::service(&self.name), Kind::Promise(told));
    }

    /// Tells once of an incident that lasts longer than was promised.
    fn tell_rto(&mut self, events: &Events) {
        let late = self.account.incident().filter(|incident| !incident.is_within_rto() && !incident.is_cut);
        if let Some(incident) = late
            && self.rto_told.replace(incident.id) != Some(incident.id)
        {
            let told = PromiseChange::RtoExceeded(incident.clone());
            events.tell(Subject::service(&self.name), Kind::Promise(told));
        }
    }
}

/// Whether it is known that a backend of the service can be used, or that none can: there are no checks to wait for, checks have shown that one is
/// well, or that all are down that nobody has taken out.
fn is_known(service: &Service) -> bool {
    if service.health.is_none() {
        return !service.endpoints.is_empty();
    }
    let shows = |endpoint: &Arc<Endpoint>, health| {
        let standing = &endpoint.live.standing;
        standing.shown() == Shown::Health && standing.health() == health
    };
    let is_out = |endpoint: &Arc<Endpoint>| shows(endpoint, Health::Down) || endpoint.live.standing.is_taken_out();
    let mut all = service.endpoints.iter();
    all.clone().any(|endpoint| shows(endpoint, Health::Up)) || !service.endpoints.is_empty() && all.all(is_out)
}

/// Whether checks of a backend fail, and too few have so far to say that it is down.
fn is_in_doubt(service: &Service) -> bool {
    service.endpoints.iter().any(|endpoint| endpoint.live.standing.shown() == Shown::Doubt)
}

/// The planned times of a service: those of the configuration, and the one that was started by hand.
fn planned(promised: &Promised, by_hand: Option<&Maintenance>) -> Vec<Planned> {
    let by_hand = by_hand.map(|running| Planned::Once { from: running.from, to: running.to });
    promised.maintenance.iter().cloned().chain(by_hand).collect()
}

impl Gauges {
    fn of(service: &Arc<str>) -> Self {
        let label = || ("service", service.to_string());
        let rate = |window: Lookback| {
            (window, gauge!(names::BURN_RATE.name, &[label(), ("window", window.as_str().to_owned())]))
        };
        // all are there from the start, so that the first one is an increase
        for severity in Severity::ALL {
            counter!(names::BUDGET_ALERTS.name, &[label(), ("severity", severity.as_str().to_owned())]).increment(0);
        }
        for cause in CauseKind::ALL {
            counter!(names::INCIDENTS.name, &[label(), ("cause", cause.as_str().to_owned())]).increment(0);
        }
        let gauges = Self {
            target: gauge!(names::SLA_TARGET.name, &[label()]),
            by_time: gauge!(names::AVAILABILITY.name, &[label()]),
            by_requests: gauge!(names::SUCCESS.name, &[label()]),
            budget_left: gauge!(names::BUDGET_LEFT.name, &[label()]),
            is_down: gauge!(names::SERVICE_DOWN.name, &[label()]),
            rates: Lookback::ALL.into_iter().map(rate).collect(),
        };
        // nothing is known until the ledger was read
        for unknown in [&gauges.by_time, &gauges.by_requests, &gauges.budget_left] {
            unknown.set(f64::NAN);
        }
        gauges
    }
}
