//! The windows of maintenance in a report: those that were started by hand, and those that the configuration plans, each with its rule.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::model::MaintenanceWindow;
use super::phrase;
use crate::clock::{Stamp, parse_rfc3339};
use crate::ledger::{Level, Reader};
use crate::sla::maintenance::{Planned, Recurring};

/// The room in the ledger where the windows of the configuration are kept, by service: who has only the file learns there what was planned.
pub const WINDOWS: &str = "maintenance";

/// Who announces what the configuration plans.
pub const CONFIGURATION: &str = "configuration";

/// So many windows of one rule are named each; of more the first and the last.
const NAMED: usize = 31;

/// A window as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    Every { every: String },
    Once { from: String, to: String },
}

/// The windows of a service as the ledger keeps them; `None` = there are none.
pub fn written(windows: &[Planned]) -> Option<String> {
    let kept = |window: &Planned| match window {
        Planned::Every(recurring) => Kept::Every { every: recurring.to_string() },
        Planned::Once { from, to } => Kept::Once { from: from.to_string(), to: to.to_string() },
    };
    let kept: Vec<_> = windows.iter().map(kept).collect();
    if kept.is_empty() { None } else { serde_json::to_string(&kept).ok() }
}

/// The windows of all services that the ledger keeps. What this version can't read is left out.
pub(super) fn kept(reader: &Reader) -> Result<BTreeMap<String, Vec<Planned>>, String> {
    let stamp = |text: &str| parse_rfc3339(text).map(Stamp::from);
    let planned = |kept| match kept {
        Kept::Every { every } => Recurring::parse(&every).ok().map(Planned::Every),
        Kept::Once { from, to } => Some(Planned::Once { from: stamp(&from)?, to: stamp(&to)? }),
    };
    let read = |(name, text): (String, String)| {
        let kept: Vec<Kept> = serde_json::from_str(&text).ok()?;
        Some((name, kept.into_iter().filter_map(planned).collect()))
    };
    Ok(reader.kept(WINDOWS)?.into_iter().filter_map(read).collect())
}

/// The windows of the configuration that lie in the period up to `now`, in order. The rules are those of today, so of the past only those are
/// taken in which the ledger has planned time of the service.
///
/// # Errors
///
/// What can't be read; for people.
pub(super) fn configured(
    reader: &Reader,
    service: &str,
    rules: &[Planned],
    period: &Range<Stamp>,
    now: Stamp,
) -> Result<Vec<MaintenanceWindow>, String> {
    let (from, to) = (period.start, period.end.min(now));
    if rules.is_empty() || from >= to {
        return Ok(Vec::new());
    }
    let hours = reader.series(service, from, to, Level::Hour)?;
    let days = reader.series(service, from, to, Level::Day)?;
    let was_planned = |time: &Range<Stamp>| {
        let touches = |start: Stamp, level: Level| start < time.end && start.plus(level.millis()) > time.start;
        let mut in_hours = hours.iter().filter(|(start, _)| touches(*start, Level::Hour)).peekable();
        match in_hours.peek() {
            Some(_) => in_hours.any(|(_, tally)| tally.planned > 0),
            // the hours of that time are not kept any more
            None => days.iter().any(|(start, tally)| touches(*start, Level::Day) && tally.planned > 0),
        }
    };
    let mut windows: Vec<_> = rules
        .iter()
        .flat_map(|rule| rule.occurrences(from, to).into_iter().map(move |time| (rule, time)))
        .filter(|(_, time)| was_planned(time))
        .map(|(rule, time)| MaintenanceWindow {
            service: service.to_owned(),
            time,
            rule: Some(rule.to_string()),
            reason: String::new(),
            who: CONFIGURATION.to_owned(),
        })
        .collect();
    windows.sort_by_key(|window| window.time.start);
    Ok(windows)
}

/// What the configuration planned, in sentences: one for each rule, with its windows.
pub(super) fn sentences(windows: &[MaintenanceWindow]) -> Vec<String> {
    let mut rules: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for window in windows {
        let Some(rule) = window.rule.as_deref() else { continue };
        let (from, to) = (phrase::moment(window.time.start), phrase::moment(window.time.end));
        let time = format!("{from} to {to}");
        match rules.iter_mut().find(|(service, known, _)| *service == window.service && *known == rule) {
            Some((.., times)) => times.push(time),
            None => rules.push((&window.service, rule, vec![time])),
        }
    }
    rules.into_iter().map(|(service, rule, times)| sentence(service, rule, &times)).collect()
}

fn sentence(service: &str, rule: &str, times: &[String]) -> String {
    let often = match times.len() {
        1 => "once".to_owned(),
        many => format!("{} times", phrase::count(many as i64)),
    };
    let each = match times {
        [first, .., last] if times.len() > NAMED => format!("the first {first}, the last {last}"),
        few => few.join("; "),
    };
    format!("{service}: {rule}, {often} (UTC): {each}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(service: &str, rule: Option<&str>, day: i64) -> MaintenanceWindow {
        let start = Stamp::from_millis(1_793_491_200_000 + day * 86_400_000);
        MaintenanceWindow {
            service: service.to_owned(),
            time: start..start.plus(7_200_000),
            rule: rule.map(str::to_owned),
            reason: String::new(),
            who: CONFIGURATION.to_owned(),
        }
    }

    #[test]
    fn the_windows_of_a_rule_are_told_together() {
        let all = [
            window("api", Some("Sun 00:00-02:00"), 0),
            window("api", None, 3),
            window("web", Some("Sun 00:00-02:00"), 0),
            window("api", Some("Sun 00:00-02:00"), 7),
        ];
        let told = [
            "api: Sun 00:00-02:00, 2 times (UTC): 2026-11-01 00:00:00 to 2026-11-01 02:00:00; 2026-11-08 00:00:00 to 2026-11-08 02:00:00",
            "web: Sun 00:00-02:00, once (UTC): 2026-11-01 00:00:00 to 2026-11-01 02:00:00",
        ];
        assert_eq!(sentences(&all), told);
        let daily: Vec<_> = (0..365).map(|day| window("api", Some("daily 00:00-02:00"), day)).collect();
        let told = "api: daily 00:00-02:00, 365 times (UTC): the first 2026-11-01 00:00:00 to 2026-11-01 02:00:00, the last \
                    2027-10-31 00:00:00 to 2027-10-31 02:00:00";
        assert_eq!(sentences(&daily), [told]);
    }

    #[test]
    fn what_is_kept_of_windows_is_read_as_it_was() {
        let once = Planned::Once { from: Stamp::from_millis(1000), to: Stamp::from_millis(5000) };
        let windows = vec![Planned::Every(Recurring::parse("Sun 02:00-04:00 Europe/Berlin").unwrap()), once];
        let text = written(&windows).unwrap();
        let kept = "[{\"every\":\"Sun 02:00-04:00 Europe/Berlin\"},{\"from\":\"1970-01-01T00:00:01.000Z\",\
                    \"to\":\"1970-01-01T00:00:05.000Z\"}]";
        assert_eq!((text.as_str(), written(&[])), (kept, None));
    }
}
