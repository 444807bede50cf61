//! What is tried again and what is not, places at backends, breakers, and what is answered when nothing is left.

use std::sync::{Arc, Mutex};

use crate::support::{Conn, GET, OK, Origin, Proxy, backend, config, wait_until};

/// A backend that reads a whole request and then resets the connection.
fn resetting() -> Origin {
    Origin::script(|conn| {
        let _ = conn.request();
        conn.reset();
    })
}

#[test]
fn a_get_whose_backend_resets_goes_to_another() {
    let (broken, origin) = (resetting(), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&broken, &origin]));
    let mut client = proxy.client();
    for _ in 0..4 {
        assert_eq!(client.get("/x").status, 200);
    }
    assert!(!broken.requests().is_empty());
    assert_eq!(origin.requests().len(), 4);
}

#[test]
fn a_backup_answers_what_the_last_primary_refuses_without_cost_to_the_retry_budget() {
    let origin = Origin::ok();
    let backends = backend("127.0.0.1:1") + &backend(origin.address()) + "backup = true\n";
    let proxy = Proxy::start(&(config("", "retry = { budget = 0.0 }", &[]) + &backends));
    let mut client = proxy.client();
    for n in 0..100 {
        assert_eq!(client.get("/x").status, 200, "request {n}: the budget has 50 in reserve");
    }
}

#[test]
fn a_post_that_may_have_been_executed_is_sent_once() {
    let (broken, origin) = (resetting(), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&broken, &origin]));
    let mut client = proxy.client();
    let statuses: Vec<u16> = (0..4)
        .map(|n| {
            client.send(format!("POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
            client.response().status
        })
        .collect();
    assert_eq!(statuses.iter().filter(|&&status| status == 502).count(), broken.requests().len(), "{statuses:?}");
    let mut all = broken.targets();
    all.extend(origin.targets());
    all.sort();
    assert_eq!(all, ["/0", "/1", "/2", "/3"], "each of them once");
}

#[test]
fn a_body_is_sent_again_with_its_request() {
    let (broken, origin) = (resetting(), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&broken, &origin]));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().status, 200);
        client.send("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    assert!(!broken.requests().is_empty());
    assert_eq!(origin.requests().len(), 4);
    assert!(origin.requests().iter().all(|request| request.body == b"hello"));
}

#[test]
fn a_large_body_that_was_sent_in_part_is_not_sent_again() {
    let (broken, origin) = (resetting(), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&broken, &origin]));
    let body = "x".repeat(200_000);
    let statuses: Vec<u16> = (0..2)
        .map(|_| {
            let mut client = proxy.client();
            client.send(format!("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
            client.response().status
        })
        .collect();
    assert!(statuses.contains(&200) && statuses.contains(&502), "{statuses:?}");
}

#[test]
fn a_503_is_tried_elsewhere_and_a_500_is_passed_on() {
    let unwell = Origin::answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno");
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "", &[&unwell, &origin]));
    let mut client = proxy.client();
    for _ in 0..4 {
        assert_eq!(client.get("/x").status, 200);
    }
    let broken = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno");
    let proxy = Proxy::start(&config("", "", &[&broken, &origin]));
    let mut client = proxy.client();
    let statuses = [client.get("/x").status, client.get("/x").status];
    assert!(statuses.contains(&500) && statuses.contains(&200), "{statuses:?}");
}

#[test]
fn the_last_answer_is_the_client_s_when_all_are_unwell() {
    let unwell = || Origin::answering("HTTP/1.1 503 Service Unavailable\r\nX-Why: full\r\nContent-Length: 2\r\n\r\nno");
    let (a, b) = (unwell(), unwell());
    let proxy = Proxy::start(&config("", "", &[&a, &b]));
    let answer = proxy.client().get("/x");
    assert_eq!((answer.status, answer.field("x-why"), answer.text().as_str()), (503, Some("full"), "no"));
    assert_eq!(a.requests().len() + b.requests().len(), 3, "the first and two more");
}

#[test]
fn a_backend_that_asks_for_time_is_not_asked_again_at_once() {
    let unwell =
        Origin::answering("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Length: 2\r\n\r\nno");
    let proxy = Proxy::to(&unwell);
    assert_eq!(proxy.client().get("/x").status, 503);
    assert_eq!(unwell.requests().len(), 1);
}

