use super::*;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// 2026-11-27T00:00:00Z.
const MIDNIGHT: Stamp = Stamp::from_millis(1_795_737_600_000);

fn up(millis: i64) -> Tally {
    Tally { up: millis, ..Tally::default() }
}

fn requests(good: i64, failed: i64) -> Tally {
    Tally { good, failed, ..Tally::default() }
}

/// A service that has been up for three days until `MIDNIGHT`, with so many good requests a second.
fn healthy(target: f64, per_second: i64) -> Burn {
    let mut burn = Burn::new(target);
    let mut at = MIDNIGHT.plus(-3 * DAY);
    while at < MIDNIGHT {
        let left = MIDNIGHT.since(at);
        let step = [(HOUR, 10 * SECOND), (DAY, MINUTE)]
            .iter()
            .find(|(span, _)| left <= *span)
            .map_or(15 * MINUTE, |(_, step)| *step);
        at = at.plus(step);
        burn.add(at, &Tally { up: step, good: step / SECOND * per_second, ..Tally::default() });
    }
    assert_eq!(burn.alerts(MIDNIGHT), []);
    burn
}

/// Adds the same tally every `step` milliseconds, from `from` to `to` (milliseconds after `MIDNIGHT`); gives when what was raised and cleared.
fn run(burn: &mut Burn, from: i64, to: i64, step: i64, tally: &Tally) -> Vec<(i64, AlertChange)> {
    let mut changes = Vec::new();
    for passed in (from + step..=to).step_by(step as usize) {
        burn.add(MIDNIGHT.plus(passed), tally);
        changes.extend(burn.alerts(MIDNIGHT.plus(passed)).into_iter().map(|change| (passed, change)));
    }
    changes
}

/// When the first alert of this severity was raised, or cleared.
fn when(changes: &[(i64, AlertChange)], severity: Severity, is_raised: bool) -> Option<i64> {
    let mut found =
        changes.iter().filter(|(_, change)| change.alert.severity == severity && change.is_raised == is_raised);
    found.next().map(|(passed, _)| *passed)
}

/// Whether a page was raised by any of these.
fn has_page(changes: &[AlertChange]) -> bool {
    changes.iter().any(|change| change.is_raised && change.alert.severity == Severity::Page)
}

/// The requests of a day after another, at random or evenly, each with whether it fails.
struct Traffic {
    random: Option<fastrand::Rng>,
    per_day: i64,
    next: i64,
}

impl Traffic {
    fn evenly(per_day: i64, phase: i64) -> Self {
        Self { random: None, per_day, next: phase }
    }

    fn at_random(per_day: i64, seed: u64) -> Self {
        Self { random: Some(fastrand::Rng::with_seed(seed)), per_day, next: 0 }
    }

    /// Milliseconds after `MIDNIGHT` of the next request; the pauses of a Poisson process are exponential.
    fn next(&mut self) -> i64 {
        let mean = (DAY / self.per_day) as f64;
        self.next += self.random.as_mut().map_or(mean, |random| -(1.0 - random.f64()).ln() * mean) as i64;
        self.next
    }
}

#[test]
fn the_pairs_are_those_of_the_workbook() {
    let budget: Vec<_> = PAIRS
        .iter()
        .map(|pair| {
            (pair.long.as_str(), pair.short.as_str(), pair.factor * pair.long.length_ms() as f64 / (30 * DAY) as f64)
        })
        .collect();
    let expected = [("1h", "5m", 0.02), ("6h", "30m", 0.05), ("1d", "2h", 0.1), ("3d", "6h", 0.1)];
    for ((long, short, share), expected) in budget.into_iter().zip(expected) {
        assert_eq!((long, short), (expected.0, expected.1));
        assert!((share - expected.2).abs() < 1e-9, "{share} of the budget of 30 days in {long}");
    }
    for pair in &PAIRS[..2] {
        assert_eq!(pair.long.length_ms(), 12 * pair.short.length_ms(), "the short window is a twelfth");
    }
}

