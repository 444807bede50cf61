use super::*;

/// A floor, requests, and the least number of failures among them that is beyond chance. From python, the smallest k for which this is below 1e-6:
/// `sum(Fraction(comb(n, i)) * p**i * (1 - p)**(n - i) for i in range(k, n + 1))` with `p` an exact
/// fraction.
const LEAST: [(f64, i64, i64); 12] = [
    (0.5, 20, 20),
    (0.5, 100, 74),
    (0.5, 1000, 576),
    (0.95, 20, 9),
    (0.95, 100, 19),
    (0.95, 1000, 87),
    (0.99, 20, 6),
    (0.99, 100, 9),
    (0.99, 1000, 29),
    (0.999, 20, 4),
    (0.999, 100, 5),
    (0.999, 1000, 10),
];

const START: Moment = Moment::from_millis(1 << 40);

fn at(ms: u64) -> Moment {
    START.plus(Duration::from_millis(ms))
}

/// Adds the same requests in each of the ticks from `from` until `to`, which are milliseconds.
fn fill(judge: &mut Judge, from: u64, to: u64, requests: [i64; 3]) {
    for ms in (from..to).step_by(100) {
        judge.add(at(ms), at(ms + 100), requests);
    }
}

/// What is found when so many of so many requests fail, evenly over two seconds.
fn failing(floor: f64, failed: i64, of: i64) -> Option<Finding> {
    let mut judge = Judge::new(floor, false);
    let share = |n: i64, ms: i64| n * (ms + 100) / 2000 - n * ms / 2000;
    for ms in (0..2000).step_by(100) {
        let (failed, of) = (share(failed, ms), share(of, ms));
        let from = at(ms.unsigned_abs());
        judge.add(from, from.plus(TICK), [of - failed, failed, 0]);
    }
    judge.finding(at(2000))
}

#[test]
fn a_service_is_down_when_chance_would_do_it_once_in_a_million_times() {
    for (floor, of, least) in LEAST {
        assert_eq!(failing(floor, least - 1, of), None, "{} of {of} at {floor}", least - 1);
        let found = failing(floor, least, of).unwrap_or_else(|| panic!("{least} of {of} at {floor}"));
        assert_eq!(found.complaint, Complaint::Errors);
    }
}

#[test]
fn few_requests_are_enough_only_if_all_of_them_fail() {
    let fail = |requests: &[[i64; 3]]| {
        let mut judge = Judge::new(0.95, false);
        for (minute, requests) in (0..).zip(requests) {
            judge.add(at(minute * 60_000), at(minute * 60_000 + 100), *requests);
        }
        judge.finding(at((requests.len() as u64 - 1) * 60_000 + 1100))
    };
    let (good, bad) = ([1, 0, 0], [0, 1, 0]);
    assert_eq!(fail(&[good, good, bad]), None);
    assert_eq!(fail(&[bad, bad, bad, bad]), None, "0.05^4 is 6e-6");
    let found = fail(&[bad, bad, bad, bad, bad]).expect("0.05^5 is 3e-7");
    assert_eq!((found.since, found.bad, found.of), (at(0), 5, 5));
    assert_eq!(fail(&[bad, bad, good, bad, bad]), None);
    assert_eq!(fail(&[bad, bad, bad, bad, bad, good]), None, "nothing gets worse by a request that ends well");
}

#[test]
fn a_failure_of_less_than_a_second_is_none_of_the_service() {
    let mut judge = Judge::new(0.95, false);
    fill(&mut judge, 0, 5000, [10, 0, 0]);
    fill(&mut judge, 5000, 5900, [0, 10, 0]);
    assert_eq!(judge.finding(at(5900)), None);
    fill(&mut judge, 5900, 6000, [0, 10, 0]);
    let found = judge.finding(at(6000)).unwrap();
    assert_eq!((found.since, found.bad, found.of), (at(5000), 100, 100));
}

#[test]
fn the_begin_and_the_end_of_an_outage_are_found_to_the_tick() {
    for share in [2, 3, 5, 10] {
        let mut judge = Judge::new(0.95, false);
        fill(&mut judge, 0, 20_000, [10, 0, 0]);
        fill(&mut judge, 20_000, 40_000, [10 - share, share, 0]);
        let found = judge.finding(at(40_000)).unwrap();
        let figures = (found.since, found.bad, found.of);
        assert_eq!(figures, (at(20_000), 200 * share, 2000), "{share} of 10");
        let recovered = |judge: &Judge, ms| judge.recovered(Complaint::Errors, found.share(), at(40_000), at(ms));
        assert_eq!(recovered(&judge, 40_000), None);
        fill(&mut judge, 40_000, 43_000, [10 - share, share, 0]);
        assert_eq!(recovered(&judge, 43_000), None);
        fill(&mut judge, 43_000, 45_000, [10, 0, 0]);
        assert_eq!(recovered(&judge, 45_000), Some(at(43_000)), "{share} of 10");
    }
}

#[test]
fn a_lone_failure_before_an_outage_is_no_part_of_it() {
    let mut judge = Judge::new(0.95, false);
    fill(&mut judge, 0, 10_000, [10, 0, 0]);
    fill(&mut judge, 10_000, 10_100, [9, 1, 0]);
    fill(&mut judge, 10_100, 20_000, [10, 0, 0]);
    fill(&mut judge, 20_000, 22_000, [0, 10, 0]);
    assert_eq!(judge.finding(at(22_000)).map(|found| found.since), Some(at(20_000)));
    assert_eq!(judge.first_sign(at(22_000)), Some(at(20_000)));
    assert_eq!(judge.first_sign(at(31_000)), Some(at(21_000)), "what is older than 10 s is no sign");
    assert_eq!(judge.first_sign(at(40_000)), None);
}

