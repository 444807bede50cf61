//! What is done to the proxy itself: reload, upgrade, stop. Part of the load comes on fresh connections, so that a socket
//! that is closed, or changes hands, is noticed.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{PATIENCE, Setting, three};
use crate::load::Plan;
use crate::processes::wait_until;
use crate::proxy::{Peer, Proxy, Setup};
use crate::report::{Report, ms};

/// How long a process may take to leave: the contract's `drain_timeout`, and some more.
const LEAVES: Duration = Duration::from_secs(35);

fn plan(setting: &Setting, proxy: &Proxy) -> Plan {
    Plan { fresh: 10, ..setting.plan(proxy) }
}

pub fn reloads(setting: &Setting) -> Result<Report, String> {
    let fleet = three();
    let mut proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(plan(setting, &proxy));
    let mut generation = 0;
    for _ in 0..setting.times(25, 8) {
        generation = proxy.rewrite(|_| {});
        proxy.reload();
        sleep(Duration::from_millis(200));
    }
    sleep(setting.span(1000, 500));
    let tally = load.end();
    let mut report = Report::default();
    report.nothing_lost(&tally);
    let last = tally.last_generation();
    report.must("the last one is in force", last == generation, format!("{last} of {generation}"));
    Ok(report)
}

pub fn upgrade(setting: &Setting) -> Result<Report, String> {
    let fleet = three();
    let mut proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(plan(setting, &proxy));
    let generation = proxy.rewrite(|_| {});
    proxy.upgrade();
    let succeeded = wait_until(PATIENCE, || proxy.has_successor());
    sleep(setting.span(3000, 1500));
    // HAProxy's master stays and replaces its worker
    let waits = setting.peer == Peer::Evenkeel && succeeded;
    let ended = if waits { proxy.ends_within(LEAVES) } else { None };
    sleep(setting.span(1000, 300));
    let tally = load.end();
    let mut report = Report::default();
    report.nothing_lost(&tally);
    let last = tally.last_generation();
    report.must("a new process serves", last == generation, if last == generation { "it does" } else { "it does not" });
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
    let mut generation = 0;
    for n in 0..setting.times(10, 3) {
        // the list grows, changes and shrinks
        generation = proxy.rewrite(|setup| setup.crowd = if n % 2 == 0 { size } else { size / 2 });
        proxy.reload();
        sleep(setting.span(1000, 500));
    }
    sleep(setting.span(0, 1000));
    let tally = load.end();
    let mut report = Report::default();
    report.nothing_lost(&tally);
    let last = tally.last_generation();
    report.must("the last one is in force", last == generation, format!("{last} of {generation}"));
    let (before, during) = (tally.since(settled).before(reloaded).quantile(0.99), tally.since(reloaded).quantile(0.99));
    let measured = format!("{} before, {} during", ms(before), ms(during));
    report.timing("p99 not above 2 x", during <= before * 2, measured);
    Ok(report)
}