#[test]
fn an_alert_comes_with_a_share_of_the_budget_that_depends_on_the_window() {
    // as docs/sla.md has them, in percent
    let table = [
        (DAY, [60.0, 150.0, 300.0, 300.0]),
        (7 * DAY, [8.57, 21.43, 42.86, 42.86]),
        (30 * DAY, [2.0, 5.0, 10.0, 10.0]),
        (90 * DAY, [0.67, 1.67, 3.33, 3.33]),
        (365 * DAY, [0.16, 0.41, 0.82, 0.82]),
    ];
    for (window, percent) in table {
        let shares = PAIRS.map(|pair| (pair.budget_share(window) * 1e4).round() / 100.0);
        assert_eq!(shares, percent, "{} days", window / DAY);
    }
}

/// Detection time = (1 - SLO) / error ratio * long window * factor, for 99.9 %.
#[test]
fn an_alert_comes_when_the_workbook_says() {
    use Severity::{Page, Ticket};
    // the error ratio in 1/10,000, the severity, the long window and the factor of the pair that comes first
    let table = [
        (10_000, Page, HOUR, 14.4),
        (1000, Page, HOUR, 14.4),
        (500, Page, HOUR, 14.4),
        (144, Page, HOUR, 14.4),
        (100, Page, 6 * HOUR, 6.0),
        (60, Page, 6 * HOUR, 6.0),
        (10_000, Ticket, DAY, 3.0),
        (100, Ticket, DAY, 3.0),
        (40, Ticket, DAY, 3.0),
        (20, Ticket, 3 * DAY, 1.0),
        (10, Ticket, 3 * DAY, 1.0),
    ];
    for (ratio, severity, window, factor) in table {
        let expected = 0.001 / (ratio as f64 / 10_000.0) * window as f64 * factor;
        let bucket = if window == HOUR { MINUTE } else { 15 * MINUTE };
        let step = if window == HOUR { 5 * SECOND } else { 30 * SECOND };
        let latest = expected * (1.0 + bucket as f64 / window as f64) + step as f64;
        let down = step * ratio / 10_000;
        let measure = |mut burn: Burn, tally: &Tally, latest: f64| {
            let changes = run(&mut burn, 0, latest as i64, step, tally);
            let passed = when(&changes, severity, true).unwrap_or(i64::MAX) as f64;
            assert!(
                (expected..=latest).contains(&passed),
                "{ratio}/10000: {severity:?} after {passed} ms, not {expected}"
            );
        };
        measure(healthy(0.999, 0), &Tally { up: step - down, down, ..Tally::default() }, latest);
        // 1000 requests a second take a little longer to prove it; at exactly the factor they never do
        if ![144, 60, 10].contains(&ratio) {
            measure(
                healthy(0.999, 1000),
                &Tally { up: step, ..requests(step - down, down) },
                latest * 1.05 + step as f64,
            );
        }
    }
}

#[test]
fn a_page_ends_two_minutes_after_the_short_window_has_recovered() {
    // a minute of outage matters to the windows of an hour and 5 minutes only, ten minutes also to those of six hours and 30 minutes
    for (outage, short, share) in [(MINUTE, 5 * MINUTE, 0.0144), (10 * MINUTE, 30 * MINUTE, 0.006)] {
        for per_second in [0, 1000] {
            let mut burn = healthy(0.999, per_second);
            let (bad, good) = match per_second {
                0 => (Tally { down: SECOND, ..Tally::default() }, up(SECOND)),
                _ => (requests(0, per_second), requests(per_second, 0)),
            };
            let raised = run(&mut burn, 0, outage, SECOND, &bad);
            assert!(when(&raised, Severity::Page, true).is_some());
            let cleared = run(&mut burn, outage, outage + HOUR, SECOND, &good);
            let passed = when(&cleared, Severity::Page, false).unwrap() - outage;
            // the short window has lost all but `share` of its length of what was bad
            let expected = short - (share * short as f64) as i64 + CLEAR_AFTER_MS;
            assert!((expected - 10 * SECOND..=expected + MINUTE).contains(&passed), "{passed} ms, not {expected}");
            assert_eq!(when(&cleared, Severity::Page, true), None, "it is not raised again");
        }
    }
}

