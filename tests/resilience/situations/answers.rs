//! Backends that are there and answer badly.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{PATIENCE, Setting, from, three};
use crate::load::Plan;
use crate::processes::wait_until;
use crate::proxy::Setup;
use crate::report::{Report, ms_or_never};
use crate::tally::{End, Tally};

/// The backend that has the trouble.
const B: usize = 1;

pub fn failing(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    let proxy = setting.proxy(&Setup { retry_on_500: true, ..Setup::of(&fleet) })?;
    let load = setting.load(setting.plan(&proxy));
    let turned = Instant::now();
    fleet.tell(B, "failing");
    // ejected: no request comes to it for 100 ms, in which it would get dozens
    let mut last = (fleet.requests(B), Instant::now());
    let ejected = wait_until(PATIENCE, || {
        let now = fleet.requests(B);
        if now > last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(100)
    });
    let lasts = setting.span(3000, 1500);
    sleep((turned + lasts).saturating_duration_since(Instant::now()));
    let since = fleet.requests(B) - last.0;
    fleet.tell(B, "good");
    sleep(setting.span(1500, 300));
    let tally = load.end();

    let mut report = Report::default();
    let second = turned + Duration::from_secs(1);
    let later = tally.since(second);
    report.must("0 lost after the first second", later.lost().is_empty() && !later.is_empty(), later.lost().of(&later));
    let first = tally.before(second);
    let measured =
        format!("after {}, {} in the first second lost", ms_or_never(from(turned, Some(last.1))), first.lost().len());
    report.must("ejected", ejected, measured);
    report.must("stays ejected while it fails", since == 0, format!("{since} requests"));
    Ok(report)
}

pub fn slow(setting: &Setting) -> Result<Report, String> {
    let mut fleet = three();
    let proxy = setting.proxy(&Setup { latency_factor: Some(3.0), ..Setup::of(&fleet) })?;
    let load = setting.load(setting.plan(&proxy));
    let turned = Instant::now();
    fleet.tell(B, "slow 800");
    // As a test: its share of 150 requests falls at some time. For the table: how it stands after 2 s. What reaches the
    // backends is counted, because its answers come late in any case.
    let fallen = wait_until(PATIENCE, || {
        let before: Vec<usize> = fleet.all().map(|n| fleet.requests(n)).collect();
        let mut since = vec![0; before.len()];
        wait_until(PATIENCE, || {
            since = fleet.all().map(|n| fleet.requests(n) - before[n]).collect();
            since.iter().sum::<usize>() >= 150
        }) && is_under_a_tenth(since[B], since.iter().sum())
    });
    sleep((turned + setting.span(5000, 0)).saturating_duration_since(Instant::now()));
    let ended = Instant::now();
    let tally = load.end();

    let mut report = Report::default();
    report.nothing_lost(&tally);
    report.must("its share falls under 10 % of fair", fallen, if fallen { "it did" } else { "it did not" });
    let window = tally.since(turned + Duration::from_secs(2)).before(ended);
    let (of_b, all) = (window.good_of(B).len(), window.len());
    let share = 300.0 * of_b as f64 / all.max(1) as f64;
    report.timing("within 2 s", is_under_a_tenth(of_b, all), format!("{share:.1} % of fair from 2 s on"));
    Ok(report)
}

/// Whether so many of all are less than a tenth of a third.
fn is_under_a_tenth(some: usize, all: usize) -> bool {
    some * 30 < all
}

pub fn closing_announced(setting: &Setting) -> Result<Report, String> {
    closing(setting, "closing 7 announced")
}

pub fn closing_unannounced(setting: &Setting) -> Result<Report, String> {
    closing(setting, "closing 7 unannounced")
}

fn closing(setting: &Setting, manners: &str) -> Result<Report, String> {
    let mut fleet = three();
    fleet.all().for_each(|n| fleet.tell(n, manners));
    let proxy = setting.proxy(&Setup::of(&fleet))?;
    let load = setting.load(setting.plan(&proxy));
    sleep(setting.span(5000, 1500));
    let mut report = Report::default();
    report.nothing_lost(&load.end());
    Ok(report)
}

pub fn half(setting: &Setting) -> Result<Report, String> {
    let tally = half_of(setting, |_| {})?;
    let mut report = Report::default();
    report.nothing_lost(&tally);
    Ok(report)
}

pub fn half_large(setting: &Setting) -> Result<Report, String> {
    let tally = half_of(setting, |plan| {
        plan.length = 64 * 1024;
        plan.rate /= 4;
    })?;
    let mut report = Report::default();
    let lost = tally.lost();
    let broken = lost.only(|sample| sample.end == End::Broken);
    report.must("broken answers are visibly broken", !broken.is_empty() && broken.len() == lost.len(), lost.of(&tally));
    let wrong = lost.only(|sample| sample.end == End::Wrong);
    report.must("none is cleanly short", wrong.is_empty(), wrong.of(&tally));
    Ok(report)
}

fn half_of(setting: &Setting, change: impl FnOnce(&mut Plan)) -> Result<Tally, String> {
    let mut fleet = three();
    let proxy = setting.proxy(&Setup::of(&fleet))?;
    let mut plan = setting.plan(&proxy);
    change(&mut plan);
    let load = setting.load(plan);
    fleet.tell(B, "half");
    sleep(setting.span(3000, 1500));
    fleet.tell(B, "good");
    sleep(setting.span(1000, 300));
    Ok(load.end())
}
