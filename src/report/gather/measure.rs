//! How long a report of a year takes, and what `GET /api/v1/sla` reads, with two years of a hundred services.
//!
//! `cargo test --release --lib measure -- --ignored --nocapture`

use std::time::{Duration, Instant};

use super::tests::{Kept, promise};
use super::*;
use crate::ledger::tests::measure::{enter_two_years, names, timed};
use crate::report::{Format, json};

const DAY: i64 = 86_400_000;

#[test]
#[ignore = "takes minutes"]
fn a_report_of_a_year_of_a_hundred_services_takes_less_than_a_second() {
    let kept = Kept::new("measure");
    let end = enter_two_years(kept.1.as_ref().unwrap(), |_, _| {});
    let reader = kept.reader();
    let promises: BTreeMap<String, Promise> = names().iter().map(|name| (name.to_string(), promise())).collect();
    let period = |days: i64| Period { time: end.plus(-days * DAY - 12_345_000)..end, label: String::new() };
    let year = period(365);
    let begun = Instant::now();
    let made = timed("a report of a year, all services", || {
        report(
            &reader,
            Asked { period: &year, now: end, services: &[], promises: promises.clone(), windows: BTreeMap::new() },
        )
        .unwrap()
    });
    let text = timed("the same as Markdown", || Format::Markdown.write(&made));
    let took = begun.elapsed();
    assert_eq!((made.services.len(), made.services[7].days.len()), (100, 366));
    assert!(made.services[7].incidents.len() > 300 && text.contains("the switch of row 7 was replaced"));
    for format in [Format::Json, Format::Csv, Format::Html] {
        timed(format.as_str(), || format.write(&made));
    }
    timed("what GET /api/v1/sla reads, all services", || {
        let window = period(30);
        let history = History::read(&reader, &window).unwrap();
        promises
            .iter()
            .map(|(name, promise)| json::service(&history.service(name, promise.clone()).unwrap()))
            .for_each(drop);
    });
    assert!(cfg!(debug_assertions) || took < Duration::from_secs(1), "{took:?}");
}
