//! What happens over time when one backend of twenty is slow, heals, or fails fast.

use evenkeel::policy::Balance;

use crate::fleet::ALL;
use crate::simulator::{Backend, Does, Run, Scenario, simulate};

/// Those that look at how the backends are doing.
const ADAPTIVE: [Balance; 3] = [Balance::PowerOfTwo, Balance::LeastConnections, Balance::ResponseTime];

/// Milliseconds; each a little different from the next.
const fn usual(n: usize) -> fn(u64) -> Does {
    [
        |_| Does::Answers(8.0),
        |_| Does::Answers(9.0),
        |_| Does::Answers(10.0),
        |_| Does::Answers(11.0),
        |_| Does::Answers(12.0),
    ][n % 5]
}

/// Twenty backends, each able to work on 8 exchanges at a time; the last does something else.
fn fleet(last: fn(u64) -> Does, rate: f64, seconds: u64) -> Scenario {
    let mut backends: Vec<_> = (0..20).map(|n| Backend { weight: 1, slots: 8, does: usual(n) }).collect();
    backends[ODD_ONE].does = last;
    Scenario { backends, rate, seconds, clients: 1_000, seed: 1 }
}

const ODD_ONE: usize = 19;
const FAIR: f64 = 1.0 / 20.0;

/// The mean share of those that are as fast as the odd one is when it is well.
fn share_of_peers(run: &Run, seconds: std::ops::Range<u64>) -> f64 {
    [2, 7, 12, 17].map(|peer| run.share(peer, seconds.clone())).iter().sum::<f64>() / 4.0
}

#[test]
fn one_slow_by_ten_times_spoils_the_p99_of_round_robin_and_of_none_that_looks() {
    // 20 % and 50 % of what the others can do. Round robin gives the slow one its twentieth, 125 and 300 a second, of which it
    // can do 80.
    for rate in [2_500.0, 6_000.0] {
        let scenario = fleet(|_| Does::Answers(100.0), rate, 15);
        let p99 = |balance| simulate(balance, &scenario).percentile(0.99, 5..15);
        let round_robin = p99(Balance::RoundRobin);
        for balance in ADAPTIVE {
            let p99 = p99(balance);
            println!("{rate}/s {balance:?}: p99 {p99:.1} ms, round robin {round_robin:.1} ms");
            assert!(p99 <= round_robin / 2.0, "{balance:?} at {rate}/s: {p99} ms, round robin {round_robin} ms");
        }
    }
}

#[test]
fn a_slow_one_is_still_tried_and_gets_its_share_back_within_30_s_when_it_has_healed() {
    // it heals right after a try, so the next one is as late as can be
    let scenario = fleet(|second| Does::Answers(if second < 17 { 100.0 } else { 10.0 }), 1_500.0, 52);
    for balance in ADAPTIVE {
        let run = simulate(balance, &scenario);
        let (slow, after) = (run.share(ODD_ONE, 1..17), run.share(ODD_ONE, 47..52));
        let (tries, fair) = (run.count(ODD_ONE, 1..17), share_of_peers(&run, 47..52));
        println!("{balance:?}: {tries} tries in 16 s ({slow:.4}), {after:.4} after, its peers {fair:.4}");
        assert!(tries >= 1 && slow < FAIR / 2.0, "{balance:?}: {slow:.4} of the exchanges while it was slow");
        assert!((fair * 0.7..fair * 1.3).contains(&after), "{balance:?}: {after:.4} when healed, its peers {fair:.4}");
    }
}

#[test]
fn one_that_fails_fast_attracts_no_traffic_and_gets_its_share_back_when_it_has_healed() {
    let does = |second| if second < 20 { Does::Fails } else { Does::Answers(10.0) };
    for rate in [200.0, 1_500.0] {
        let scenario = fleet(does, rate, 55);
        for balance in ADAPTIVE {
            let run = simulate(balance, &scenario);
            let (failing, after) = (run.share(ODD_ONE, 0..20), run.share(ODD_ONE, 50..55));
            let fair = share_of_peers(&run, 50..55);
            println!("{rate}/s {balance:?}: {failing:.4} while it failed, {after:.4} after, its peers {fair:.4}");
            assert!(failing < FAIR / 5.0, "{balance:?} at {rate}/s: {failing:.4} of the attempts");
            assert!(run.count(ODD_ONE, 1..20) > 0, "{balance:?}: it is tried again");
            assert!(after > fair * 0.6, "{balance:?} at {rate}/s: {after:.4}, its peers {fair:.4}");
            assert!(run.exchanges.iter().all(|exchange| exchange.took.is_some()), "each is answered by another");
        }
    }
}

#[test]
fn without_any_trouble_every_algorithm_uses_all_of_twenty() {
    let scenario = fleet(usual(2), 1_500.0, 5);
    for (name, balance) in ALL {
        let run = simulate(balance, &scenario);
        for backend in 0..20 {
            let share = run.share(backend, 0..5);
            assert!((FAIR / 3.0..FAIR * 2.0).contains(&share), "{name}: {share:.4} for backend {backend}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let scenario = fleet(|_| Does::Fails, 500.0, 2);
    for (name, balance) in ALL {
        let attempts = || simulate(balance, &scenario).attempts;
        assert_eq!(attempts(), attempts(), "{name}");
    }
}
