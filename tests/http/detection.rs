//! Faults that detection finds in real traffic, what it does about them, and where it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::support::{Conn, OK, Origin, Port, Proxy, Scratch, config, wait_until};

/// A backend that answers at once until it is told to hang: then it takes requests and answers none.
fn that_may_hang() -> (Origin, Arc<AtomicBool>) {
    let hangs = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&hangs);
    let origin = Origin::script(move |conn: &mut Conn| {
        while conn.request().is_ok() {
            if told.load(Ordering::Relaxed) {
                // until the proxy closes the connection
                conn.is_closed();
                return;
            }
            conn.send(OK);
        }
    });
    (origin, hangs)
}

/// Sends requests one after the other until all backends have answered many.
fn warm_up(proxy: &Proxy) {
    let mut client = proxy.client();
    assert!((0..600).all(|_| client.get("/").status == 200));
}

fn events(proxy: &Proxy, kind: &str) -> Vec<serde_json::Value> {
    let answer = proxy.admin("/api/v1/events?limit=10000").unwrap();
    let all: Vec<serde_json::Value> = serde_json::from_str(&answer.text()).unwrap();
    all.into_iter().filter(|event| event["kind"] == kind).collect()
}

#[test]
fn what_waits_for_a_backend_that_hangs_is_answered_by_another() {
    let ((bad, hangs), well, other) = (that_may_hang(), Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&config("", "balance = \"round_robin\"", &[&bad, &well, &other]));
    warm_up(&proxy);
    hangs.store(true, Ordering::Relaxed);
    let answered = AtomicU32::new(0);
    std::thread::scope(|scope| {
        // each on a connection of its own; the time-out of an answer is a minute
        for _ in 0..12 {
            scope.spawn(|| {
                let mut client = proxy.client();
                for _ in 0..40 {
                    assert_eq!(client.get("/").status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(answered.load(Ordering::Relaxed), 12 * 40);
    let faults: serde_json::Value = serde_json::from_str(&proxy.admin("/api/v1/faults").unwrap().text()).unwrap();
    let fault = &faults[0];
    assert_eq!(fault["backend"], bad.address(), "{faults}");
    assert_eq!((&fault["fault"], &fault["scope"]), (&"unresponsive".into(), &"backend".into()), "{faults}");
    assert_eq!(fault["votes"][0]["detector"], "peers", "{faults}");
    assert!(fault["action"].as_str().unwrap().starts_with("ejected for"), "{faults}");
    let told = events(&proxy, "fault_raised");
    assert_eq!(told[0]["cause"]["fault"], "unresponsive");
    assert_eq!(told[0]["backend"], bad.address());
    let ejected = events(&proxy, "backend_ejected");
    assert_eq!(ejected[0]["backend"], bad.address());
    let series = "evenkeel_faults_total{service=\"api\",fault=\"unresponsive\"}";
    assert_eq!(proxy.metric(series), 1);
}

#[test]
fn a_reload_keeps_what_was_found() {
    let ((bad, hangs), well, other) = (that_may_hang(), Origin::ok(), Origin::ok());
    let toml = |extra: &str| config("", &format!("balance = \"round_robin\"\n{extra}"), &[&bad, &well, &other]);
    let proxy = Proxy::start(&toml(""));
    warm_up(&proxy);
    hangs.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| (0..40).for_each(|_| assert_eq!(proxy.client().get("/").status, 200)));
        }
    });
    wait_until("a fault is found", || !events(&proxy, "fault_raised").is_empty());
    assert_eq!(proxy.reload(&toml("via = \"off\"")).status, 200);
    let faults = proxy.admin("/api/v1/faults").unwrap().text();
    assert!(faults.contains("\"unresponsive\"") && faults.contains("\"until\":null"), "{faults}");
    assert!(events(&proxy, "fault_cleared").is_empty());
}

#[test]
fn the_fault_of_a_backend_that_a_reload_removes_is_cleared_as_its_own() {
    let ((bad, hangs), well, other) = (that_may_hang(), Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&config("", "balance = \"round_robin\"", &[&bad, &well, &other]));
    warm_up(&proxy);
    hangs.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| (0..40).for_each(|_| assert_eq!(proxy.client().get("/").status, 200)));
        }
    });
    wait_until("a fault is found", || !events(&proxy, "fault_raised").is_empty());
    // the others move up by one place
    assert_eq!(proxy.reload(&config("", "balance = \"round_robin\"", &[&well, &other])).status, 200);
    wait_until("it is cleared", || !events(&proxy, "fault_cleared").is_empty());
    assert_eq!(events(&proxy, "fault_cleared")[0]["backend"], bad.address());
    let faults: serde_json::Value = serde_json::from_str(&proxy.admin("/api/v1/faults").unwrap().text()).unwrap();
    assert_eq!(faults[0]["backend"], bad.address(), "{faults}");
    assert!(faults[0]["until"].is_string(), "{faults}");
}

