use proptest::prelude::*;

use super::*;
use crate::clock::parse_rfc3339;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// From and to, to the minute, in UTC.
type Row = [&'static str; 2];

/// To the minute, in UTC.
fn at(text: &str) -> Stamp {
    parse_rfc3339(&format!("{}:00Z", text.replace(' ', "T"))).unwrap().into()
}

fn every(text: &str) -> Planned {
    Planned::Every(Recurring::parse(text).unwrap())
}

#[test]
fn windows_lie_where_the_clocks_on_the_walls_say() {
    // the window, the time that is looked at, and what of it is planned, all in UTC
    const TABLE: &[(&str, Row, &[Row])] = &[
        // 2026-11-29 is a Sunday, and Berlin an hour ahead of UTC
        ("Sun 02:00-04:00", ["2026-11-27 00:00", "2026-12-04 00:00"], &[["2026-11-29 02:00", "2026-11-29 04:00"]]),
        (
            "Sun 02:00-04:00 Europe/Berlin",
            ["2026-11-27 00:00", "2026-12-04 00:00"],
            &[["2026-11-29 01:00", "2026-11-29 03:00"]],
        ),
        // in part
        ("Sun 02:00-04:00", ["2026-11-29 02:30", "2026-11-29 03:30"], &[["2026-11-29 02:30", "2026-11-29 03:30"]]),
        ("Sun 02:00-04:00", ["2026-11-29 04:00", "2026-12-06 02:00"], &[]),
        // across midnight, from either side of it
        ("Sat 23:00-02:00", ["2026-11-27 00:00", "2026-12-04 00:00"], &[["2026-11-28 23:00", "2026-11-29 02:00"]]),
        ("Sat 23:00-02:00", ["2026-11-29 01:00", "2026-12-04 00:00"], &[["2026-11-29 01:00", "2026-11-29 02:00"]]),
        // across the end of the month, of the year and a leap day
        ("Mon 22:00-06:00", ["2026-11-30 00:00", "2026-12-02 00:00"], &[["2026-11-30 22:00", "2026-12-01 06:00"]]),
        ("Thu 22:00-06:00", ["2026-12-31 00:00", "2027-01-02 00:00"], &[["2026-12-31 22:00", "2027-01-01 06:00"]]),
        ("Tue 22:00-01:00", ["2028-02-28 12:00", "2028-03-02 00:00"], &[["2028-02-29 22:00", "2028-03-01 01:00"]]),
        ("Mon 22:00-01:00", ["2028-02-28 12:00", "2028-03-02 00:00"], &[["2028-02-28 22:00", "2028-02-29 01:00"]]),
        // until midnight; whole days touch
        ("Fri 22:00-24:00", ["2026-11-27 00:00", "2026-11-29 00:00"], &[["2026-11-27 22:00", "2026-11-28 00:00"]]),
        ("Fri-Mon 00:00-24:00", ["2026-11-26 00:00", "2026-12-03 00:00"], &[["2026-11-27 00:00", "2026-12-01 00:00"]]),
        ("daily 22:30-00:00", ["2026-11-27 00:00", "2026-11-28 12:00"], &[["2026-11-27 22:30", "2026-11-28 00:00"]]),
        // the clocks are put on: two hours instead of three; and back: three instead of two
        (
            "Sun 01:00-04:00 Europe/Berlin",
            ["2027-03-28 00:00", "2027-03-29 00:00"],
            &[["2027-03-28 00:00", "2027-03-28 02:00"]],
        ),
        (
            "Sun 02:00-04:00 Europe/Berlin",
            ["2026-10-25 00:00", "2026-10-26 00:00"],
            &[["2026-10-25 00:00", "2026-10-25 03:00"]],
        ),
        // both ends are left out, or come twice
        (
            "Sun 02:15-02:45 Europe/Berlin",
            ["2027-03-28 00:00", "2027-03-29 00:00"],
            &[["2027-03-28 01:15", "2027-03-28 01:45"]],
        ),
        (
            "Sun 02:15-02:45 Europe/Berlin",
            ["2026-10-25 00:00", "2026-10-26 00:00"],
            &[["2026-10-25 00:15", "2026-10-25 00:45"]],
        ),
        // the begin is left out and the end is not: all of it comes an hour later, as long as ever
        (
            "Sun 02:00-03:00 Europe/Berlin",
            ["2027-03-28 00:00", "2027-03-29 00:00"],
            &[["2027-03-28 01:00", "2027-03-28 02:00"]],
        ),
        (
            "Sun 02:30-03:30 Europe/Berlin",
            ["2027-03-28 00:00", "2027-03-29 00:00"],
            &[["2027-03-28 01:30", "2027-03-28 02:30"]],
        ),
        (
            "Sun 02:45-03:15 Europe/Berlin",
            ["2027-03-28 00:00", "2027-03-29 00:00"],
            &[["2027-03-28 01:45", "2027-03-28 02:15"]],
        ),
        (
            "Sun 02:00-04:00 Europe/Berlin",
            ["2027-03-28 00:00", "2027-03-29 00:00"],
            &[["2027-03-28 01:00", "2027-03-28 03:00"]],
        ),
        // the end is left out and the begin is not
        (
            "Sun 01:30-02:30 Europe/Berlin",
            ["2027-03-28 00:00", "2027-03-29 00:00"],
            &[["2027-03-28 00:30", "2027-03-28 01:30"]],
        ),
        (
            "Sun 01:30-03:30 America/New_York",
            ["2026-03-08 00:00", "2026-03-09 00:00"],
            &[["2026-03-08 06:30", "2026-03-08 07:30"]],
        ),
        (
            "Sun 00:30-02:30 America/New_York",
            ["2026-11-01 00:00", "2026-11-02 00:00"],
            &[["2026-11-01 04:30", "2026-11-01 07:30"]],
        ),
        // by half an hour, in the south
        (
            "Sun 01:00-03:00 Australia/Lord_Howe",
            ["2026-04-04 00:00", "2026-04-05 00:00"],
            &[["2026-04-04 14:00", "2026-04-04 16:30"]],
        ),
        (
            "Sun 01:00-03:00 Australia/Lord_Howe",
            ["2026-10-03 00:00", "2026-10-04 00:00"],
            &[["2026-10-03 14:30", "2026-10-03 16:00"]],
        ),
        // odd offsets: 5:45, 14:00, 13:45 in summer
        (
            "Fri 22:00-23:00 Asia/Kathmandu",
            ["2026-11-27 00:00", "2026-11-28 00:00"],
            &[["2026-11-27 16:15", "2026-11-27 17:15"]],
        ),
        (
            "Mon 00:00-01:00 Pacific/Kiritimati",
            ["2026-11-29 00:00", "2026-11-30 00:00"],
            &[["2026-11-29 10:00", "2026-11-29 11:00"]],
        ),
        (
            "Sun 02:00-03:00 Pacific/Chatham",
            ["2026-11-28 00:00", "2026-11-29 00:00"],
            &[["2026-11-28 12:15", "2026-11-28 13:15"]],
        ),
        // Samoa had no 2011-12-30, a Friday: its windows come a day later, on Saturday, which is 2011-12-30 10:00 to 2011-12-31 10:00 in UTC
        (
            "Fri 12:00-13:00 Pacific/Apia",
            ["2011-12-29 00:00", "2012-01-01 00:00"],
            &[["2011-12-30 22:00", "2011-12-30 23:00"]],
        ),
    ];
    for (window, [from, to], expected) in TABLE {
        let expected: Vec<_> = expected.iter().map(|[begin, end]| (at(begin), at(end))).collect();
        assert_eq!(planned(&[every(window)], at(from), at(to)), expected, "{window:?} from {from} to {to}");
    }
}

#[test]
fn windows_that_overlap_or_touch_are_one() {
    let once = |from, to| Planned::Once { from: at(from), to: at(to) };
    let windows = [
        once("2026-11-29 03:30", "2026-11-29 05:00"),
        every("Sun 02:00-04:00"),
        once("2026-11-29 05:00", "2026-11-29 05:10"),
        once("2026-11-29 05:11", "2026-11-29 05:12"),
        once("2026-11-29 07:00", "2026-11-29 06:00"),
        every("Sat 23:00-02:00"),
    ];
    let parts = planned(&windows, at("2026-11-28 12:00"), at("2026-11-30 00:00"));
    let expected = [["2026-11-28 23:00", "2026-11-29 05:10"], ["2026-11-29 05:11", "2026-11-29 05:12"]];
    assert_eq!(parts, expected.map(|[begin, end]| (at(begin), at(end))));
    assert_eq!(planned(&windows, at("2026-11-29 03:00"), at("2026-11-29 03:00")), [], "no time holds nothing");
}

#[test]
fn days_are_names_lists_and_ranges() {
    let sunday = at("2026-11-29 00:00");
    let days = |text: &str| {
        let parts = planned(&[every(&format!("{text} 01:00-02:00"))], sunday, sunday.plus(7 * DAY));
        parts.iter().map(|(begin, _)| begin.since(sunday) / DAY).collect::<Vec<_>>()
    };
    for (text, expected) in [
        ("Sun", &[0][..]),
        ("sunday", &[0]),
        ("SAT,Sun", &[0, 6]),
        ("Mon-Fri", &[1, 2, 3, 4, 5]),
        ("Fri-Mon", &[0, 1, 5, 6]),
        ("Tue,Thursday-sat", &[2, 4, 5, 6]),
        ("Wed-Wed", &[3]),
        ("Daily", &[0, 1, 2, 3, 4, 5, 6]),
    ] {
        assert_eq!(days(text), expected, "{text}");
    }
}

#[test]
fn a_window_is_shown_as_it_was_written() {
    for text in ["Sun 02:00-04:00 Europe/Berlin", "fri-MON 9:00-24:00", "daily 22:30-00:00 utc"] {
        assert_eq!(Recurring::parse(&format!(" {text}\n")).unwrap().to_string(), text);
    }
}

#[test]
fn what_cannot_be_read_is_told_with_what_would_be_right() {
    for (text, expected) in [
        (
            "",
            "maintenance comes as days, times and a time zone, such as \"Sun 02:00-04:00 Europe/Berlin\"; this is \"\"",
        ),
        ("Sun", "this is \"Sun\""),
        ("Sat, Sun 02:00-04:00 Europe/Berlin", "maintenance comes as days, times and a time zone"),
        ("Snu 02:00-04:00", "\"Snu\" is no day of the week: write \"Mon\" to \"Sun\""),
        ("Sat, 02:00-04:00", "\"\" is no day of the week"),
        ("Mon-Tue-Wed 02:00-04:00", "\"Tue-Wed\" is no day of the week"),
        ("Sun 02:00", "\"02:00\" is no time from begin to end: write it as \"02:00-04:00\""),
        ("Sun 02:60-04:00", "\"02:60\" is no time of the day: write it as \"02:00\""),
        ("Sun 2-4", "\"2\" is no time of the day"),
        ("Sun 02:00-24:01", "\"24:01\" is no time of the day"),
        ("Sun 02:+1-04:00", "\"02:+1\" is no time of the day"),
        ("Sun 02:00-02:00", "\"02:00-02:00\" takes no time: write \"00:00-24:00\" for a whole day"),
        ("Sun 24:00-02:00", "\"24:00-02:00\" begins at 24:00: write 00:00 and the day after"),
        (
            "Sun 02:00-04:00 Europe/Belrin",
            "\"Europe/Belrin\" is no time zone of the IANA's database; did you mean \"Europe/Berlin\"?",
        ),
        (
            "Sun 02:00-04:00 Middle-earth/Shire",
            "is no time zone of the IANA's database; write one such as \"Europe/Berlin\"",
        ),
    ] {
        let told = Recurring::parse(text).unwrap_err();
        assert!(told.contains(expected), "{text:?}: {told}");
    }
}

#[test]
fn a_calendar_says_until_when_its_answer_holds() {
    let mut calendar = Calendar::new(vec![every("Sun 02:00-04:00")]);
    assert_eq!(calendar.at(at("2026-11-28 12:00")), (false, at("2026-11-29 02:00")));
    assert_eq!(calendar.at(at("2026-11-29 02:00")), (true, at("2026-11-29 04:00")));
    assert_eq!(calendar.at(at("2026-11-29 03:59")), (true, at("2026-11-29 04:00")));
    let (is_planned, until) = calendar.at(at("2026-11-29 04:00"));
    assert!(!is_planned && until > at("2026-11-29 04:00"));
}

/// Windows of all kinds in a year with both changes of the clocks.
fn windows() -> impl Strategy<Value = Vec<Planned>> {
    let day = prop::sample::select(vec!["Mon", "Tue-Thu", "Fri-Mon", "Sat,Sun", "daily"]);
    let zone = prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Chatham",
    ]);
    let recurring =
        (day, 0..24, 0..60, 0..24, 0..60, zone).prop_filter_map("it takes time", |(day, h, m, h2, m2, zone)| {
            Recurring::parse(&format!("{day} {h:02}:{m:02}-{h2:02}:{m2:02} {zone}")).ok().map(Planned::Every)
        });
    let once = (moments(), 1..3 * DAY).prop_map(|(from, length)| Planned::Once { from, to: from.plus(length) });
    prop::collection::vec(prop_oneof![recurring, once], 0..5)
}

