//! Backends that die, hang and come back.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{PATIENCE, Setting, from, three};
use crate::processes::wait_until;
use crate::proxy::Setup;
use crate::report::{Report, ms, ms_or_never};
use crate::tally::End;

const SECOND: Duration = Duration::from_secs(1);

/// The backend that has the trouble.
const B: usize = 1;

pub fn killed(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    let proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(setting.plan(&proxy));
    fleet.kill(B);
    sleep(setting.span(3000, 1000));
    let before = load.answered_by(B);
    let back = fleet.revive(B);
    let returned = wait_until(PATIENCE, || load.answered_by(B) > before);
    sleep(setting.span(1500, 300));
    let tally = load.end();

    let mut report = Report::default();
    report.nothing_lost(&tally);
    report.must("traffic returns", returned, if returned { "it did" } else { "it did not" });
    let after = from(back, tally.good_of(B).since(back).first_end());
    report.timing("within 1 s", after.is_some_and(|t| t <= SECOND), ms_or_never(after));
    Ok(report)
}

pub fn hangs(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    let setup = Setup { response_timeout: Some("1s"), ..Setup::of(&fleet) };
    let proxy = setting.proxy(&setup)?;
    let load = setting.load(setting.plan(&proxy));
    let stopped = Instant::now();
    fleet.stop(B);
    sleep(setting.span(3000, 2000));
    let last = Instant::now();
    fleet.go_on(B);
    sleep(setting.span(1500, 500));
    let tally = load.end();

    let mut report = Report::default();
    report.nothing_lost(&tally);
    // What is sent to it within the first second can't be told from what is merely slow. Then the first ones time out.
    let ejected = stopped + SECOND + setting.aftermath();
    let slow = tally.only(|sample| sample.took > SECOND);
    let (sent, later) = (slow.before(ejected), slow.since(ejected).before(last));
    let share = tally.since(stopped).before(ejected).len() / 3 + 1;
    let measured = format!("{} slow, {share} sent to it, slowest {}", sent.len(), ms(tally.slowest()));
    report.timing("only exchanges already on it slower than 1 s", sent.len() <= share + share / 10, measured);
    report.timing("none after it is ejected", later.is_empty(), format!("{} slow", later.len()));
    Ok(report)
}

pub fn hangs_hedged(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    let setup = Setup { response_timeout: Some("1s"), hedge: Some("p95"), ..Setup::of(&fleet) };
    let proxy = setting.proxy(&setup)?;
    let load = setting.load(setting.plan(&proxy));
    // the quantile is known, and hedges are paid for by the requests of ten seconds
    sleep(setting.span(8000, 2000));
    let stopped = Instant::now();
    fleet.stop(B);
    sleep(setting.span(3000, 2000));
    fleet.go_on(B);
    sleep(setting.span(1500, 500));
    let tally = load.end();

    let mut report = Report::default();
    report.nothing_lost(&tally);
    let slow = tally.only(|sample| sample.took > SECOND);
    let measured = format!("{} of {}, slowest {}", slow.len(), tally.len(), ms(tally.slowest()));
    report.timing("none slower than 1 s", slow.is_empty(), measured);
    let after = tally.since(stopped).quantile(0.999);
    report.timing("p99.9 since then within 200 ms", after.as_millis() <= 200, ms(after));
    let reached: usize = fleet.all().map(|n| fleet.requests(n)).sum();
    let beside = reached.saturating_sub(tally.len());
    let share = 100.0 * beside as f64 / tally.len().max(1) as f64;
    // what is sent again because its backend was found to hang is beside it too
    let measured = format!("{share:.2} %: {beside} of {}", tally.len());
    report.timing("the backends get at most 5 % more", share <= 5.0, measured);
    let hedges = proxy.metric("evenkeel_hedges_total");
    let made: u64 = ["won", "lost", "failed", "cancelled"].iter().filter_map(|outcome| hedges.get(*outcome)).sum();
    report.must("at most 5 % are hedged", made > 0 && made * 20 <= tally.len() as u64, format!("{hedges:?}"));
    Ok(report)
}

pub fn flaps(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    let proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(setting.plan(&proxy));
    for _ in 0..setting.times(10, 4) {
        fleet.kill(B);
        sleep(Duration::from_millis(300));
        fleet.revive(B);
        sleep(Duration::from_millis(300));
    }
    let tally = load.end();
    let mut report = Report::default();
    report.nothing_lost(&tally);
    Ok(report)
}

pub fn all_gone(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    let proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(setting.plan(&proxy));
    let gone = Instant::now();
    fleet.kill_all();
    sleep(setting.span(2000, 1000));
    let before = load.answered();
    let last = Instant::now();
    let back = fleet.all().map(|n| fleet.revive(n)).min().unwrap_or(last);
    let returned = wait_until(PATIENCE, || load.answered() > before);
    sleep(setting.span(1500, 500));
    let tally = load.end();

    let mut report = Report::default();
    // the last of them may be answered by a backend that is back already
    let meanwhile = tally.since(gone + setting.aftermath()).before(last);
    let meanwhile = meanwhile.only(|sample| sample.end != End::Good || sample.ended() < back);
    let wrong = meanwhile.only(|sample| sample.end != End::Status(503));
    report.must("503 to all", wrong.is_empty() && !meanwhile.is_empty(), meanwhile.of(&meanwhile));
    let hanging = tally.only(|sample| sample.end == End::Late);
    report.must("none hangs", hanging.is_empty(), hanging.of(&tally));
    let slowest = meanwhile.slowest();
    report.timing("within 20 ms each", slowest.as_millis() <= 20, format!("slowest {}", ms(slowest)));
    report.must("traffic returns", returned, if returned { "it did" } else { "it did not" });
    let good = tally.since(gone + setting.aftermath()).only(|sample| sample.end == End::Good && sample.ended() >= back);
    let first = from(back, good.first_end());
    report.timing("first success within 50 ms", first.is_some_and(|t| t.as_millis() <= 50), ms_or_never(first));
    Ok(report)
}