#[test]
fn a_backend_that_resets_kept_connections_again_and_again_does_not_lose_a_race() {
    let resets = |conn: &mut Conn| {
        let mut answered = 0;
        while conn.request().is_ok() {
            answered += 1;
            if answered % 3 == 0 {
                conn.reset();
                return;
            }
            conn.send(OK);
        }
    };
    let (bad, well, other) = (Origin::script(resets), Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&bad, &well, &other]));
    let mut client = proxy.client();
    wait_until("its resets are counted", || {
        assert_eq!(client.get("/").status, 200, "what it resets is tried again");
        proxy.metrics().lines().any(|line| {
            let is_its = line.starts_with("evenkeel_backend_failures_total") && line.contains(bad.address());
            is_its && !line.ends_with(" 0")
        })
    });
}

#[test]
fn nobody_is_at_fault_when_all_backends_are_slow_together() {
    let slow = Arc::new(AtomicBool::new(false));
    let answer = |slow: Arc<AtomicBool>| {
        Origin::script(move |conn: &mut Conn| {
            while conn.request().is_ok() {
                if slow.load(Ordering::Relaxed) {
                    std::thread::sleep(std::time::Duration::from_millis(30));
                }
                conn.send(OK);
            }
        })
    };
    let origins = [0, 1, 2].map(|_| answer(Arc::clone(&slow)));
    let proxy = Proxy::start(&config("", "", &[&origins[0], &origins[1], &origins[2]]));
    warm_up(&proxy);
    slow.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = proxy.client();
                (0..60).for_each(|_| assert_eq!(client.get("/").status, 200));
            });
        }
    });
    assert_eq!(proxy.admin("/api/v1/faults").unwrap().text().trim(), "[]");
}

#[test]
fn what_a_service_depends_on_is_checked_until_a_reload_takes_it_away() {
    let (well, other, nobody) = (Origin::ok(), Origin::ok(), Port::reserve());
    let dependency = format!(
        "[service.api.detect]\n[[service.api.detect.dependency]]\nname = \"database\"\nendpoint = \"tcp://{}\"\n\
         interval = \"100ms\"\ntimeout = \"100ms\"",
        nobody.address()
    );
    let proxy = Proxy::start(&config("", &dependency, &[&well, &other]));
    wait_until("it is missed", || !events(&proxy, "fault_raised").is_empty());
    let fault = &events(&proxy, "fault_raised")[0];
    assert_eq!((&fault["cause"]["fault"], &fault["cause"]["scope"]), (&"dependency_failure".into(), &"service".into()));
    assert!(fault["text"].as_str().unwrap().contains("database"), "{fault}");
    assert_eq!(proxy.reload(&config("", "[service.api.detect]", &[&well, &other])).status, 200);
    wait_until("the fault is cleared", || !events(&proxy, "fault_cleared").is_empty());
}

#[test]
fn what_the_detectors_see_is_recorded() {
    let (well, other, scratch) = (Origin::ok(), Origin::ok(), Scratch::new());
    let file = scratch.path().join("samples.csv");
    let detect = format!("[service.api.detect]\ninterval = \"100ms\"\nrecord = {file:?}");
    let proxy = Proxy::start(&config("", &detect, &[&well, &other]));
    let mut client = proxy.client();
    let answered = |address: &str| {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        // time, service, backend, requests
        let is_its = |row: &&str| row.split(',').nth(2) == Some(address);
        text.lines().filter(is_its).any(|row| row.split(',').nth(3).is_some_and(|requests| requests != "0"))
    };
    wait_until("both have rows with requests", || {
        assert_eq!(client.get("/").status, 200);
        answered(well.address()) && answered(other.address())
    });
}

#[test]
fn a_backend_that_refuses_requests_is_checked_at_once_and_goes_down_long_before_its_checks_would_tell() {
    let (well, nobody) = (Origin::ok(), Port::reserve());
    // failures of requests alone eject nobody, and the checks that are due by themselves come too late to see anything
    let service = "[service.api.outlier]\nconsecutive_failures = 0\nerror_rate = 0.0\nlatency_factor = 0.0\n\
                   [service.api.health]\nkind = \"tcp\"\ninterval = \"1h\"\nfast_interval = \"1h\"\nfall = 3";
    let backends = crate::support::backend(nobody.address());
    let proxy = Proxy::start(&(config("", service, &[&well]) + &backends));
    let mut client = proxy.client();
    wait_until("it is down", || {
        assert_eq!(client.get("/").status, 200);
        proxy.status()["services"]["api"]["backends"][1]["state"] == "down"
    });
    assert_eq!(proxy.status()["services"]["api"]["backends"][1]["by"], "checks");
    assert_eq!(proxy.status()["services"]["api"]["backends"][0]["state"], "up");
}
