use super::*;

const NONE: Duration = Duration::ZERO;

fn rate(requests: u32, burst: u32) -> Rate {
    Rate::new(requests, Duration::from_secs(1), burst)
}

fn take(table: &Table, key: &impl std::hash::Hash, rate: Rate, now: Duration) -> Taken {
    table.take(hash(key), rate, now, NONE).taken
}

/// A key for this.
fn hash(key: &impl std::hash::Hash) -> u64 {
    ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(key)
}

fn is_allowed(taken: Taken) -> bool {
    matches!(taken, Taken::Allowed { .. })
}

#[test]
fn a_burst_may_come_at_once_and_then_one_in_each_interval() {
    let (table, rate) = (Table::new(10), rate(10, 3));
    let take = |ms: u64| take(&table, &"a", rate, Duration::from_millis(ms));
    let first: Vec<_> = (0..3).map(|_| take(1_000)).collect();
    assert_eq!(first, [2, 1, 0].map(|remaining| Taken::Allowed { remaining }));
    assert_eq!(take(1_000), Taken::Refused(Duration::from_millis(100)));
    assert_eq!(take(1_099), Taken::Refused(Duration::from_millis(1)), "what is refused costs nothing");
    assert_eq!(take(1_100), Taken::Allowed { remaining: 0 });
    assert_eq!(take(61_100), Taken::Allowed { remaining: 2 }, "after a pause it has its burst, and no more than that");
}

#[test]
fn what_may_wait_is_told_for_how_long_and_has_its_place() {
    let (table, rate) = (Table::new(10), rate(10, 1));
    let take = || table.take(7, rate, Duration::from_secs(1), Duration::from_millis(250)).taken;
    assert!(is_allowed(take()));
    assert_eq!(take(), Taken::Delayed(Duration::from_millis(100)));
    assert_eq!(take(), Taken::Delayed(Duration::from_millis(200)));
    assert_eq!(take(), Taken::Refused(Duration::from_millis(300)));
}

#[test]
fn keys_have_limits_of_their_own() {
    let (table, rate, now) = (Table::new(1_000), rate(1, 1), Duration::from_secs(9));
    let looks: Vec<_> = (0..1_000).map(|key| table.take(hash(&key), rate, now, NONE)).collect();
    assert!(looks.iter().all(|look| is_allowed(look.taken)));
    assert!(looks.iter().filter(|look| look.has_displaced).count() < 10);
    let refused = (0..1_000).filter(|key| !is_allowed(take(&table, key, rate, now))).count();
    assert!(refused > 970, "{refused}: those that have lost their place are forgiven");
}

#[test]
fn over_an_hour_of_random_arrivals_the_rate_is_kept_within_a_percent() {
    let (table, rate, mut random) = (Table::new(10), rate(100, 20), fastrand::Rng::with_seed(7));
    let (mut now, mut allowed) = (1.0, 0u32);
    let end = 3_601.0;
    while now < end {
        allowed += u32::from(is_allowed(take(&table, &"a", rate, Duration::from_secs_f64(now))));
        // five times as many as are allowed, as of a Poisson process
        now += -(1.0 - random.f64()).ln() / 500.0;
    }
    assert!((360_000..=360_020).contains(&allowed) || f64::from(allowed) > 360_000.0 * 0.99, "{allowed}");
    assert!(allowed <= 360_020, "{allowed}");
}

#[test]
fn no_key_ever_gets_more_than_its_rate_and_its_burst() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..200 {
        let (requests, burst) = (random.u32(1..50), random.u32(1..20));
        let (table, rate) = (Table::new(10), rate(requests, burst));
        let (mut now, mut allowed) = (Duration::from_secs(1), 0);
        let began = now;
        for _ in 0..500 {
            now += Duration::from_micros(random.u64(0..40_000));
            allowed += u32::from(is_allowed(take(&table, &1, rate, now)));
        }
        let most = f64::from(burst) + (now - began).as_secs_f64() * f64::from(requests);
        assert!(f64::from(allowed) <= most + 1e-3, "{allowed} of {most}");
    }
}

