//! Which backend a session goes to, and what becomes of it when that one is unwell.

use crate::support::{Origin, Port, Proxy, backend, config, wait_until};
use crate::tcp::{TCP, tcp};

/// A backend that says who it is, and then what it hears.
fn named(name: &'static str) -> Origin {
    Origin::script(move |conn| {
        conn.send(name);
        conn.echo();
    })
}

/// A configuration with a backend that nobody listens at, and these.
fn with_a_dead_one(dead: &Port, service: &str, backends: &[&Origin]) -> String {
    config(TCP, service, backends) + &backend(dead.address())
}

#[test]
fn sessions_are_dealt_out() {
    let (a, b) = (named("a"), named("b"));
    let proxy = tcp("", "", &[&a, &b]);
    let mut sessions: Vec<_> = (0..8).map(|_| proxy.client()).collect();
    sessions.iter_mut().for_each(|session| _ = session.bytes(1));
    // two workers deal in turn, each for itself
    assert!((3..=5).contains(&a.connections()), "{} of 8", a.connections());
}

#[test]
fn a_backend_that_refuses_costs_the_client_nothing() {
    let (dead, a) = (Port::reserve(), named("a"));
    let proxy = Proxy::start(&with_a_dead_one(&dead, "", &[&a]));
    for _ in 0..20 {
        assert_eq!(proxy.client().bytes(1), b"a");
    }
    let metrics = proxy.metrics();
    let failures = format!("evenkeel_backend_failures_total{{service=\"api\",backend=\"{}\"}}", dead.address());
    assert!(metrics.lines().any(|line| line.starts_with(&failures) && !line.ends_with(" 0")), "{metrics}");
    wait_until("its failures in a row eject it", || {
        let _ = proxy.client().bytes(1);
        proxy.metrics().contains("evenkeel_ejections_total{service=\"api\"")
    });
}

#[test]
fn a_backend_that_breaks_off_before_anything_was_said_costs_the_client_nothing() {
    let broken = Origin::script(|conn| conn.reset());
    let a = named("a");
    let proxy = tcp("", "", &[&broken, &a]);
    for _ in 0..4 {
        assert_eq!(proxy.client().bytes(1), b"a");
    }
    assert!(broken.connections() > 0, "it was never tried");
}