/// Plays requests at these times (milliseconds after `MIDNIGHT`), each with whether it fails, and asks for alerts at each and in between.
fn play(burn: &mut Burn, requests_at: impl Iterator<Item = (i64, bool)>, mut changed: impl FnMut(i64, &[AlertChange])) {
    let mut before = 0;
    for (at, fails) in requests_at {
        let between = before + (at - before) / 2;
        changed(between, &burn.alerts(MIDNIGHT.plus(between)));
        burn.add(MIDNIGHT.plus(at), &Tally { up: at - before, ..requests(i64::from(!fails), i64::from(fails)) });
        changed(at, &burn.alerts(MIDNIGHT.plus(at)));
        before = at;
    }
}

/// The pages of each of so many years in which the budget of this target is spent exactly, at random.
fn pages_of_years(years: u64, target: f64, per_day: i64) -> Vec<i32> {
    let pages = |seed| {
        let mut traffic = Traffic::at_random(per_day, seed);
        let mut fails = fastrand::Rng::with_seed(!seed);
        let year = std::iter::from_fn(|| Some((traffic.next(), fails.f64() < 1.0 - target)))
            .take_while(|(at, _)| *at < 365 * DAY);
        let mut pages = 0;
        play(&mut Burn::new(target), year, |_, changes| pages += i32::from(has_page(changes)));
        pages
    };
    (0..years).map(pages).collect()
}

#[test]
fn forty_requests_a_day_that_spend_the_budget_page_nobody_in_a_year() {
    for target in [0.99, 0.999] {
        let pages = pages_of_years(20, target, 40);
        assert!(pages.iter().all(|pages| *pages <= 1), "{target}: {pages:?}");
    }
}

#[test]
#[ignore = "it takes minutes"]
fn few_requests_that_spend_the_budget_page_nobody_in_200_years() {
    for target in [0.95, 0.98, 0.99, 0.999, 0.9999] {
        for (per_day, years) in [(5, 200), (40, 200), (200, 40)] {
            let pages = pages_of_years(years, target, per_day);
            let sum = pages.iter().sum::<i32>();
            assert!(i64::from(sum) <= years as i64, "{target}, {per_day}: at most one a year in the mean: {pages:?}");
            let quiet = pages.iter().filter(|pages| **pages <= 1).count();
            assert!(quiet * 100 >= pages.len() * 99, "{target}, {per_day}: and in 99 % of the years: {pages:?}");
        }
    }
}

#[test]
fn one_failure_alone_pages_nobody() {
    for per_day in [1, 2, 5, 40, 1000] {
        for target in [0.99, 0.999, 0.999_999] {
            let mut traffic = Traffic::evenly(per_day, 0);
            let week = std::iter::from_fn(|| Some(traffic.next())).take_while(|at| *at < 7 * DAY);
            let failing = week.map(|at| (at, (3 * DAY..3 * DAY + DAY / per_day).contains(&at)));
            play(&mut Burn::new(target), failing, |at, changes| {
                assert!(!has_page(changes), "{per_day} a day for {target} at {at}");
            });
        }
    }
}

/// How long after the third failed request a page comes (milliseconds), and after how many failed requests.
#[derive(Debug, Clone, Copy)]
struct Paged {
    after_third: i64,
    failed: usize,
}

/// The page of a service where the requests at these times fail from `fails_from` on.
fn paged(target: f64, times: impl Iterator<Item = i64>, fails_from: i64) -> Paged {
    let times: Vec<i64> = times.take_while(|at| *at < fails_from + 3 * DAY).collect();
    let failed: Vec<i64> = times.iter().copied().filter(|at| *at >= fails_from).collect();
    let mut paged = None;
    let all = times.iter().map(|at| (*at, *at >= fails_from));
    play(&mut Burn::new(target), all, |at, changes| {
        if has_page(changes) {
            assert!(at >= fails_from, "it pages before");
            paged = paged.or(Some(at));
        }
    });
    let paged = paged.unwrap_or_else(|| panic!("{target}, failing from {fails_from}: no page"));
    Paged { after_third: paged - failed[2], failed: failed.iter().filter(|at| **at <= paged).count() }
}