#[test]
fn a_client_that_floods_is_not_forgotten_for_those_that_come_after_it() {
    let (table, rate) = (Table::new(8), rate(1, 1_000));
    let now = Duration::from_secs(1);
    for _ in 0..1_000 {
        assert!(is_allowed(take(&table, &"flood", rate, now)));
    }
    let displaced = (0..10_000).filter(|other| table.take(hash(other), rate, now, NONE).has_displaced).count();
    assert!(displaced > 9_000, "{displaced}");
    assert!(!is_allowed(take(&table, &"flood", rate, now)));
}

#[test]
fn a_client_of_ipv6_is_a_network_of_64_bits() {
    let prefix = |by: By, address: &str| by.prefix(address.parse().unwrap()).to_string();
    assert_eq!(prefix(By::Client, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(prefix(By::Client, "::ffff:192.0.2.7"), "192.0.2.7");
    assert_eq!(prefix(By::Network, "2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
    assert_eq!(prefix(By::Network, "192.0.2.7"), "192.0.2.0");
}

#[test]
fn a_million_keys_take_less_than_64_mib() {
    assert!(Table::new(1_000_000).bytes() <= 48 << 20);
    assert!(Table::shared(1_000_000).bytes() <= 64 << 20, "{}", Table::shared(1_000_000).bytes());
}

#[test]
fn workers_that_share_a_key_do_not_let_more_through() {
    let (table, rate) = (Table::new(1_000), rate(1, 500));
    let allowed: usize = std::thread::scope(|scope| {
        let take = || (0..10_000).filter(|_| is_allowed(take(&table, &"a", rate, Duration::from_secs(5)))).count();
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // a worker that finds the key before another one has put its time there may be charged twice, never less
    assert!((490..=504).contains(&allowed), "{allowed}");
}

/// What is reported was used up to so long ago: the time between two reports, and how long an answer takes.
const LATE: Duration = Duration::from_millis(150);

/// How much of a key each instance wants, and when it said so.
type Demands = Vec<(usize, f64, Duration)>;

/// A store, as instances see one: what a report does to it is what the script in `store/limits` does.
#[derive(Default)]
struct Model {
    keys: std::collections::HashMap<u64, (Duration, Demands)>,
}

impl Model {
    fn report(&mut self, from: usize, report: &Report, now: Duration) -> Answer {
        let (tat, demands) = self.keys.entry(report.key).or_default();
        *tat = (*tat).max(now.saturating_sub(LATE)) + report.used;
        let is_known = demands.iter().any(|(who, ..)| *who == from);
        if report.ahead > NONE && (report.is_certain || !is_known) {
            *tat = (*tat).max(now + report.ahead);
        }
        let others = demands.iter().filter(|(who, ..)| *who != from).map(|(_, demand, at)| faded(*demand, *at, now));
        let others = others.sum();
        demands.retain(|(who, _, at)| *who != from && now.saturating_sub(*at) < DEMAND_FADES * 5);
        demands.push((from, report.demand, now));
        Answer { ahead: tat.as_nanos() as i64 - now.as_nanos() as i64, others }
    }
}

/// Some instances with a store, and the requests of one key that they have allowed.
struct Fleet {
    store: Model,
    instances: Vec<(Table, Reporter, u64)>,
    rate: Rate,
    random: fastrand::Rng,
    now: Duration,
    /// Instances that do not reach the store.
    cut_off: Vec<usize>,
}

impl Fleet {
    fn new(count: usize, rate: Rate) -> Self {
        let instances = (0..count).map(|_| (Table::shared(100), Reporter::default(), 0)).collect::<Vec<_>>();
        instances.iter().for_each(|(table, ..)| table.unite(1, 1));
        let random = fastrand::Rng::with_seed(5);
        Self { store: Model::default(), instances, rate, random, now: Duration::from_secs(1), cut_off: Vec::new() }
    }

    /// Plays on for so long, with as many requests a second at each instance, and a store that answers (or does not) after `slow`.
    fn play(&mut self, time: Duration, offered: &[f64], slow: Option<Duration>) -> u64 {
        const STEP: Duration = Duration::from_micros(500);
        let (end, before) = (self.now + time, self.allowed());
        let mut waiting: Vec<Vec<(Duration, Report, Answer)>> = vec![Vec::new(); offered.len()];
        let mut steps = 0u32;
        while self.now < end {
            let now = self.now;
            for (at, offered) in offered.iter().enumerate() {
                let (table, reporter, allowed) = &mut self.instances[at];
                let mut requests = offered * STEP.as_secs_f64();
                while requests > self.random.f64() {
                    *allowed += u64::from(is_allowed(table.take(7, self.rate, now, NONE).taken));
                    requests -= 1.0;
                }
                // every 100 ms, each at another moment
                if (steps + at as u32 * 67).is_multiple_of(200) {
                    let reports = reporter.collect(table, self.rate, 100, now);
                    if let Some(slow) = slow.filter(|_| !self.cut_off.contains(&at)) {
                        let answers = reports.into_iter().map(|report| {
                            let answer = self.store.report(at, &report, now + slow / 2);
                            (now + slow, report, answer)
                        });
                        waiting[at].extend(answers);
                    }
                }
                while waiting[at].first().is_some_and(|(when, ..)| *when <= now) {
                    let (_, report, answer) = waiting[at].remove(0);
                    reporter.learn(table, self.rate, &report, answer, now);
                }
            }
            steps += 1;
            self.now += STEP;
        }
        self.allowed() - before
    }

    fn allowed(&self) -> u64 {
        self.instances.iter().map(|(.., allowed)| allowed).sum()
    }

    fn divide(&self, instances: u32) {
        self.instances.iter().for_each(|(table, ..)| table.divide(instances));
    }
}

#[test]
fn three_instances_keep_one_rate_within_five_percent_however_requests_are_dealt() {
    for (requests, burst) in [(10, 1), (10, 10), (100, 1), (100, 100), (1_000, 100), (10_000, 1_000)] {
        let offered = f64::from(requests);
        for offered in
            [[2.0, 2.0, 2.0], [5.0, 0.5, 0.1], [3.0, 0.0, 0.0], [0.5, 0.5, 0.5]].map(|of| of.map(|part| part * offered))
        {
            for slow in [1, 50].map(Duration::from_millis) {
                let mut fleet = Fleet::new(3, rate(requests, burst));
                // what comes before the instances know of each other is made up for in the first seconds
                fleet.play(Duration::from_secs(5), &offered, Some(slow));
                let allowed = fleet.play(Duration::from_secs(20), &offered, Some(slow)) as f64 / 20.0;
                let mut alone = Fleet::new(1, rate(requests, burst));
                let alone = alone.play(Duration::from_secs(25), &[offered.iter().sum()], None) as f64 / 25.0;
                // with a small burst, requests that come at random don't use all of the rate, also where there is one instance
                let error = if allowed < alone {
                    allowed / alone - 1.0
                } else {
                    (allowed / f64::from(requests) - 1.0).max(0.0)
                };
                assert!(
                    error.abs() <= 0.05,
                    "{requests}/s, burst {burst}, {offered:?}, {slow:?}: {allowed} ({error:+.3})"
                );
            }
        }
    }
}

#[test]
fn without_a_store_no_instance_allows_more_than_its_share() {
    let mut fleet = Fleet::new(3, rate(300, 300));
    let offered = [600.0, 600.0, 600.0];
    fleet.play(Duration::from_secs(10), &offered, Some(Duration::from_millis(1)));
    // it is noticed after 200 ms; until then each goes on with the part that it had
    let unnoticed = fleet.play(Duration::from_millis(200), &offered, None);
    fleet.divide(3);
    let before: Vec<u64> = fleet.instances.iter().map(|(.., allowed)| *allowed).collect();
    let divided = fleet.play(Duration::from_secs(10), &offered, None);
    assert!(unnoticed <= 66, "{unnoticed}");
    for ((.., after), before) in fleet.instances.iter().zip(before) {
        assert!(f64::from((after - before) as u32) <= 1_000.0 * 1.05, "{}", after - before);
    }
    assert!(divided >= 2_850, "{divided}");
    // the store is back, and has lost everything: two rounds of reports, and then they trust it
    fleet.store = Model::default();
    fleet.play(Duration::from_millis(200), &offered, Some(Duration::from_millis(1)));
    fleet.instances.iter().for_each(|(table, ..)| table.unite(1, 1));
    let after = fleet.play(Duration::from_secs(10), &offered, Some(Duration::from_millis(1)));
    assert!((2_850..=3_150).contains(&after), "{after}");
}

#[test]
fn those_that_reach_the_store_leave_the_others_their_share() {
    for cut_off in [vec![0], vec![0, 1]] {
        let mut fleet = Fleet::new(3, rate(300, 30));
        let (offered, soon) = ([600.0, 600.0, 600.0], Some(Duration::from_millis(1)));
        fleet.play(Duration::from_secs(10), &offered, soon);
        let present = 3 - cut_off.len() as u32;
        for (at, (table, ..)) in fleet.instances.iter().enumerate() {
            if cut_off.contains(&at) { table.divide(3) } else { table.unite(present, 3) }
        }
        fleet.cut_off = cut_off;
        let first = fleet.play(Duration::from_secs(10), &offered, soon);
        // what the store knows of the demand at those that are cut off has faded now
        let later = fleet.play(Duration::from_secs(10), &offered, soon);
        assert!(first <= 3_150, "{present}: {first}");
        assert!((2_850..=3_150).contains(&later), "{present}: {later}");
    }
}

#[test]
fn what_one_instance_has_allowed_is_known_to_another_after_its_first_report() {
    let mut fleet = Fleet::new(2, Rate::new(1, Duration::from_secs(3_600), 20));
    let first = fleet.play(Duration::from_secs(1), &[1_000.0, 0.0], Some(Duration::from_millis(1)));
    assert_eq!(first, 20);
    let second = fleet.play(Duration::from_secs(1), &[0.0, 1_000.0], Some(Duration::from_millis(1)));
    assert!(second <= 20, "{second}");
    assert_eq!(fleet.play(Duration::from_secs(60), &[50.0, 50.0], Some(Duration::from_millis(1))), 0);
}

#[test]
fn a_store_that_is_emptied_gives_nobody_a_new_burst() {
    let soon = Some(Duration::from_millis(1));
    let hour = Rate::new(1, Duration::from_secs(3_600), 20);
    for offered in [[500.0, 500.0, 500.0], [1_000.0, 20.0, 5.0], [0.0, 1_000.0, 0.0]] {
        let mut fleet = Fleet::new(3, hour);
        fleet.play(Duration::from_secs(2), &offered, soon);
        for emptied in 0..20 {
            fleet.store = Model::default();
            // in the middle of reports, each time at another moment between those of the three
            assert_eq!(fleet.play(Duration::from_millis(307), &offered, soon), 0, "{offered:?}, {emptied}");
        }
    }
    for rate in [rate(100, 1), rate(100, 100), rate(1_000, 100)] {
        let mut fleet = Fleet::new(3, rate);
        let offered = [1.0, 0.6, 0.2].map(|part| part / rate.interval().as_secs_f64());
        fleet.play(Duration::from_secs(5), &offered, soon);
        // what the others have used since an instance has last heard of them is lost each time, and nothing else
        let mut emptied = || {
            fleet.store = Model::default();
            fleet.play(Duration::from_secs(2), &offered, soon)
        };
        let allowed: u64 = (0..10).map(|_| emptied()).sum();
        let error = allowed as f64 * rate.interval().as_secs_f64() / 20.0 - 1.0;
        // one with a small burst does not use all of its rate when requests come at random
        assert!(error <= 0.05 && (error >= -0.05 || rate.burst() == 1), "{rate}: {allowed} ({error:+.3})");
    }
}

#[test]
fn a_key_that_comes_back_after_a_pause_is_not_charged_with_what_others_were_guessed_to_allow() {
    let (hour, soon) = (Duration::from_secs(3_600), Some(Duration::from_millis(1)));
    let mut fleet = Fleet::new(2, Rate::new(3_600, hour, 10));
    // nearly everything goes to the other instance, so that a request counts for many here
    fleet.play(Duration::from_secs(5), &[0.5, 200.0], soon);
    fleet.play(Duration::from_secs(60), &[0.0, 0.0], soon);
    // the store forgets what is used no more
    fleet.store = Model::default();
    fleet.play(Duration::from_secs(1), &[20.0, 0.0], soon);
    let (table, ..) = &fleet.instances[0];
    let ahead = table.kept(7).saturating_sub(table::nanos(fleet.now));
    assert!(ahead <= 11_000_000_000, "{ahead}");
}

#[test]
fn keys_that_nobody_asks_for_are_reported_to_a_store_that_was_emptied() {
    let (rate, now) = (Rate::new(1, Duration::from_secs(3_600), 20), Duration::from_secs(10));
    let (table, mut reporter, mut store) = (Table::shared(1_000), Reporter::default(), Model::default());
    table.unite(1, 1);
    for key in 0..500 {
        assert!(is_allowed(take(&table, &key, rate, now)));
    }
    let round = |reporter: &mut Reporter, store: &mut Model| {
        let reports = reporter.collect(&table, rate, 100, now);
        for report in &reports {
            let answer = store.report(0, report, now);
            reporter.learn(&table, rate, report, answer, now);
        }
        reports.len()
    };
    while round(&mut reporter, &mut store) > 0 {}
    let before = store.keys.len();
    store = Model::default();
    assert_eq!(round(&mut reporter, &mut store), 0, "nothing has happened");
    reporter.tell_all();
    let rounds: Vec<_> =
        std::iter::from_fn(|| Some(round(&mut reporter, &mut store)).filter(|told| *told > 0)).collect();
    assert_eq!((rounds.iter().sum::<usize>(), store.keys.len()), (before, before));
    assert!(rounds.len() >= 4 && rounds.iter().all(|told| *told < 100 + 8), "{rounds:?}");
    assert!(store.keys.values().all(|(tat, _)| *tat == now + rate.interval()));
}

#[test]
fn a_table_tells_how_many_of_its_keys_need_their_room() {
    let (table, rate) = (Table::new(1_000), rate(10, 1));
    let now = Duration::from_secs(1);
    (0..100).for_each(|key| _ = take(&table, &key, rate, now));
    assert_eq!(table.keys_ahead(now), 100);
    (0..10).for_each(|key| _ = take(&table, &key, rate, now + Duration::from_millis(100)));
    assert_eq!(table.keys_ahead(now + Duration::from_millis(100)), 10);
    assert_eq!((table.is_united(), Table::shared(10).is_united()), (None, Some(false)));
    // of a large one it is an estimate
    let large = Table::new(1_000_000);
    (0..100_000).for_each(|key| _ = take(&large, &key, rate, now));
    let told = large.keys_ahead(now);
    assert!((90_000..110_000).contains(&told), "{told}");
}

#[test]
fn a_limit_is_shown_as_it_is_written() {
    let rates = [(100, 1), (5, 60), (1_000, 3_600), (7, 86_400)];
    let shown = rates.map(|(requests, per)| Rate::new(requests, Duration::from_secs(per), 1).to_string());
    assert_eq!(shown, ["100/s", "5/m", "1000/h", "7/d"]);
    let by = [By::All, By::Client, By::Network, By::Key(KeyFrom::Path), By::Claim("sub".to_owned())];
    assert_eq!(by.map(|by| by.to_string()), ["all", "client", "network", "path", "claim:sub"]);
}

#[test]
fn who_raises_a_rate_locks_nobody_out_and_who_lowers_it_forgives_nothing() {
    let hour = Duration::from_secs(3_600);
    let (slow, fast, now) = (Rate::new(5, hour, 20), rate(100, 20), Duration::from_secs(10));
    let used = |rate: Rate, requests: usize| {
        let table = std::sync::Arc::new(Table::new(10));
        assert!((0..requests).all(|_| is_allowed(take(&table, &"a", rate, now))));
        table
    };
    let raised = used(slow, 20).at_rate(fast, slow, now);
    assert_eq!(take(&raised, &"a", fast, now), Taken::Refused(Duration::from_millis(10)), "the burst stays used");
    assert_eq!(take(&raised, &"b", fast, now), Taken::Allowed { remaining: 19 });
    let lowered = used(fast, 15).at_rate(slow, fast, now);
    assert_eq!(take(&lowered, &"a", slow, now), Taken::Allowed { remaining: 4 }, "fifteen stay used");
    let less = Rate::new(5, hour, 3);
    let lowered = used(slow, 20).at_rate(less, slow, now);
    assert_eq!(take(&lowered, &"a", less, now), Taken::Refused(hour / 5), "no more than the new burst is used");
    let (more, table) = (Rate::new(5, hour, 21), used(slow, 20));
    assert!(std::sync::Arc::ptr_eq(&table, &table.at_rate(more, slow, now)), "a time means the same");
}

#[test]
fn a_table_of_another_rate_reports_what_was_counted_before_and_takes_no_answer_in_times_of_the_rate_before() {
    let (before, after, now) = (Rate::new(60, Duration::from_secs(3_600), 20), rate(100, 20), Duration::from_secs(10));
    let table = std::sync::Arc::new(Table::shared(10));
    table.unite(1, 1);
    assert!(is_allowed(take(&table, &"a", before, now)));
    let mut reporter = Reporter::default();
    let sent = reporter.collect(&table, before, 10, now);
    assert!(is_allowed(take(&table, &"a", before, now)));
    let table = table.at_rate(after, before, now);
    let late = Answer { ahead: 1_200_000_000_000, others: 0.0 };
    reporter.learn(&table, after, &sent[0], late, now);
    assert_eq!(take(&table, &"a", after, now), Taken::Allowed { remaining: 17 });
    let reports = reporter.collect(&table, after, 10, now);
    assert_eq!(reports.iter().map(|report| report.used).collect::<Vec<_>>(), [Duration::from_millis(20)]);
}

#[test]
fn who_keeps_to_the_quota_that_answers_tell_of_is_never_refused() {
    assert_eq!(Rate::new(10, Duration::from_secs(60), 1).quota(), (1, 6));
    assert_eq!(rate(100, 100).quota(), (100, 1));
    assert_eq!(rate(100, 250).quota(), (250, 3), "rounded up");
    for (requests, per, burst) in [(10, 60, 1), (10, 60, 10), (7, 1, 3), (1_000, 3_600, 11), (3, 86_400, 2)] {
        let (table, rate) = (Table::new(10), Rate::new(requests, Duration::from_secs(per), burst));
        let (quota, window) = rate.quota();
        for begun in 0..50 {
            let now = Duration::from_secs(1 + begun * window);
            assert!((0..quota).all(|_| is_allowed(take(&table, &"a", rate, now))), "{requests}/{per}, {burst}");
        }
    }
}
