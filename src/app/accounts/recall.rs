//! What the accounts find in the ledger when the process starts, and what they make of the time since then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;

use super::service::ServiceAccount;
use super::{ENDED, REPLACED, STOPPED};
use crate::clock::{Moment, Stamp};
use crate::ledger::{Batch, Gap, GapReason, Ledger, Level, Maintenance, Span, unknown};
use crate::sla::account::Watched;
use crate::sla::{Incident, Tally, Window};

/// Burn rates over up to two hours need the minutes, longer ones the hours of three days.
const MINUTES: i64 = 2 * 3_600_000;
const HOURS: i64 = 3 * 86_400_000;
/// How long the process that is replaced may take to write what it has.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(3);
/// An incident that was under way so many milliseconds ago may still be.
const STILL_UNDER_WAY: i64 = 60_000;

/// What the ledger knows of the time before.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    /// The time up to which it was accounted; `None` = there is no time before.
    until: Option<Stamp>,
    /// The process that kept it was told to stop.
    was_stopped: bool,
    open: Vec<Incident>,
    pub last_incident: i64,
    pub maintenance: Vec<Maintenance>,
    services: Vec<Arc<str>>,
    /// What there was in the minutes and hours of late, by their end.
    lately: HashMap<Arc<str>, Vec<(Stamp, Tally)>>,
}

impl Recalled {
    /// Reads it. Blocks. A ledger that can't be read has told so: the accounts begin anew then.
    ///
    /// `takes_over`: a process that was replaced writes what it has left first, which is waited for.
    pub fn read(ledger: &Ledger, takes_over: bool) -> Self {
        ledger.begin();
        let until = Instant::now() + HANDED_OVER_WITHIN;
        while takes_over && Instant::now() < until && !is_handed_over(ledger) {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self::try_read(ledger, Stamp::now()).unwrap_or_else(|why| {
            tracing::debug!("nothing is recalled from the ledger: {why}");
            Self::unknown()
        })
    }

    /// Of a ledger that can't be read: the numbers of incidents go on above those that may be in it.
    pub fn unknown() -> Self {
        Self { last_incident: Stamp::now().as_millis() / 1000, ..Self::default() }
    }

    fn try_read(ledger: &Ledger, at: Stamp) -> Result<Self, String> {
        let reader = ledger.read()?;
        let middle = at.plus(-MINUTES).floor(Level::Hour.millis());
        let mut lately: HashMap<Arc<str>, Vec<(Stamp, Tally)>> = HashMap::new();
        for (from, to, level) in [(at.plus(-HOURS), middle, Level::Hour), (middle, at, Level::Minute)] {
            for (service, rows) in reader.recent(from, level)? {
                let ends = rows.into_iter().map(|(start, tally)| (start.plus(level.millis()), tally));
                lately.entry(service).or_default().extend(ends.filter(|(end, _)| level == Level::Minute || *end <= to));
            }
        }
        let until = reader.until()?;
        Ok(Self {
            until,
            was_stopped: reader.kept(ENDED.0)?.get(ENDED.1).is_some_and(|how| how == STOPPED),
            open: reader.open_incidents()?.into_iter().map(|stored| stored.incident).collect(),
            last_incident: reader.last_incident_id()?,
            // also what was over before we began
            maintenance: reader.maintenance(until.unwrap_or(at))?,
            services: reader.services()?.into_iter().map(|(name, _)| name).collect(),
            lately,
        })
    }

    /// Goes on where the process before ended: the time since then is unknown, unless another process has served until now.
    pub(super) fn restore(
        self,
        services: &mut AHashMap<Arc<str>, ServiceAccount>,
        batch: &mut Batch,
        (now, at): (Moment, Stamp),
        takes_over: bool,
    ) {
        for (name, rows) in &self.lately {
            let Some(account) = services.get_mut(name) else { continue };
            rows.iter().for_each(|(end, tally)| account.burn.add((*end).min(at), tally));
        }
        let until = self.until.unwrap_or(at);
        for account in services.values_mut() {
            account.account.start(now, at, takes_over);
        }
        for incident in self.open {
            let account = services.get_mut(&incident.service);
            match account.filter(|_| takes_over || at.since(until) <= STILL_UNDER_WAY) {
                Some(account) => {
                    if !incident.is_within_rto() {
                        account.rto_told = Some(incident.id);
                    }
                    account.account.resume(incident, until, now, at);
                }
                None => batch.incidents.push(Incident { ended: Some(until), is_cut: true, ..incident }),
            }
        }
        if until >= at {
            return;
        }
        for name in &self.services {
            if let Some(account) = services.get_mut(name) {
                account.plan(&self.maintenance);
                account.enter_gap(until, at, takes_over, batch);
            }
        }
        if !takes_over {
            let why = if self.was_stopped { GapReason::Stopped } else { GapReason::Crashed };
            batch.gaps.push(Gap { from: until, to: at, why });
        }
    }
}

impl ServiceAccount {
    /// Enters the time from `from` to `to`, in which this process did not watch. Where another one did (`was_watched`), the service stood as the
    /// other one saw it last.
    fn enter_gap(&mut self, from: Stamp, to: Stamp, was_watched: bool, batch: &mut Batch) {
        let is_down = self.account.incident().is_some();
        for (start, end, is_planned) in self.account.planned(from, to) {
            if was_watched {
                let watched = match (is_planned, is_down) {
                    (true, _) => Watched::Planned,
                    (false, true) => Watched::Down,
                    (false, false) => Watched::Up,
                };
                if watched == Watched::Down {
                    self.account.was_down(end.since(start));
                }
                let tallies = watched.tallies(start, end.since(start)).into_iter();
                batch.tallies.extend(tallies.map(|(second, tally)| (Arc::clone(&self.name), second, tally)));
                continue;
            }
            let spans = unknown(&self.name, start, end).into_iter();
            batch.spans.extend(spans.map(|span| if is_planned { as_planned(span) } else { span }));
        }
    }
}

/// The same time, but planned.
fn as_planned(span: Span) -> Span {
    let tally = Tally { planned: span.tally.unknown, unknown: 0, ..span.tally };
    Span { tally, ..span }
}

/// Whether the process that is replaced has written what it had.
fn is_handed_over(ledger: &Ledger) -> bool {
    let kept = ledger.read().and_then(|reader| reader.kept(ENDED.0));
    kept.is_ok_and(|kept| kept.get(ENDED.1).is_some_and(|how| how == REPLACED))
}

/// What the windows of these services hold at `at`. Blocks.
pub(super) fn windows(
    ledger: &Ledger,
    services: &[(Arc<str>, Window)],
    at: Stamp,
) -> Result<Vec<(Arc<str>, Tally)>, String> {
    let reader = ledger.read()?;
    let mut read: HashMap<(Stamp, Stamp), HashMap<Arc<str>, Tally>> = HashMap::new();
    let mut windows = Vec::with_capacity(services.len());
    for (service, window) in services {
        let (from, to) = window.bounds(at);
        let all = match read.entry((from, to)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(reader.tallies(from, to)?),
        };
        windows.push((Arc::clone(service), all.get(service).copied().unwrap_or_default()));
    }
    Ok(windows)
}