#[test]
fn no_retry_is_made_where_none_is_wanted() {
    let (broken, origin) = (resetting(), Origin::ok());
    let proxy = Proxy::start(&config("", "retry.attempts = 0", &[&broken, &origin]));
    let statuses: Vec<u16> = (0..2).map(|_| proxy.client().get("/x").status).collect();
    assert!(statuses.contains(&502), "{statuses:?}");
}

/// A backend that answers a request only when the one after it has come on another connection, or never.
fn holding() -> Origin {
    Origin::script(|conn: &mut Conn| {
        while conn.request().is_ok_and(|request| request.target() != "/hold" || conn.is_closed()) {
            conn.send(OK);
        }
    })
}

fn limited(service: &str) -> (Origin, Proxy) {
    let origin = holding();
    let proxy = Proxy::start(&(config("", service, &[&origin]) + "max_connections = 1\n"));
    (origin, proxy)
}

#[test]
fn a_backend_at_its_limit_is_waited_for() {
    let (origin, proxy) = limited("timeout.queue = \"20s\"");
    let mut holder = proxy.client();
    holder.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || origin.requests().len() == 1);
    let mut waiting = proxy.client();
    waiting.send(GET);
    // the place is left when the client that holds it goes
    holder.reset();
    assert_eq!(waiting.response().status, 200);
}

#[test]
fn one_that_waits_too_long_or_behind_too_many_is_a_503() {
    for service in ["timeout.queue = \"100ms\"", "timeout.queue_length = 0"] {
        let (origin, proxy) = limited(service);
        let mut holder = proxy.client();
        holder.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        wait_until("it is under way", || origin.requests().len() == 1);
        let answer = proxy.client().get("/x");
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{service}");
        assert_eq!(answer.field("proxy-status"), Some("evenkeel; error=connection_limit_reached"));
        assert_eq!(origin.requests().len(), 1);
    }
}

/// An agent that says what it is told to say.
fn agent(says: &Arc<Mutex<&'static str>>) -> Origin {
    let says = Arc::clone(says);
    Origin::script(move |conn: &mut Conn| {
        conn.send(format!("{}\n", says.lock().unwrap()));
    })
}

/// What the status says of the only backend.
fn told(proxy: &Proxy, member: &str) -> serde_json::Value {
    proxy.status()["services"]["api"]["backends"][0][member].clone()
}

#[test]
fn an_agent_bounds_what_its_backend_gets_for_as_long_as_it_says_so() {
    let says = Arc::new(Mutex::new("maxconn:1"));
    let (origin, agent) = (holding(), agent(&says));
    let port = agent.address().rsplit_once(':').unwrap().1;
    let service =
        format!("timeout.queue_length = 0\nload_reports = {{ agent = {{ port = {port}, interval = \"20ms\" }} }}");
    let proxy = Proxy::start(&config("", &service, &[&origin]));
    wait_until("the agent is heard", || told(&proxy, "agent_max_connections") == 1);
    assert_eq!(told(&proxy, "max_connections"), 1);
    let mut holder = proxy.client();
    holder.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || origin.requests().len() == 1);
    let answer = proxy.client().get("/x");
    assert_eq!((answer.status, answer.field("proxy-status")), (503, Some("evenkeel; error=connection_limit_reached")));
    *says.lock().unwrap() = "up";
    wait_until("it is heard again", || told(&proxy, "agent_max_connections").is_null());
    assert_eq!(proxy.client().get("/x").status, 200);
}

#[test]
fn the_limit_of_an_agent_that_is_gone_does_not_hold() {
    let (origin, agent) = (Origin::ok(), agent(&Arc::new(Mutex::new("maxconn:1"))));
    let port = agent.address().rsplit_once(':').unwrap().1.to_owned();
    let service = |rest: &str| format!("load_reports = {{ expire = \"200ms\"{rest} }}");
    let asked = service(&format!(", agent = {{ port = {port}, interval = \"20ms\" }}"));
    let proxy = Proxy::start(&config("", &asked, &[&origin]));
    wait_until("the agent is heard", || told(&proxy, "agent_max_connections") == 1);
    drop(agent);
    wait_until("it is not heard any more", || told(&proxy, "agent_max_connections").is_null());
    assert_eq!(told(&proxy, "max_connections"), 0);
}