fn moments() -> impl Strategy<Value = Stamp> {
    (0..365 * DAY).prop_map(|millis| at("2026-01-01 00:00").plus(millis))
}

proptest! {
    #[test]
    fn what_is_planned_in_two_parts_is_what_is_planned_in_the_whole(
        windows in windows(), from in moments(), first in 0..20 * DAY, second in 0..20 * DAY,
    ) {
        let (middle, to) = (from.plus(first), from.plus(first + second));
        let (mut parts, rest) = (planned(&windows, from, middle), planned(&windows, middle, to));
        match (parts.last_mut(), rest.first()) {
            (Some(last), Some(next)) if last.1 == next.0 => {
                last.1 = next.1;
                parts.extend(&rest[1..]);
            }
            _ => parts.extend(&rest),
        }
        let whole = planned(&windows, from, to);
        prop_assert_eq!(&parts, &whole);
        prop_assert!(whole.iter().all(|(begin, end)| from <= *begin && begin < end && *end <= to));
        prop_assert!(whole.windows(2).all(|pair| pair[0].1 < pair[1].0), "in order, apart from each other");
    }

    #[test]
    fn a_calendar_agrees_with_what_is_planned_also_when_the_clock_goes_back(
        windows in windows(), begin in moments(), steps in prop::collection::vec(-3 * HOUR..9 * HOUR, 1..40),
    ) {
        let mut calendar = Calendar::new(windows.clone());
        let mut now = begin;
        for step in steps {
            now = now.plus(step);
            let (is_planned, until) = calendar.at(now);
            prop_assert!(until > now);
            let parts = planned(&windows, now, until);
            prop_assert_eq!(parts, if is_planned { vec![(now, until)] } else { vec![] });
        }
    }
}