/// The pages of a service that begins to fail wholly, at each hour of a day, with requests that come in several ways.
fn paged_in_all_ways(target: f64) -> Vec<(String, Paged)> {
    let mut all = Vec::new();
    for hour in 0..24 {
        let fails_from = 4 * DAY + hour * HOUR;
        let mut even = Traffic::evenly(40, 7 * MINUTE);
        all.push((format!("evenly, {hour}"), paged(target, std::iter::from_fn(|| Some(even.next())), fails_from)));
        for seed in 0..10 {
            let mut random = Traffic::at_random(40, seed);
            let times = std::iter::from_fn(|| Some(random.next()));
            all.push((format!("at random, {hour}, {seed}"), paged(target, times, fails_from)));
        }
        for (pattern, times) in [("office hours", office_hours()), ("a burst", a_burst_a_day())] {
            all.push((format!("{pattern}, {hour}"), paged(target, times.into_iter(), fails_from)));
        }
    }
    all
}

#[test]
fn a_service_that_fails_wholly_pages_within_an_hour_of_its_third_failed_request() {
    for target in [0.999, 0.9999, 0.99999] {
        for (way, paged) in paged_in_all_ways(target) {
            assert!((0..=HOUR).contains(&paged.after_third), "{target}, {way}: {paged:?}");
        }
    }
}

#[test]
fn at_99_percent_it_pages_within_an_hour_of_its_third_failed_request_or_with_the_next_one() {
    let all = paged_in_all_ways(0.99);
    for (way, paged) in &all {
        assert!((0..=HOUR).contains(&paged.after_third) || paged.failed <= 4, "{way}: {paged:?}");
    }
    let in_an_hour = all.iter().filter(|(_, paged)| (0..=HOUR).contains(&paged.after_third)).count();
    assert!(in_an_hour * 100 >= all.len() * 95, "{in_an_hour} of {}", all.len());
    let evenly = all.iter().filter(|(way, _)| way.starts_with("evenly"));
    assert!(evenly.into_iter().all(|(_, paged)| paged.after_third == 0), "three in a row are enough");
}

#[test]
fn at_98_percent_it_takes_more_failures_because_three_in_a_row_prove_nothing() {
    let failed: Vec<usize> = paged_in_all_ways(0.98).into_iter().map(|(_, paged)| paged.failed).collect();
    assert_eq!((failed.iter().min(), failed.iter().max()), (Some(&4), Some(&11)));
}

#[test]
fn a_service_that_has_lived_for_seconds_pages_for_no_less_downtime_than_an_old_one() {
    // 0.3 s of the first 10 s are 30 times the budget of that time, and 0.01 % of that of 30 days
    let mut burn = Burn::new(0.999);
    let blip = Tally { up: 700, down: 300, ..Tally::default() };
    burn.add(MIDNIGHT.plus(SECOND), &blip);
    assert_eq!(burn.alerts(MIDNIGHT.plus(SECOND)), []);
    assert_eq!(run(&mut burn, SECOND, HOUR, SECOND, &up(SECOND)), []);
    // what is down from its first moment on pages when 2 % of the budget of 30 days are gone
    let down = Tally { down: SECOND, ..Tally::default() };
    for (target, expected) in [(0.99, 519), (0.999, 52), (0.9999, 6), (0.999_99, 1)] {
        let raised = run(&mut Burn::new(target), 0, HOUR, SECOND, &down);
        assert_eq!(when(&raised, Severity::Page, true), Some(expected * SECOND), "{target}");
    }
}

/// 36 requests a day from 9 to 17 o'clock, and one every 4 hours in the night.
fn office_hours() -> Vec<i64> {
    every_day(
        (0..36).map(|n| 9 * HOUR + n * 8 * HOUR / 36).chain([17, 21, 25, 29].map(|hour| hour * HOUR + 30 * MINUTE)),
    )
}

/// 20 requests a day from 9 to 10 o'clock, and one every 72 minutes otherwise: three failures after the burst are few among all in six hours.
fn a_burst_a_day() -> Vec<i64> {
    every_day((0..20).map(|n| 9 * HOUR + n * 3 * MINUTE).chain((0..19).map(|n| 10 * HOUR + n * 72 * MINUTE)))
}

fn every_day(times: impl Iterator<Item = i64> + Clone) -> Vec<i64> {
    (0..10).flat_map(|day| times.clone().map(move |at| day * DAY + at)).collect()
}

