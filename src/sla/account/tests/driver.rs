//! Drives an account as the process does: a look every 100 ms, and one at each change of the backends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Moment, Stamp, parse_rfc3339};
use crate::sla::account::{Account, Change, Left, Look, Watched};
use crate::sla::{Incident, Planned, Promise, Recurring, Tally, Window};

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;

/// Something that happens in a history.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A backend can be used from now on, or none.
    Usable(bool),
    /// From now on, so many requests a second end well, fail, and are slow.
    Requests([i64; 3]),
    /// So many requests end well, fail, are slow, and don't count, at once.
    Burst([i64; 4]),
    /// The wall's clock is set forward by so many milliseconds, or back.
    Clock(i64),
    /// There is no look for so many milliseconds.
    Stall(i64),
    /// Nobody knows from now on whether a backend can be used.
    Nobody,
    /// The process is killed right after a look, and another one begins so many milliseconds later.
    Restart(i64),
    /// The process is replaced by another one.
    Upgrade,
}

/// An account, its clocks, and what came out of it.
pub struct Driver {
    pub account: Account,
    /// The number of the next incident.
    pub next: i64,
    /// What was written, by second.
    pub rows: BTreeMap<Stamp, Tally>,
    pub changes: Vec<Change>,
    /// All requests that were handed on.
    pub seen: Tally,
    /// Milliseconds between looks.
    pub pace: i64,
    begun: Stamp,
    elapsed: i64,
    /// By how much the wall's clock was set.
    set_by: i64,
    is_usable: Option<bool>,
    rate: [i64; 3],
    /// Thousandths of requests that have come since the rate was set, and requests that were handed on of these.
    since_rate: i64,
    handed_on: [i64; 3],
    requests: Tally,
    stalled_until: i64,
    /// The process is gone, and since when.
    gone_since: Option<i64>,
    windows: Vec<Planned>,
    ended: Vec<Incident>,
}

pub fn promise() -> Promise {
    Promise {
        tier: None,
        target: 0.999,
        rto: Duration::from_secs(60),
        rpo: Duration::from_secs(1),
        mttr: Duration::from_secs(300),
        mtbf: Duration::from_secs(720 * 3600),
        window: Window::Rolling(Duration::from_secs(30 * 86_400)),
        latency: Some(Duration::from_millis(500)),
        floor: 0.95,
        protect: false,
    }
}

impl Driver {
    /// Of a service with a backend that can be used and no requests, whose clock on the wall shows `begun`.
    pub fn new(begun: &str, maintenance: &[&str]) -> Self {
        let windows: Vec<_> = maintenance.iter().map(|text| Planned::Every(Recurring::parse(text).unwrap())).collect();
        let mut driver = Self {
            account: Account::new(Arc::from("api"), promise(), windows.clone()),
            next: 1,
            rows: BTreeMap::new(),
            changes: Vec::new(),
            seen: Tally::default(),
            pace: 100,
            begun: Stamp::from(parse_rfc3339(begun).unwrap()),
            elapsed: 0,
            set_by: 0,
            is_usable: Some(true),
            rate: [0; 3],
            since_rate: 0,
            handed_on: [0; 3],
            requests: Tally::default(),
            stalled_until: 0,
            gone_since: None,
            windows,
            ended: Vec::new(),
        };
        driver.look();
        driver
    }

    pub fn now(&self) -> Moment {
        Moment::from_millis((1 << 40) + self.elapsed.unsigned_abs())
    }

    pub fn at(&self) -> Stamp {
        self.begun.plus(self.elapsed + self.set_by)
    }

    /// Milliseconds since it began.
    pub fn elapsed(&self) -> i64 {
        self.elapsed
    }

    /// Goes through a history of events, whose times count from now, for so many milliseconds.
    pub fn run(&mut self, history: &[(i64, Event)], ms: i64) {
        let begin = self.elapsed;
        for (at, event) in history {
            self.go_on(begin + at);
            self.happen(*event);
        }
        self.go_on(begin + ms);
    }

    /// The incidents that have ended.
    pub fn incidents(&self) -> &[Incident] {
        &self.ended
    }

    /// All that was written.
    pub fn total(&self) -> Tally {
        self.rows.values().fold(Tally::default(), |mut total, row| {
            total += *row;
            total
        })
    }

    fn go_on(&mut self, until: i64) {
        while self.elapsed < until {
            let next = (self.elapsed / self.pace + 1) * self.pace;
            let ms = next.min(until) - self.elapsed;
            self.elapsed += ms;
            self.since_rate += ms;
            if self.elapsed == next {
                self.look();
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Usable(is_usable) => {
                self.is_usable = Some(is_usable);
                self.look();
            }
            Event::Requests(rate) => {
                self.hand_on();
                (self.rate, self.since_rate, self.handed_on) = (rate, 0, [0; 3]);
            }
            Event::Burst([good, failed, slow, excluded]) => {
                self.requests += Tally { good, failed, slow, excluded, ..Tally::default() };
            }
            Event::Clock(by) => self.set_by += by,
            Event::Stall(ms) => self.stalled_until = self.elapsed + ms,
            Event::Nobody => self.is_usable = None,
            Event::Restart(ms) => {
                self.look();
                if self.gone_since.is_none() && self.elapsed >= self.stalled_until {
                    (self.gone_since, self.stalled_until) = (Some(self.elapsed), self.elapsed + ms);
                }
            }
            Event::Upgrade => {
                self.look();
                if self.gone_since.is_none() && self.elapsed >= self.stalled_until {
                    self.replace(0, true);
                }
            }
        }
    }

    /// Another process goes on with the accounts of the one that ended so many milliseconds ago.
    fn replace(&mut self, away: i64, was_watched: bool) {
        let (now, at) = (self.now(), self.at());
        let (incident, up_since) = (self.account.incident().cloned(), self.account.up_again());
        self.account = Account::new(Arc::from("api"), promise(), self.windows.clone());
        self.account.start(now, at, was_watched);
        let until = at.plus(-away);
        if let Some(incident) = incident {
            self.account.resume(incident, Left { until, up_since, away, was_watched }, now);
        }
        for (from, to, is_planned) in self.account.planned(until, at) {
            let watched = if is_planned { Watched::Planned } else { self.account.unseen() };
            self.account.was(watched, to.since(from));
            self.enter(watched.tallies(from, to.since(from)));
        }
    }

    fn enter(&mut self, tallies: Vec<(Stamp, Tally)>) {
        for (second, tally) in tallies {
            *self.rows.entry(second).or_default() += tally;
        }
    }

    /// Hands on the requests that have ended.
    fn hand_on(&mut self) {
        let ended = self.rate.map(|rate| rate * self.since_rate / 1000);
        let [good, failed, slow] = [0, 1, 2].map(|which| ended[which] - self.handed_on[which]);
        self.handed_on = ended;
        self.requests += Tally { good, failed, slow, ..Tally::default() };
    }

    fn look(&mut self) {
        if self.elapsed < self.stalled_until {
            return;
        }
        self.hand_on();
        let mut requests = std::mem::take(&mut self.requests);
        if let Some(since) = self.gone_since.take() {
            // nobody was served
            requests = Tally::default();
            self.replace(self.elapsed - since, false);
        }
        self.seen += requests;
        let look = Look { now: self.now(), at: self.at(), is_usable: self.is_usable, requests };
        let booked = self.account.look(&look, &mut self.next);
        self.enter(booked.tallies);
        self.ended.extend(booked.changes.iter().filter_map(|change| match change {
            Change::Ended(incident) => Some(incident.clone()),
            _ => None,
        }));
        self.changes.extend(booked.changes);
    }
}