#[test]
fn a_service_is_up_again_when_it_can_hardly_be_as_bad_as_it_was() {
    let recovered = |share, good: u64| {
        let mut judge = Judge::new(0.95, false);
        fill(&mut judge, 0, good * 100, [1, 0, 0]);
        judge.recovered(Complaint::Errors, share, START, at(good * 100))
    };
    assert_eq!((recovered(1.0, 19), recovered(1.0, 20)), (None, Some(START)), "all failed");
    // 0.9^65 is 0.00106, 0.9^66 is 0.00095
    assert_eq!((recovered(0.1, 65), recovered(0.1, 66)), (None, Some(START)), "a tenth failed");
    let mut judge = Judge::new(0.95, false);
    fill(&mut judge, 0, 300, [1, 0, 0]);
    assert_eq!(judge.recovered(Complaint::Errors, 1.0, START, at(9999)), None);
    assert_eq!(judge.recovered(Complaint::Errors, 1.0, START, at(10_000)), Some(START), "three requests in 10 s");
    assert_eq!(judge.recovered(Complaint::Errors, 1.0, at(100), at(20_000)), None, "only two came since it was found");
}

#[test]
fn a_floor_of_all_requests_is_broken_by_one_and_kept_by_all() {
    let mut judge = Judge::new(1.0, false);
    fill(&mut judge, 0, 5000, [10, 0, 0]);
    fill(&mut judge, 5000, 7000, [9, 1, 0]);
    assert_eq!(judge.finding(at(7000)).map(|found| found.since), Some(at(5000)));
    fill(&mut judge, 7000, 8000, [10, 0, 0]);
    assert_eq!(judge.recovered(Complaint::Errors, 0.1, at(7000), at(8000)), Some(at(7000)));
    let mut judge = Judge::new(0.0, false);
    fill(&mut judge, 0, 5000, [0, 10, 0]);
    assert_eq!(judge.finding(at(5000)), None, "and a floor of none by nothing");
}

#[test]
fn slow_answers_count_only_where_a_latency_is_promised() {
    let found = |has_latency| {
        let mut judge = Judge::new(0.95, has_latency);
        fill(&mut judge, 0, 60_000, [10, 0, 0]);
        // three of a hundred
        for ms in (60_000..120_000).step_by(1000) {
            fill(&mut judge, ms, ms + 300, [9, 0, 1]);
            fill(&mut judge, ms + 300, ms + 1000, [10, 0, 0]);
        }
        judge.add(at(120_000), at(120_100), [9, 0, 1]);
        judge.finding(at(120_100))
    };
    assert_eq!(found(false), None);
    let latency = found(true).unwrap();
    // what is kept are 5000 requests: 50 seconds
    let since = latency.since.since(START).as_secs();
    assert!(latency.complaint == Complaint::Latency && (60..=71).contains(&since), "{latency:?} since {since} s");
    let mut judge = Judge::new(0.95, true);
    fill(&mut judge, 0, 2000, [0, 5, 5]);
    assert_eq!(judge.finding(at(2000)).map(|found| found.complaint), Some(Complaint::Errors), "errors come first");
    judge.set(0.3, true);
    assert_eq!(judge.finding(at(2000)).map(|found| found.complaint), Some(Complaint::Latency));
    judge.set(0.3, false);
    assert_eq!(judge.finding(at(2000)), None);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut judge = Judge::new(0.95, true);
    let mut most = 0;
    for n in 0..100_000 {
        // a million requests, ten in a millisecond; looks come as often
        judge.add(at(n), at(n + 1), [10, 0, 0]);
        most = most.max(judge.ticks.len());
    }
    assert!((100..=102).contains(&most), "{most}: those of 10 s");
    let mut judge = Judge::new(0.95, true);
    most = 0;
    for n in 0..6000 {
        judge.add(at(n * 100), at(n * 100 + 100), [1, 0, 0]);
        most = most.max(judge.ticks.len());
    }
    assert!((3000..=3001).contains(&most), "{most}: those of 5 minutes, with one request a look");
    let mut judge = Judge::new(0.95, true);
    most = 0;
    for n in 0..864_000 {
        judge.add(at(n * 100), at(n * 100 + 100), [i64::from(n % 600 == 0), 0, 0]);
        most = most.max(judge.ticks.len());
    }
    assert!((5..=6).contains(&most), "{most}: one request a minute for a day");
    assert_eq!(judge.since(at(863_000 * 100)), (1, 0));
    judge.forget_before(at(864_000 * 100));
    assert_eq!((judge.is_silent(START), judge.since(START)), (true, (0, 0)));
}

#[test]
fn a_service_that_just_keeps_its_floor_is_up() {
    let mut random = fastrand::Rng::with_seed(11);
    for (floor, rate) in [(0.5, 1), (0.5, 20), (0.9, 5), (0.95, 1), (0.95, 3), (0.95, 50), (0.99, 10), (0.999, 30)] {
        let mut judge = Judge::new(floor, false);
        for ms in (0..60_000).step_by(100) {
            let failed = (0..rate).filter(|_| random.f64() > floor).count() as i64;
            judge.add(at(ms), at(ms + 100), [rate - failed, failed, 0]);
            assert_eq!(judge.finding(at(ms + 100)), None, "{rate} requests a look, {floor}");
        }
    }
}