/// Whether eight days at 27 times the budget of 99.9 % raise anything, the failures being where `fails` says.
fn is_seen(mut traffic: Traffic, mut fails: impl FnMut(i64) -> bool) -> bool {
    let mut seen = false;
    let days = std::iter::from_fn(|| Some(traffic.next())).take_while(|at| *at < 8 * DAY);
    let failing = days.enumerate().map(|(n, at)| (at, fails(n as i64)));
    play(&mut Burn::new(0.999), failing, |_, changes| seen |= changes.iter().any(|change| change.is_raised));
    seen
}

#[test]
fn eight_days_at_27_times_the_budget_never_go_unseen() {
    // 2.7 % of 40 requests a day: 9 of 320, one in 37
    assert!((0..37).all(|phase| is_seen(Traffic::evenly(40, 0), |n| n % 37 == phase)), "evenly");
    // at random times, 9 requests of the first 320 drawn by lot
    let mut unseen = Vec::new();
    for seed in 0..150 {
        let mut lots: Vec<i64> = (0..320).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut lots);
        if !is_seen(Traffic::at_random(40, seed), |n| lots[..9].contains(&n)) {
            unseen.push(seed);
        }
    }
    assert!(unseen.is_empty(), "{unseen:?}");
    // each request fails by its own chance, so in 1 of 6000 such weeks none fails, and in 1 of 600 only one: a hundredth may go unseen
    let unseen = (0..150).filter(|seed| {
        let mut random = fastrand::Rng::with_seed(!seed);
        !is_seen(Traffic::at_random(40, *seed), |_| random.f64() < 0.027)
    });
    let unseen = unseen.count();
    assert!(unseen <= 2, "{unseen} of 150");
    // 1,000,000 requests a day, as 10,000 every 14.4 minutes
    let mut burn = Burn::new(0.999);
    assert!(!run(&mut burn, 0, DAY, 864 * SECOND, &requests(9730, 270)).is_empty(), "much traffic");
}

#[test]
fn nothing_is_raised_without_traffic_and_time_down_pages_without_a_request() {
    let mut burn = Burn::new(0.999);
    assert_eq!(run(&mut burn, 0, DAY, 10 * SECOND, &up(10 * SECOND)), []);
    let nothing = Tally { planned: 5 * SECOND, unknown: 5 * SECOND, excluded: 7, ..Tally::default() };
    assert_eq!(run(&mut burn, DAY, 2 * DAY, 10 * SECOND, &nothing), []);
    assert_eq!(burn.rate(Lookback::FiveMinutes, MIDNIGHT.plus(2 * DAY)), Rate::default(), "nothing of that counts");
    let down = Tally { down: SECOND, ..Tally::default() };
    let page = when(&run(&mut burn, 2 * DAY, 2 * DAY + HOUR, SECOND, &down), Severity::Page, true);
    assert!(page.is_some_and(|at| at <= 2 * DAY + MINUTE), "{page:?}");
    let page = burn.active().next().unwrap();
    assert_eq!((page.severity, page.measure, page.counted), (Severity::Page, Measure::Time, 0));
}

#[test]
fn rates_are_the_shares_over_the_budget() {
    let mut burn = Burn::new(0.99);
    let now = MIDNIGHT.plus(SECOND);
    assert_eq!(burn.rate(Lookback::Hour, now).worst(), None);
    burn.add(now, &Tally { up: 900, down: 100, good: 95, failed: 3, slow: 2, excluded: 50, ..Tally::default() });
    for window in Lookback::ALL {
        let rate = burn.rate(window, now);
        assert!((rate.by_time.unwrap() - 10.0).abs() < 1e-9, "{}", window.as_str());
        assert!((rate.by_requests.unwrap() - 5.0).abs() < 1e-9, "{}", window.as_str());
        assert_eq!(rate.worst(), rate.by_time);
    }
    // each window forgets when its time is over, within a bucket
    for window in Lookback::ALL {
        let bucket = if window.length_ms() > 2 * HOUR { 15 * MINUTE } else { MINUTE };
        assert!(burn.rate(window, now.plus(window.length_ms() - 2 * SECOND)).worst().is_some(), "{}", window.as_str());
        assert_eq!(burn.rate(window, now.plus(window.length_ms() + bucket)).worst(), None, "{}", window.as_str());
    }
}