#[test]
fn the_window_under_way_and_the_next_one_are_found_with_their_rules() {
    let windows = [
        every("Sun 02:00-04:00"),
        Planned::Once { from: at("2027-03-01 00:00"), to: at("2027-03-02 00:00") },
        every("Mon 01:00-02:00"),
    ];
    let next = |now: &str| next(&windows, at(now)).map(|(rule, time)| (rule.to_string(), time.start));
    // 2026-11-29 is a Sunday
    assert_eq!(next("2026-11-29 01:59"), Some(("Sun 02:00-04:00".to_owned(), at("2026-11-29 02:00"))));
    assert_eq!(next("2026-11-29 02:00"), Some(("Mon 01:00-02:00".to_owned(), at("2026-11-30 01:00"))));
    assert_eq!(super::next(&windows[1..2], at("2026-11-29 02:00")).unwrap().1.start, at("2027-03-01 00:00"));
    assert_eq!(super::next(&windows[1..2], at("2027-03-01 00:00")), None);
    let current = |now: &str| current(&windows, at(now)).map(|(_, time)| (time.start, time.end));
    assert_eq!(current("2026-11-29 01:59"), None);
    assert_eq!(current("2026-11-29 02:00"), Some((at("2026-11-29 02:00"), at("2026-11-29 04:00"))));
    assert_eq!(current("2026-11-29 04:00"), None);
}