#[test]
fn a_service_with_nothing_left_answers_with_its_fallback() {
    let toml =
        "fallback = { status = 200, body = \"back soon\", content_type = \"text/html\", retry_after = \"1500ms\" }";
    let origin = Origin::ok();
    let proxy = Proxy::start(&(config("", toml, &[&origin]) + "weight = 0\n"));
    let answer = proxy.client().get("/x");
    assert_eq!((answer.status, answer.text().as_str()), (200, "back soon"));
    assert_eq!((answer.field("content-type"), answer.field("retry-after")), (Some("text/html"), Some("2")));
    assert_eq!(answer.field("proxy-status"), Some("evenkeel; error=destination_unavailable"));
}

#[test]
fn a_breaker_that_opens_spares_its_backend() {
    let broken = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let breaker = "circuit_breaker = { failures = 3, open_for = \"10m\" }\noutlier.consecutive_failures = 0";
    let proxy = Proxy::start(&config("", breaker, &[&broken]));
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_eq!(client.get("/x").status, 500);
    }
    assert_eq!(client.get("/x").status, 503);
    assert_eq!(broken.requests().len(), 3);
    let status = proxy.admin("/api/v1/status").unwrap().text();
    assert!(status.contains("\"breaker\":\"open\""), "{status}");
    let metrics = proxy.metrics();
    assert!(metrics.contains("evenkeel_breaker_state{"), "{metrics}");
}

#[test]
fn the_clients_own_mistakes_open_no_breaker() {
    let origin = Origin::answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::start(&config("", "circuit_breaker = { failures = 3 }", &[&origin]));
    let mut client = proxy.client();
    for _ in 0..10 {
        assert_eq!(client.get("/x").status, 404);
    }
}

fn asked(origins: &[Origin]) -> Vec<usize> {
    origins.iter().map(|origin| origin.requests().len()).collect()
}

#[test]
fn the_only_backend_is_asked_once_when_it_lets_its_time_pass() {
    let silent = Origin::silent();
    let proxy = Proxy::start(&config("", "timeout.response = \"100ms\"", &[&silent]));
    assert_eq!(proxy.client().get("/x").status, 504);
    assert_eq!(silent.requests().len(), 1);
}

#[test]
fn a_get_whose_backend_lets_its_time_pass_goes_to_another() {
    let (silent, origin) = (Origin::silent(), Origin::ok());
    // long enough for the one that answers, however busy this machine is
    let proxy = Proxy::start(&config("", "timeout.response = \"1s\"", &[&silent, &origin]));
    let mut client = proxy.client();
    assert_eq!([client.get("/x").status, client.get("/x").status], [200, 200]);
    assert!((1..=2).contains(&silent.requests().len()), "it had its turn, once for each request");
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn a_client_waits_for_two_silent_backends_and_no_more() {
    let silent: Vec<Origin> = (0..4).map(|_| Origin::silent()).collect();
    let all: Vec<&Origin> = silent.iter().collect();
    let proxy = Proxy::start(&config("", "timeout.response = \"100ms\"\nretry.attempts = 10", &all));
    assert_eq!(proxy.client().get("/x").status, 504);
    let asked = asked(&silent);
    assert!(asked.iter().all(|&times| times <= 1) && asked.iter().sum::<usize>() == 2, "{asked:?}");
}

#[test]
fn within_a_total_time_each_silent_backend_is_asked_once() {
    let silent: Vec<Origin> = (0..4).map(|_| Origin::silent()).collect();
    let all: Vec<&Origin> = silent.iter().collect();
    let service = "timeout = { response = \"100ms\", total = \"60s\" }\nretry.attempts = 10";
    let proxy = Proxy::start(&config("", service, &all));
    assert_eq!(proxy.client().get("/x").status, 504);
    assert_eq!(asked(&silent), [1; 4]);
}

#[test]
fn one_that_was_late_is_not_asked_again_though_the_other_resets() {
    let (silent, broken) = (Origin::silent(), resetting());
    let service = "timeout = { response = \"200ms\", total = \"60s\" }\nretry.attempts = 10";
    let proxy = Proxy::start(&config("", service, &[&silent, &broken]));
    for _ in 0..2 {
        assert!(matches!(proxy.client().get("/x").status, 502 | 504));
    }
    assert!(silent.requests().len() <= 2, "each of the requests went there once");
}