#[test]
fn a_few_milliseconds_down_are_not_lost() {
    // 99.9999 % of an hour is 3.6 ms; 14.4 times that is 51.84
    let mut burn = healthy(0.999_999, 0);
    burn.add(MIDNIGHT.plus(SECOND), &Tally { up: 949, down: 51, ..Tally::default() });
    assert_eq!(burn.alerts(MIDNIGHT.plus(SECOND)), []);
    burn.add(MIDNIGHT.plus(2 * SECOND), &Tally { up: 998, down: 2, ..Tally::default() });
    assert!(has_page(&burn.alerts(MIDNIGHT.plus(2 * SECOND))));
}

#[test]
fn a_correction_turns_time_up_into_time_down() {
    let mut burn = healthy(0.999, 0);
    assert_eq!(run(&mut burn, 0, 2 * MINUTE, SECOND, &up(SECOND)), []);
    let now = MIDNIGHT.plus(2 * MINUTE);
    burn.add(now, &Tally { up: -90 * SECOND, down: 90 * SECOND, ..Tally::default() });
    let rate = burn.rate(Lookback::Hour, now).by_time.unwrap();
    assert!((rate - 90.0 / 3600.0 * 1000.0).abs() < 0.5, "{rate}");
    assert!(has_page(&burn.alerts(now)));
    burn.add(now, &Tally { up: 90 * SECOND, down: -90 * SECOND, ..Tally::default() });
    assert_eq!(burn.rate(Lookback::Hour, now).by_time, Some(0.0));
}

#[test]
fn history_may_be_restored_in_any_order() {
    let mut rows: Vec<(Stamp, Tally)> = (0..4000)
        .map(|n| {
            (MIDNIGHT.plus(-n * MINUTE), Tally { up: n, down: n % 7, good: n % 5, failed: n % 3, ..Tally::default() })
        })
        .collect();
    let restore = |rows: &[(Stamp, Tally)]| {
        let mut burn = Burn::new(0.999);
        rows.iter().for_each(|(at, tally)| burn.add(*at, tally));
        Lookback::ALL.map(|window| burn.rate(window, MIDNIGHT))
    };
    let in_order = restore(&rows);
    fastrand::Rng::with_seed(7).shuffle(&mut rows);
    assert_eq!(restore(&rows), in_order);
}

#[test]
fn the_time_after_a_clock_that_was_set_back_is_lived_again() {
    let mut burn = healthy(0.999, 0);
    let down = Tally { down: SECOND, ..Tally::default() };
    assert!(when(&run(&mut burn, 0, HOUR, SECOND, &down), Severity::Page, true).is_some());
    // the clock goes back by an hour, and the service is well: the alert ends as without that, when the short window has recovered
    let changes = run(&mut burn, 0, HOUR, SECOND, &up(SECOND));
    let cleared = when(&changes, Severity::Page, false).unwrap();
    assert!((30 * MINUTE..34 * MINUTE).contains(&cleared), "{cleared}");
    assert_eq!(when(&changes, Severity::Page, true), None);
    // no more of the hour is left than a bucket
    let share = |window, now| burn.rate(window, now).by_time.unwrap() * 0.001;
    assert!(share(Lookback::Hour, MIDNIGHT.plus(30 * MINUTE)) <= 1.0 / 60.0);
    assert!(share(Lookback::SixHours, MIDNIGHT.plus(HOUR)) <= 15.0 / 360.0);
    // by years, to and fro
    for years in [3, -3, 40, 0, -500_000, 500_000] {
        let now = MIDNIGHT.plus(years * 365 * DAY);
        burn.alerts(now);
        burn.add(now, &up(SECOND));
        assert_eq!(burn.rate(Lookback::FiveMinutes, now).by_time, Some(0.0));
    }
    for now in [i64::MIN, i64::MAX, 0].map(Stamp::from_millis) {
        burn.add(now, &down);
        burn.alerts(now);
        burn.rate(Lookback::ThreeDays, now);
    }
}

#[test]
fn the_history_of_a_service_takes_less_than_8_kib() {
    let bytes = size_of::<Burn>() + History::new().heap_bytes();
    assert!(bytes <= 8192, "{bytes}");
}
