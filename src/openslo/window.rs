//! The window of an SLO: rolling, or a unit of the calendar.

use std::time::Duration;

use jiff::civil::{DateTime, Time, Weekday};
use serde_json::{Value, json};

use super::bounds;
use super::duration::{self, Shorthand};
use super::node::{Node, Remarks};
use crate::sla::{Unit, Window};

/// The window of a promise that does not say one.
pub const DEFAULT: Window = Window::Rolling(Duration::from_secs(30 * 86_400));

/// The units of the calendar in OpenSLO's shorthand.
const UNITS: [(&str, Unit); 5] =
    [("1d", Unit::Day), ("1w", Unit::Week), ("1M", Unit::Month), ("1Q", Unit::Quarter), ("1Y", Unit::Year)];

/// Where units of the calendar are counted from: a Monday that begins a year, so it begins all of them.
const BEGIN: &str = "2024-01-01 00:00:00";

/// As the one item of `timeWindow`.
pub fn write(window: Window) -> Value {
    match window {
        Window::Rolling(time) => json!({ "duration": Shorthand::of(time).to_string(), "isRolling": true }),
        Window::Calendar(unit) => {
            let name = UNITS.iter().find(|(_, one)| *one == unit).map_or("1M", |(name, _)| name);
            // the schema wants a zone of two parts, which `UTC` is not
            let calendar = json!({ "startTime": BEGIN, "timeZone": "Etc/UTC" });
            json!({ "duration": name, "isRolling": false, "calendar": calendar })
        }
    }
}

/// The length of a rolling window that the shorthand can't say.
pub fn inexact(window: Window) -> Option<Duration> {
    let Window::Rolling(time) = window else { return None };
    (Shorthand::of(time).length() != time).then_some(time)
}

/// The window of the SLO of which this is the `spec`.
pub fn read(spec: &Node<'_>, remarks: &mut Remarks) -> Window {
    let Some(list) = spec.get("timeWindow") else {
        remarks.say(spec, "no timeWindow: 30 days, rolling, are taken");
        return DEFAULT;
    };
    let items = list.items(remarks);
    let Some(item) = items.first() else {
        remarks.say(&list, "the timeWindow is empty: 30 days, rolling, are taken");
        return DEFAULT;
    };
    if let Some(more) = items.get(1) {
        remarks.say(more, "only the first timeWindow is taken");
    }
    item.known(&["duration", "isRolling", "calendar"], remarks);
    let Some(text) = item.required_text("duration", remarks) else { return DEFAULT };
    let Some(shorthand) = Shorthand::parse(text) else {
        remarks.refuse(&item.field("duration"), format!("`{text}` is no duration such as 28d, 4w or 1M"));
        return DEFAULT;
    };
    match item.get("calendar") {
        Some(calendar) if !item.flag("isRolling", remarks).unwrap_or(false) => {
            let window = by_calendar(item, shorthand, remarks);
            begin(&calendar, window, remarks);
            window
        }
        calendar => {
            if calendar.is_some() {
                remarks.say(item, "a rolling window has no calendar: it is not used");
            } else if item.flag("isRolling", remarks) != Some(true) {
                remarks.say(item, "neither isRolling nor a calendar: it is taken as rolling");
            }
            rolling(item, shorthand, remarks)
        }
    }
}

fn rolling(item: &Node<'_>, shorthand: Shorthand, remarks: &mut Remarks) -> Window {
    let length = bounds::window(shorthand.length());
    let written = duration::written(length);
    if length != shorthand.length() {
        remarks.say(item, format!("{shorthand}, rolling, is taken as {written}: a window is from 1h to 1825d long"));
    } else if !shorthand.is_exact() {
        remarks.say(item, format!("{shorthand}, rolling, is taken as {written}"));
    }
    Window::Rolling(length)
}

fn by_calendar(item: &Node<'_>, shorthand: Shorthand, remarks: &mut Remarks) -> Window {
    let text = shorthand.to_string();
    if let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == text) {
        return Window::Calendar(*unit);
    }
    if text == "1m" {
        remarks.say(item, "a calendar of one minute (m) makes no sense: a month (M) is taken");
        return Window::Calendar(Unit::Month);
    }
    let window = rolling(item, shorthand, remarks);
    remarks.say(
        item,
        format!("the calendar has windows of one day, week, month, quarter or year: {text} is taken as rolling"),
    );
    window
}

/// Says where the calendar's unit does not begin as ours do.
fn begin(calendar: &Node<'_>, window: Window, remarks: &mut Remarks) {
    calendar.known(&["startTime", "timeZone"], remarks);
    let (start, zone) = (calendar.required_text("startTime", remarks), calendar.required_text("timeZone", remarks));
    if let Some(zone) = zone.filter(|zone| !["UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu"].contains(zone)) {
        remarks.say(&calendar.field("timeZone"), format!("windows of the calendar are in UTC, not in {zone}"));
    }
    let Some(start) = start else { return };
    let Ok(start) = start.replace(' ', "T").parse::<DateTime>() else {
        remarks.refuse(&calendar.field("startTime"), format!("`{start}` is no time such as 2026-01-01 00:00:00"));
        return;
    };
    let Window::Calendar(unit) = window else { return };
    let is_first = match unit {
        Unit::Day => true,
        Unit::Week => start.weekday() == Weekday::Monday,
        Unit::Month => start.day() == 1,
        Unit::Quarter => start.day() == 1 && start.month() % 3 == 1,
        Unit::Year => start.day_of_year() == 1,
    };
    if !is_first || start.time() != Time::midnight() {
        let text =
            format!("a {} of the calendar begins at midnight on its first day, a week's being Monday", unit.as_str());
        remarks.say(&calendar.field("startTime"), text);
    }
}
