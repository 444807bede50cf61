//! What the accounts find in the ledger when the process starts, and what they make of the time since then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;

use super::clocks::{BootTime, JUMP};
use super::service::ServiceAccount;
use super::{BOOT_TIME, STILL_UNDER_WAY, UP_AGAIN};
use crate::clock::{Moment, Stamp};
use crate::ledger::{Batch, ENDED, Gap, GapReason, Ledger, Level, Maintenance, REPLACED, Span, Unread, unknown};
use crate::sla::account::{Left, Watched};
use crate::sla::{Incident, Tally, Window};

/// Burn rates over up to two hours need the minutes, longer ones the hours of three days.
const MINUTES: i64 = 2 * 3_600_000;
const HOURS: i64 = 3 * 86_400_000;
/// How long the process that is replaced may take to write what it has.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(3);

/// What the ledger knows of the time before.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    /// The time up to which it was accounted; `None` = there is no time before.
    until: Option<Stamp>,
    /// That time by a clock that nobody sets.
    boot_time: Option<BootTime>,
    /// Since when services were up again whose incidents were not over yet.
    up_again: BTreeMap<String, String>,
    /// Why nobody knows of the time since then; `None` = the ledger could not be read.
    why: Option<GapReason>,
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
                // what lies ahead comes from a time in which the clock was wrong
                let of_late = rows.into_iter().filter(|(start, _)| *start < to);
                lately
                    .entry(service)
                    .or_default()
                    .extend(of_late.map(|(start, tally)| (start.plus(level.millis()), tally)));
            }
        }
        let until = reader.until()?;
        let process = reader.kept(ENDED.0)?;
        Ok(Self {
            until,
            boot_time: process.get(BOOT_TIME.1).and_then(|text| BootTime::parse(text)),
            up_again: reader.kept(UP_AGAIN)?,
            why: Some(GapReason::after(process.get(ENDED.1).map(String::as_str))),
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
        mut self,
        services: &mut AHashMap<Arc<str>, ServiceAccount>,
        batch: &mut Batch,
        now: Now,
        takes_over: bool,
    ) {
        let Now { moment, at, .. } = now;
        for (name, rows) in &self.lately {
            let Some(account) = services.get_mut(name) else { continue };
            rows.iter().for_each(|(end, tally)| account.burn.add((*end).min(at), tally));
        }
        if self.why.is_none() {
            let services = services.keys().cloned().collect();
            batch.unread = Some(Unread { at, services, was_watched: takes_over });
        }
        for account in services.values_mut() {
            account.account.start(moment, at, takes_over);
        }
        let away = self.away(&now);
        for incident in std::mem::take(&mut self.open) {
            let until = self.until.unwrap_or(at);
            let account = services.get_mut(&incident.service);
            let Some(account) = account.filter(|_| takes_over || away <= STILL_UNDER_WAY) else {
                batch.incidents.push(self.over(incident, until));
                continue;
            };
            if !incident.is_within_rto() {
                account.rto_told = Some(incident.id);
            }
            let up_since = self.up_again_of(&incident);
            account.account.resume(incident, Left { until, up_since, away, was_watched: takes_over }, moment);
        }
        if away == 0 {
            return;
        }
        let from = at.plus(-away);
        for name in &self.services {
            if let Some(account) = services.get_mut(name) {
                account.plan(&self.maintenance);
                account.enter_gap(from, at, takes_over, batch);
            }
        }
        if let Some(why) = self.why.filter(|_| !takes_over) {
            batch.gaps.push(Gap { from, to: at, why });
        }
    }

    /// By how many milliseconds the wall's clock was set since the process before ended; `None` = it was not.
    pub fn set_by(&self, now: &Now) -> Option<i64> {
        let set_by = now.at.since(self.until?) - self.away(now);
        (set_by.abs() >= JUMP).then_some(set_by)
    }

    /// How many milliseconds nobody has kept the accounts. The wall's clock may have been set meanwhile, so it is asked only where the machine was
    /// started anew.
    fn away(&self, now: &Now) -> i64 {
        let by_boot_time = now.boot_time.as_ref().zip(self.boot_time.as_ref()).and_then(|(now, then)| now.since(then));
        let by_wall = self.until.map_or(0, |until| now.at.since(until).max(0));
        if self.until.is_some() { by_boot_time.unwrap_or(by_wall) } else { 0 }
    }

    /// Since when the service was up again of whose incident it was not known yet that it is over.
    fn up_again_of(&self, incident: &Incident) -> Option<Stamp> {
        let millis = self.up_again.get(&*incident.service)?.parse().ok()?;
        Some(Stamp::from_millis(millis))
    }

    /// An incident of which nobody knows any more.
    fn over(&self, incident: Incident, until: Stamp) -> Incident {
        let up_again = self.up_again_of(&incident).filter(|up| *up >= incident.began);
        Incident { ended: Some(up_again.unwrap_or(until)), is_cut: incident.is_cut || up_again.is_none(), ..incident }
    }
}

/// A moment by all clocks.
pub(super) struct Now {
    pub moment: Moment,
    pub at: Stamp,
    pub boot_time: Option<BootTime>,
}

impl ServiceAccount {
    /// Enters the time from `from` to `to`, in which this process did not watch. Where another one did (`was_watched`), the service stood as the
    /// other one saw it last.
    fn enter_gap(&mut self, from: Stamp, to: Stamp, was_watched: bool, batch: &mut Batch) {
        for (start, end, is_planned) in self.account.planned(from, to) {
            let watched = if is_planned { Watched::Planned } else { self.account.unseen() };
            self.account.was(watched, end.since(start));
            if was_watched {
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
    ledger.keep_alone();
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Stamp = Stamp::from_millis(1_795_780_800_000);

    /// How long nobody has kept the accounts, in milliseconds, where the process before did until noon.
    fn away(then: &str, now: &str, at: Stamp) -> i64 {
        let recalled = Recalled { until: Some(NOON), boot_time: BootTime::parse(then), ..Recalled::default() };
        recalled.away(&Now { moment: Moment::from_millis(1), at, boot_time: BootTime::parse(now) })
    }

    #[test]
    fn how_long_nobody_has_watched_is_known_whatever_the_clock_on_the_wall_says() {
        for at in [NOON.plus(170), NOON.plus(86_400_000), NOON.plus(-3_600_000)] {
            assert_eq!(away("a 1000", "a 1170", at), 170, "{at}");
        }
    }

    #[test]
    fn where_the_machine_was_started_anew_there_is_only_the_clock_on_the_wall() {
        assert_eq!(away("a 1000", "b 170", NOON.plus(60_000)), 60_000);
        assert_eq!(away("a 1000", "", NOON.plus(60_000)), 60_000);
        assert_eq!(away("a 1000", "b 170", NOON.plus(-60_000)), 0, "it was set back");
    }
}
