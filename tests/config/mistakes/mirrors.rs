//! Mistakes in `mirror` of a route.

use crate::support::{GOOD, bad, good, only_mistake, told};

/// With a second service, and a route with these keys.
fn with_route(keys: &str) -> String {
    let services =
        "[[service.next.backend]]\naddress = '127.0.0.1:9002'\n[[service.third.backend]]\naddress = '127.0.0.1:9003'\n";
    GOOD.replace("[[service.app", &format!("[[listener.route]]\n{keys}\n{services}[[service.app"))
}

fn mirror(keys: &str) -> String {
    with_route(&format!("service = 'third'\nmirror = {{ {keys} }}"))
}

#[test]
fn a_mirror_needs_no_more_than_a_service() {
    good(&mirror("service = 'next'"));
    good(&mirror("service = 'next', share = '0.01%', max_body = 0, max_in_flight = 1, timeout = '1s'"));
    good(&mirror("service = 'app', max_body = '16MiB'"));
    let canary = with_route("canary = { service = 'third', stable = 'app' }\nmirror = { service = 'next' }");
    assert!(good(&canary).warnings.is_empty());
}

#[test]
fn what_is_wrong_with_a_mirror_is_said_with_its_place() {
    for (keys, mistake) in [
        ("share = '5%'", ": `service` is missing"),
        ("service = 'nxt'", ".service: there is no service `nxt`"),
        ("service = 'third'", ".service: `third` gets these requests already"),
        ("service = 'next', share = '0%'", ".share: `0%` is no share of requests"),
        ("service = 'next', share = '5'", ".share: `5` is no share in percent"),
        ("service = 'next', share = 5", ".share: `share` can't be an integer"),
        ("service = 'next', max_body = '17MiB'", ".max_body: `max_body` is out of range"),
        ("service = 'next', max_in_flight = 0", ".max_in_flight: `max_in_flight` is out of range"),
        ("service = 'next', timeout = '0s'", ".timeout: `timeout` can't be 0"),
        ("service = 'next', shares = '5%'", ".shares: unknown key `shares`"),
    ] {
        let mistakes = bad(&mirror(keys));
        let first = mistakes.iter().next().unwrap();
        assert_eq!(
            format!("{}: {}", first.path, first.message),
            format!("listener[0].route[0].mirror{mistake}"),
            "{keys}"
        );
        assert_eq!(mistakes.iter().count(), 1, "{keys}");
        assert!(first.line > 1 && first.column >= 1, "{keys}");
    }
    let suggested = |keys| bad(&mirror(keys)).iter().next().unwrap().suggestion.clone();
    assert_eq!(suggested("service = 'nxt'").as_deref(), Some("next"));
    assert_eq!(suggested("service = 'next', share = '5'").as_deref(), Some("5%"));
}

#[test]
fn what_gets_the_requests_gets_no_copies_of_them() {
    for action in [
        "split = [{ service = 'app', weight = 1 }, { service = 'next', weight = 1 }]",
        "canary = { service = 'next', stable = 'app' }",
        "canary = { service = 'app', stable = 'next' }",
    ] {
        let text = with_route(&format!("{action}\nmirror = {{ service = 'next' }}"));
        assert_eq!(
            only_mistake(&text),
            "listener[0].route[0].mirror.service: `next` gets these requests already",
            "{action}"
        );
    }
}

#[test]
fn where_no_backend_is_asked_there_is_nothing_to_copy() {
    for action in ["respond = { status = 404 }", "redirect = { to = 'https://a.example' }"] {
        let warnings = told(&good(&with_route(&format!("{action}\nmirror = {{ service = 'next' }}"))).warnings);
        assert!(warnings.iter().any(|told| told.contains("`mirror` has no effect beside")), "{warnings:?}");
    }
    for protocol in ["tcp", "udp"] {
        let text = with_route("service = 'third'\nmirror = { service = 'next' }")
            .replace("name = \"web\"", &format!("name = \"web\"\nprotocol = \"{protocol}\""));
        let mistake = only_mistake(&text);
        assert!(mistake.contains("`mirror` has no effect: a `"), "{mistake}");
    }
}
