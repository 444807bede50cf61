//! `[service.NAME.sla]`

use super::{Checker, all};
use crate::clock::{Stamp, parse_rfc3339};
use crate::config::model::Sla;
use crate::config::raw;
use crate::config::tree::KeyPath;
use crate::sla::burn::{PAIRS, Pair};
use crate::sla::maintenance::{Planned, Recurring};
use crate::sla::{LONGEST_WINDOW, Promise, SHORTEST_RPO, SHORTEST_WINDOW, Tier, Unit, Window};

impl Checker<'_> {
    pub(super) fn sla(&mut self, at: &KeyPath, raw: &raw::Sla) -> Option<Sla> {
        let target = self.target(at, raw);
        if raw.rpo.0 < SHORTEST_RPO {
            let mistake = self.mistake(&at.key("rpo"), "`rpo` is too short");
            self.report(
                mistake.expected("a time of at least 100ms").help("the history is written to the disk that often"),
            );
        }
        let window = self.window(at, raw);
        self.alerts(at, raw, window);
        if let Some(target) = target
            && raw.floor >= target
        {
            let mistake = self.mistake(&at.key("floor"), format!("`floor` is not below the target, {target}"));
            self.report(mistake.warning().help("a service that just misses its target counts as down all the time"));
        }
        let maintenance = self.maintenance(&at.key("maintenance"), &raw.maintenance);
        let promise = Promise {
            tier: raw.tier.map(tier).or_else(|| raw.target.is_none().then_some(Tier::Standard)),
            target: target?,
            rto: raw.rto.0,
            rpo: raw.rpo.0,
            mttr: raw.mttr.0,
            mtbf: raw.mtbf.0,
            window,
            latency: raw.latency.map(|latency| latency.0),
            floor: raw.floor,
            protect: raw.protect,
        };
        Some(Sla { promise, maintenance: maintenance? })
    }

    /// The share that is promised. Without a word about it that is what most promise.
    fn target(&mut self, at: &KeyPath, raw: &raw::Sla) -> Option<f64> {
        match (raw.tier, raw.target) {
            (Some(tier), Some(_)) => {
                let named = tier.as_str();
                let mistake = self.key_mistake(&at.key("target"), format!("`target` beside tier = \"{named}\""));
                self.report(mistake.expected("one of the two").help("a tier is a target with a name"));
                None
            }
            (_, Some(target)) if target <= 0.0 || target >= 1.0 => {
                let mistake = self.mistake(&at.key("target"), format!("a target of {target} can't be promised"));
                self.report(
                    mistake
                        .expected("a share above 0 and below 1, such as 0.9995")
                        .help("1 leaves no room for any failure at all"),
                );
                None
            }
            (_, Some(target)) => Some(target),
            (named, None) => Some(named.map_or(Tier::Standard, tier).target()),
        }
    }

    fn window(&mut self, at: &KeyPath, raw: &raw::Sla) -> Window {
        let Some(unit) = raw.calendar else {
            if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&raw.window.0) {
                let mistake = self.mistake(&at.key("window"), "`window` is out of range");
                self.report(mistake.expected("a time from 1h to 1825d, for so long is history kept"));
            }
            return Window::Rolling(raw.window.0);
        };
        if self.present(&at.key("window")) {
            let mistake = self.key_mistake(&at.key("window"), "`window` beside `calendar`");
            self.report(
                mistake.expected("one of the two").help("the window is the time up to now, or a unit of the calendar"),
            );
        }
        Window::Calendar(calendar_unit(unit))
    }

    /// Warns of a window that is so short that alerts come after its budget is gone: their burn rates and windows are made for 30 days.
    fn alerts(&mut self, at: &KeyPath, raw: &raw::Sla, window: Window) {
        let (key, millis) = match window {
            Window::Rolling(length) => ("window", i64::try_from(length.as_millis()).unwrap_or(i64::MAX)),
            Window::Calendar(_) => ("calendar", window.length_ms(Stamp::now())),
        };
        let late = || PAIRS.iter().filter(|pair| pair.budget_share(millis) >= 1.0);
        if late().count() == 0 || (raw.calendar.is_none() && raw.window.0 < SHORTEST_WINDOW) {
            return;
        }
        let alert = |pair: &Pair| format!("the {} over {}", pair.severity.as_str(), pair.long.as_str());
        let all: Vec<String> = late().map(alert).collect();
        let times = late().map(|pair| format!("{}", (pair.budget_share(millis) * 10.0).round() / 10.0));
        let help = format!(
            "they come when the budget of the window is spent {} times: `budget_spent` is told before",
            times.collect::<Vec<_>>().join(", ")
        );
        let mistake =
            self.mistake(&at.key(key), format!("the window is too short for some alerts: {}", all.join(", ")));
        self.report(mistake.warning().help(help));
    }

    fn maintenance(&mut self, at: &KeyPath, raw: &[raw::Maintenance]) -> Option<Vec<Planned>> {
        all(raw.iter().enumerate().map(|(index, planned)| self.planned(&at.index(index), planned)).collect())
    }

    fn planned(&mut self, at: &KeyPath, raw: &raw::Maintenance) -> Option<Planned> {
        let has = |key| self.present(&at.key(key));
        match (has("every"), has("from"), has("to")) {
            (true, false, false) => Recurring::parse(raw.every.as_deref()?).ok().map(Planned::Every),
            (false, true, true) => {
                let [from, to] =
                    [&raw.from, &raw.to].map(|text| text.as_deref().and_then(parse_rfc3339).map(Stamp::from));
                let (from, to) = (from?, to?);
                if from >= to {
                    let mistake = self.mistake(&at.key("to"), "the maintenance ends before it begins");
                    self.report(mistake.expected("a time after `from`"));
                    return None;
                }
                Some(Planned::Once { from, to })
            }
            _ => {
                let mistake = self.mistake(at, "it is not clear when this maintenance is");
                self.report(
                    mistake
                        .expected("`from` and `to`, or `every` alone")
                        .help("every = \"Sun 02:00-04:00 Europe/Berlin\""),
                );
                None
            }
        }
    }
}

fn tier(raw: raw::Tier) -> Tier {
    match raw {
        raw::Tier::Basic => Tier::Basic,
        raw::Tier::Standard => Tier::Standard,
        raw::Tier::Enhanced => Tier::Enhanced,
        raw::Tier::Premium => Tier::Premium,
        raw::Tier::Mission => Tier::Mission,
    }
}

fn calendar_unit(raw: raw::CalendarUnit) -> Unit {
    match raw {
        raw::CalendarUnit::Day => Unit::Day,
        raw::CalendarUnit::Week => Unit::Week,
        raw::CalendarUnit::Month => Unit::Month,
        raw::CalendarUnit::Quarter => Unit::Quarter,
        raw::CalendarUnit::Year => Unit::Year,
    }
}