#[test]
fn each_backend_that_fails_a_session_is_tried_and_counted_once() {
    let dead = [Port::reserve(), Port::reserve()];
    let broken: Vec<Origin> = (0..3).map(|_| Origin::script(|conn| conn.reset())).collect();
    let service = "retry = { attempts = 4, back_off = \"1ms\" }\noutlier = { max_ejected = 0.0 }\n";
    let mut toml = config(TCP, service, &broken.iter().collect::<Vec<_>>());
    toml.extend(dead.iter().map(|port| backend(port.address())));
    let proxy = Proxy::start(&toml);
    assert!(proxy.client().is_reset());
    proxy.wait_for_metrics("code_class=\"failed\"} 1");
    let sum = |of: &str| -> u64 {
        let metrics = proxy.metrics();
        metrics
            .lines()
            .filter(|line| line.starts_with(of))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    };
    assert_eq!(broken.iter().map(Origin::connections).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(sum("evenkeel_backend_failures_total{"), 5);
    assert_eq!(sum("evenkeel_retries_total{service=\"api\",outcome=\"failed\"}"), 4, "{}", proxy.metrics());
    assert_eq!(sum("evenkeel_retries_total{service=\"api\",outcome=\"succeeded\"}"), 0, "{}", proxy.metrics());
}

#[test]
fn a_session_whose_second_backend_serves_it_is_one_retry_that_succeeded() {
    let (broken, a) = (Origin::script(|conn| conn.reset()), named("a"));
    let proxy = tcp("", "", &[&broken, &a]);
    for _ in 0..4 {
        assert_eq!(proxy.client().bytes(1), b"a");
    }
    let retried = |outcome| proxy.metric(&format!("evenkeel_retries_total{{service=\"api\",outcome=\"{outcome}\"}}"));
    // a client has its first byte a moment before that is counted
    wait_until("each is counted", || retried("succeeded") == broken.connections() as u64);
    assert_eq!(retried("failed"), 0);
}

#[test]
fn what_may_have_been_heard_is_not_said_to_another() {
    let broken = Origin::script(|conn| {
        conn.bytes(5);
        conn.reset();
    });
    let proxy = tcp("", "", &[&broken]);
    let mut client = proxy.client();
    client.send("hello");
    assert!(client.is_reset());
    assert_eq!(broken.connections(), 1);
}

#[test]
fn a_service_with_nothing_left_breaks_off_at_once() {
    let dead = Port::reserve();
    let proxy = Proxy::start(&with_a_dead_one(&dead, "", &[]));
    let mut client = proxy.client();
    assert!(client.is_reset(), "a clean end would say that there was nothing to say");
    proxy.wait_for_metrics("code_class=\"failed\"} 1");
}

#[test]
fn a_hash_of_the_client_s_address_keeps_it_with_its_backend() {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    for service in ["balance = \"consistent_hash\"", "affinity = { by = \"client_ip\" }"] {
        let proxy = tcp("", service, &[&a, &b, &c]);
        let first = proxy.client().bytes(1);
        for _ in 0..8 {
            assert_eq!(proxy.client().bytes(1), first, "{service}");
        }
    }
}

#[test]
fn a_backend_at_its_limit_is_waited_for() {
    let a = named("a");
    let proxy = Proxy::start(&(config(TCP, "timeout = { queue = \"20s\" }", &[&a]) + "max_connections = 1\n"));
    let mut first = proxy.client();
    assert_eq!(first.bytes(1), b"a");
    let mut second = proxy.client();
    second.send("?");
    assert_eq!(a.connections(), 1);
    first.finish();
    assert!(first.is_closed());
    assert_eq!(second.bytes(2), b"a?");
}

#[test]
fn a_drained_backend_keeps_its_sessions_and_gets_no_new_ones() {
    let (a, b) = (named("a"), named("b"));
    let proxy = tcp("", "", &[&a, &b]);
    let mut on_a = loop {
        let mut client = proxy.client();
        if client.bytes(1) == b"a" {
            break client;
        }
    };
    assert_eq!(proxy.command("drain", a.address()), 200);
    // both workers see it in a moment
    wait_until("new ones go to the other", || (0..6).all(|_| proxy.client().bytes(1) == b"b"));
    on_a.send("still there?");
    assert_eq!(on_a.bytes(12), b"still there?");
}

#[test]
fn a_breaker_is_closed_by_a_session_that_works_however_long_it_lasts() {
    // breaks off twice, and is well from then on
    let origin = Origin::script(|conn| {
        if conn.number < 2 {
            conn.bytes(1);
            return conn.reset();
        }
        conn.send("a");
        conn.is_closed();
    });
    let breaker = "[service.api.circuit_breaker]\nfailures = 2\nopen_for = \"100ms\"\nhalf_open = 1\n";
    let proxy = tcp("", breaker, &[&origin]);
    for _ in 0..2 {
        let mut client = proxy.client();
        client.send("x");
        assert!(client.is_reset());
    }
    let closed = || {
        let metrics = proxy.metrics();
        metrics.lines().any(|line| line.starts_with("evenkeel_breaker_state") && line.ends_with(" 0"))
    };
    // a client sees the reset a moment before the failure is counted
    wait_until("the breaker opens", || !closed());
    let mut lasting = None;
    wait_until("the trial gets through", || {
        let mut client = proxy.client();
        lasting = client.try_bytes(1).map(|_| client);
        lasting.is_some()
    });
    wait_until("the breaker is closed while the trial's session lasts", closed);
    drop(lasting);
}
