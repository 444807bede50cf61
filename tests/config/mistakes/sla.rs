//! Mistakes in `[service.NAME.sla]`, and what good ones become.

use std::time::Duration;

use evenkeel::sla::{Planned, Promise, Tier, Unit, Window};

use crate::support::{GOOD, bad, good, only_mistake, told};

fn sla(rest: &str) -> String {
    format!("{GOOD}\n[service.app.sla]\n{rest}\n")
}

fn promise(rest: &str) -> Promise {
    good(&sla(rest)).config.services[0].sla.clone().unwrap().promise
}

#[test]
fn an_empty_section_promises_what_most_promise() {
    let promise = promise("");
    assert_eq!((promise.tier, promise.target), (Some(Tier::Standard), 0.999));
    assert_eq!([promise.rto, promise.rpo, promise.mttr], [60, 1, 300].map(Duration::from_secs));
    assert_eq!(promise.window, Window::Rolling(Duration::from_secs(30 * 86_400)));
    assert_eq!((promise.latency, promise.floor, promise.protect), (None, 0.95, false));
    assert!(good(GOOD).config.services[0].sla.is_none(), "nothing is promised without the section");
}

#[test]
fn a_target_has_a_name_or_stands_for_itself() {
    assert_eq!(promise("tier = 'mission'").target, 0.999_999);
    let own = promise("target = 0.9995");
    assert_eq!((own.tier, own.target), (None, 0.9995));
    assert_eq!(promise("calendar = 'quarter'").window, Window::Calendar(Unit::Quarter));
}

#[test]
fn maintenance_is_from_and_to_or_every() {
    let loaded = good(&sla(
        "maintenance = [{ from = '2026-12-01T02:00:00Z', to = '2026-12-01T04:00:00+01:00' }, { every = 'Sun 02:00-04:00 Europe/Berlin' }]",
    ));
    let planned = &loaded.config.services[0].sla.as_ref().unwrap().maintenance;
    assert!(matches!(planned[0], Planned::Once { from, to } if to.since(from) == 3_600_000), "{planned:?}");
    assert!(matches!(&planned[1], Planned::Every(every) if every.to_string() == "Sun 02:00-04:00 Europe/Berlin"));
}

#[test]
fn each_mistake_is_told_in_its_place() {
    for (rest, told) in [
        ("tier = 'gold'", "service.app.sla.tier: `tier` can't be \"gold\""),
        ("tier = 'basic'\ntarget = 0.9", "service.app.sla.target: `target` beside tier = \"basic\""),
        ("target = 1.0", "service.app.sla.target: a target of 1 can't be promised"),
        ("target = 0", "service.app.sla.target: a target of 0 can't be promised"),
        ("target = 99.9", "service.app.sla.target: `target` is out of range"),
        ("rpo = '50ms'", "service.app.sla.rpo: `rpo` is too short"),
        ("rto = '0s'", "service.app.sla.rto: `rto` can't be 0"),
        ("window = '10m'", "service.app.sla.window: `window` is out of range"),
        ("window = '7d'\ncalendar = 'month'", "service.app.sla.window: `window` beside `calendar`"),
        ("floor = 1.5", "service.app.sla.floor: `floor` is out of range"),
        ("maintenance = [{}]", "service.app.sla.maintenance[0]: it is not clear when this maintenance is"),
        (
            "maintenance = [{ from = '2026-12-01T02:00:00Z' }]",
            "service.app.sla.maintenance[0]: it is not clear when this maintenance is",
        ),
        (
            "maintenance = [{ from = 'tomorrow', to = '2026-12-01T02:00:00Z' }]",
            "service.app.sla.maintenance[0].from: `tomorrow` is no time",
        ),
        (
            "maintenance = [{ from = '2026-12-01T02:00:00Z', to = '2026-12-01T02:00:00Z' }]",
            "service.app.sla.maintenance[0].to: the maintenance ends before it begins",
        ),
    ] {
        assert_eq!(only_mistake(&sla(rest)), told, "{rest}");
    }
    let every = only_mistake(&sla("maintenance = [{ every = 'Sun 02:00-04:00 Europe/Berln' }]"));
    assert!(every.contains("maintenance[0].every") && every.contains("Europe/Berlin"), "{every}");
}

#[test]
fn a_floor_that_is_no_lower_than_the_target_is_warned_of() {
    let loaded = good(&sla("target = 0.9"));
    let warnings = told(&loaded.warnings);
    assert!(warnings.iter().any(|told| told.contains("`floor` is not below the target, 0.9")), "{warnings:?}");
}

#[test]
fn what_is_meant_by_a_number_of_percent_or_without_a_unit_is_told_as_it_was_meant() {
    let advice = |text: String| {
        let diagnostics = bad(&text);
        let only = diagnostics.iter().next().unwrap();
        (only.suggestion.clone().unwrap_or_default(), only.help.clone().unwrap_or_default())
    };
    for (rest, meant) in [("target = 99.9", "0.999"), ("target = 99.99", "0.9999"), ("floor = 95", "0.95")] {
        assert_eq!(advice(sla(rest)).0, meant, "{rest}");
    }
    // what is about how fast an answer comes, or would be far from what is usual, is of milliseconds
    let health = |rest: &str| format!("{GOOD}\n[service.app.health]\n{rest}\n");
    for (text, meant, other) in [
        (sla("latency = 500"), "\"500ms\"", "\"500s\""),
        (health("interval = 2000"), "\"2000ms\"", "\"2000s\""),
        (sla("rto = 300"), "\"300s\"", "\"300ms\""),
    ] {
        let (suggested, help) = advice(text);
        assert_eq!(suggested, meant);
        assert!(help.contains(other), "{help}");
    }
    assert_eq!(advice(health("interval = 5")).0, "\"5s\"");
}

#[test]
fn a_window_whose_budget_is_gone_before_an_alert_comes_is_warned_of() {
    let warnings = |rest: &str| told(&good(&sla(rest)).warnings);
    for (rest, key, alerts, times) in [
        (
            "window = '1h'",
            "window",
            "the page over 1h, the page over 6h, the ticket over 1d, the ticket over 3d",
            "14.4, 36, 72, 72",
        ),
        ("calendar = 'day'", "calendar", "the page over 6h, the ticket over 1d, the ticket over 3d", "1.5, 3, 3"),
        ("window = '2d'", "window", "the ticket over 1d, the ticket over 3d", "1.5, 1.5"),
    ] {
        let warnings = warnings(rest);
        let place = format!("service.app.sla.{key}: the window is too short for some alerts: {alerts}");
        assert!(warnings.iter().any(|told| told.contains(&place)), "{rest}: {warnings:?}");
        let loaded = good(&sla(rest));
        let help =
            format!("they come when the budget of the window is spent {times} times: `budget_spent` is told before");
        assert!(loaded.warnings.iter().any(|warning| warning.help.as_ref() == Some(&help)), "{rest}");
    }
    for rest in ["", "window = '7d'", "window = '4d'", "calendar = 'week'", "calendar = 'month'", "calendar = 'year'"] {
        assert!(warnings(rest).iter().all(|told| !told.contains("too short")), "{rest}: {:?}", warnings(rest));
    }
}
