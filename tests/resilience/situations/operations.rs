//! What is done to the proxy itself: reload, upgrade, stop. Part of the load comes on fresh connections, so that a socket
//! that is closed, or changes hands, is noticed.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{PATIENCE, Setting, three};
use crate::load::{Load, Plan};
use crate::processes::wait_until;
use crate::proxy::{Peer, Proxy, Setup};
use crate::report::{Report, ms, ms_or_never};

/// How long a process may take to leave: the contract's `drain_timeout`, and some more.
const LEAVES: Duration = Duration::from_secs(35);

fn plan(setting: &Setting, proxy: &Proxy) -> Plan {
    Plan { fresh: 10, ..setting.plan(proxy) }
}

pub fn reloads(setting: &Setting) -> Result<Report, String> {
    let fleet = three();
    let mut proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(plan(setting, &proxy));
    let slowest =
        reload_again_and_again(&mut proxy, &load, setting.times(25, 8), Duration::from_millis(200), |_, _| {});
    sleep(setting.span(1000, 300));
    let tally = load.end();
    let mut report = Report::default();
    report.nothing_lost(&tally);
    let measured = format!("each within {}", ms_or_never(slowest));
    report.must("the last one is in force", slowest.is_some(), measured);
    Ok(report)
}

pub fn upgrade(setting: &Setting) -> Result<Report, String> {
    let fleet = three();
    let mut proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(plan(setting, &proxy));
    let generation = proxy.rewrite(|_| {});
    proxy.upgrade();
    let serves = in_force(&load, generation);
    sleep(setting.span(3000, 1000));
    // HAProxy's master stays and replaces its worker
    let waits = setting.peer == Peer::Evenkeel && serves.is_some();
    let ended = proxy.ends_within(if waits { LEAVES } else { Duration::ZERO });
    sleep(setting.span(1000, 300));
    let tally = load.end();
    let mut report = Report::default();
    report.nothing_lost(&tally);
    report.must("a new process serves", serves.is_some(), ms_or_never(serves));
    if setting.peer == Peer::Evenkeel {
        left(&mut report, "the old one leaves in order", ended);
    }
    Ok(report)
}

pub fn stop(setting: &Setting) -> Result<Report, String> {
    let fleet = three();
    let mut first = setting.proxy(&Setup::of(&fleet))?;
    let second = first.start_another(&Setup { generation: 1, ..Setup::of(&fleet) })?;
    let load = setting.load(plan(setting, &first));
    first.stop();
    sleep(setting.span(3000, 1500));
    let ended = first.ends_within(LEAVES);
    sleep(setting.span(500, 200));
    let tally = load.end();
    drop(second);
    let mut report = Report::default();
    report.nothing_lost(&tally);
    let both = [0, 1].map(|generation| tally.only(|sample| sample.generation == Some(generation)).len());
    report.must("both served", both.iter().all(|n| *n > 0), format!("{} and {}", both[0], both[1]));
    left(&mut report, "the one that is stopped leaves in order", ended);
    Ok(report)
}

/// Waits until this generation of the configuration answers; after what time it did.
fn in_force(load: &Load, generation: usize) -> Option<Duration> {
    let begun = Instant::now();
    wait_until(PATIENCE, || load.generation() >= generation).then(|| begun.elapsed())
}

/// Reloads so many times, each time with another configuration, one every `period`. The longest time until one was in force;
/// nothing when the last one never was.
fn reload_again_and_again(
    proxy: &mut Proxy,
    load: &Load,
    times: usize,
    period: Duration,
    change: impl Fn(usize, &mut Setup),
) -> Option<Duration> {
    let (mut generation, mut slowest) = (0, Duration::ZERO);
    for n in 0..times {
        generation = proxy.rewrite(|setup| change(n, setup));
        let asked = Instant::now();
        proxy.reload();
        wait_until(period, || load.generation() >= generation);
        slowest = slowest.max(asked.elapsed());
        sleep(period.saturating_sub(asked.elapsed()));
    }
    in_force(load, generation).map(|late| slowest.max(late))
}

fn left(report: &mut Report, required: &str, ended: Option<String>) {
    let met = ended.as_deref().is_some_and(|status| status.ends_with(": 0"));
    report.must(required, met, ended.unwrap_or_else(|| "it stays".to_owned()));
}

pub fn crowd(setting: &Setting) -> Result<Report, String> {
    let fleet = three();
    let mut proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(setting.plan(&proxy));
    let settled = Instant::now();
    sleep(setting.span(5000, 0));
    let size = if setting.full { 10_000 } else { 1000 };
    let reloaded = Instant::now();
    // the list grows, shrinks and grows again
    let change = |n: usize, setup: &mut Setup| setup.crowd = if n.is_multiple_of(2) { size } else { size / 2 };
    let slowest = reload_again_and_again(&mut proxy, &load, setting.times(10, 3), setting.span(1000, 500), change);
    let tally = load.end();
    let mut report = Report::default();
    report.nothing_lost(&tally);
    report.must("the last one is in force", slowest.is_some(), if slowest.is_some() { "it is" } else { "it is not" });
    report.timing("each within 200 ms", slowest.is_some_and(|t| t.as_millis() <= 200), ms_or_never(slowest));
    let (before, during) = (tally.since(settled).before(reloaded).quantile(0.99), tally.since(reloaded).quantile(0.99));
    let measured = format!("{} before, {} during", ms(before), ms(during));
    report.timing("p99 not above 2 x", during <= before * 2, measured);
    Ok(report)
}
