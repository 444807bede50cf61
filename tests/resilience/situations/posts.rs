//! Requests that must not be executed twice.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{PATIENCE, Setting, three};
use crate::fleet::Fleet;
use crate::load::Plan;
use crate::processes::wait_until;
use crate::proxy::{Proxy, Setup};
use crate::report::Report;
use crate::tally::Tally;

fn plan(setting: &Setting, proxy: &Proxy) -> Plan {
    Plan { post: true, ..setting.plan(proxy) }
}

pub fn killed(setting: &Setting) -> Result<Report, String> {
    // A while passes between a request's execution and its answer, so that each kill hits some that were executed: a proxy
    // that tries them again is found out.
    let manners = if setting.full { "slow 10" } else { "slow 40" };
    let mut fleet = three();
    fleet.all().for_each(|n| fleet.tell(n, manners));
    let proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(plan(setting, &proxy));
    let mut kills = Vec::new();
    for n in 0..setting.times(4, 2) {
        let n = n % 3;
        let begun = Instant::now();
        fleet.kill(n);
        kills.push(begun - Duration::from_secs(1)..Instant::now() + setting.aftermath());
        sleep(setting.span(800, 400));
        let before = load.answered_by(n);
        fleet.revive(n);
        fleet.tell(n, manners);
        wait_until(PATIENCE, || load.answered_by(n) > before);
        sleep(setting.span(800, 200));
    }
    let tally = load.end();

    let mut report = Report::default();
    executed_once(&mut report, &fleet, &tally);
    let lost = tally.lost();
    // A connection that a dead process had ends at once; what begins later finds none, and was certainly not executed.
    let far = lost.only(|sample| !kills.iter().any(|kill| kill.contains(&sample.begun)));
    let executions = fleet.executions();
    let executed = lost.only(|sample| executions.contains_key(&sample.id)).len();
    let measured = format!("lost {}; {executed} were executed, {} far from a kill", lost.of(&tally), far.len());
    report.must("lost only what may have been executed", far.is_empty(), measured);
    Ok(report)
}

pub fn hangs_hedged(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    let setup = Setup { response_timeout: Some("1s"), hedge: Some("40ms"), ..Setup::of(&fleet) };
    let proxy = setting.proxy(&setup)?;
    let load = setting.load(plan(setting, &proxy));
    sleep(setting.span(3000, 1000));
    fleet.stop(1);
    sleep(setting.span(3000, 2000));
    fleet.go_on(1);
    // what it was sent it executes now
    sleep(setting.span(1500, 500));
    let tally = load.end();

    let mut report = Report::default();
    executed_once(&mut report, &fleet, &tally);
    let reached: usize = fleet.all().map(|n| fleet.requests(n)).sum();
    report.must(
        "none is sent twice",
        reached <= tally.len(),
        format!("{reached} reached a backend of {}", tally.len()),
    );
    Ok(report)
}

pub fn closing(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    fleet.all().for_each(|n| fleet.tell(n, "closing 7 unannounced"));
    let proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(plan(setting, &proxy));
    sleep(setting.span(5000, 2000));
    let tally = load.end();

    let mut report = Report::default();
    executed_once(&mut report, &fleet, &tally);
    let lost = tally.lost();
    let share = 100.0 * lost.len() as f64 / tally.len().max(1) as f64;
    report.must("under 1 % lost", share < 1.0, format!("{share:.2} %: {}", lost.of(&tally)));
    Ok(report)
}

/// No request was executed twice; and the books are kept: what was answered was executed.
fn executed_once(report: &mut Report, fleet: &Fleet, tally: &Tally) {
    let executions = fleet.executions();
    let twice = executions.values().filter(|n| **n > 1).count();
    let unknown = tally.iter().filter(|sample| !executions.contains_key(&sample.id)).count();
    let lost = tally.lost().len();
    report.must("none executed twice", twice == 0, format!("{twice} twice"));
    report.must("all answered ones were executed", unknown <= lost, format!("{} executed", executions.len()));
}
