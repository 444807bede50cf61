//! Hedged requests: a second attempt beside one that is late, which of the two is the client's, and what is never sent twice.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use crate::support::{Client, Conn, Cue, OK, Origin, Proxy, backend, config, h2, wait_until};

/// Requests for `/late...` that some backend has: whoever gets one first does not answer it.
type Seen = Arc<Mutex<HashSet<String>>>;

/// A backend that answers, but for requests for `/late...` that none of its peers has got before: for those it does as `late` says.
fn origin(seen: &Seen, late: impl Fn(&mut Conn) -> bool + Send + Sync + 'static) -> Origin {
    let seen = Arc::clone(seen);
    Origin::script(move |conn| {
        while let Ok(request) = conn.request() {
            let target = request.target().to_owned();
            let is_first = target.starts_with("/late") && seen.lock().unwrap().insert(target);
            if !(if is_first { late(conn) } else { conn.send(OK) }) {
                return;
            }
        }
    })
}

/// Never answers, and has the connection closed by the proxy.
fn hangs(conn: &mut Conn) -> bool {
    assert!(conn.is_closed(), "the one that is not needed is closed");
    false
}

/// Two backends that hang with what is late, and their addresses.
fn pair() -> [Origin; 2] {
    let seen = Seen::default();
    [origin(&seen, hangs), origin(&seen, hangs)]
}

/// In front of these, with one worker, and hedging as told.
fn proxy_to(origins: &[&Origin], service: &str) -> Proxy {
    let log = "[log]\naccess = \"{dir}/access.log\"\naccess_fields = [\"target\", \"hedge\", \"attempts\", \"tried\", \"status\"]\n";
    Proxy::start(&(config("", service, origins) + log + "[server]\nworkers = 1\n"))
}

const HEDGED: &str = "retry = { hedge = \"100ms\" }\n";

/// So many requests have been answered: each pays for a twentieth of a hedge.
fn warm(client: &mut Client, requests: usize) {
    (0..requests).for_each(|_| assert_eq!(client.get("/warm").status, 200));
}

fn hedges(proxy: &Proxy, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_hedges_total{{service=\"api\",outcome=\"{outcome}\"}}"))
}

fn late(origins: &[Origin]) -> usize {
    origins.iter().flat_map(Origin::targets).filter(|target| target.starts_with("/late")).count()
}

/// The line of the access log for this target.
fn line(proxy: &Proxy, target: &str) -> Value {
    let find = || {
        let lines = proxy.log();
        let mut lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.find(|line| line["target"] == target)
    };
    wait_until("its line is written", || find().is_some());
    find().unwrap()
}

#[test]
fn what_is_late_is_answered_by_a_second_backend_and_the_first_connection_is_closed() {
    let origins = pair();
    let proxy = proxy_to(&[&origins[0], &origins[1]], HEDGED);
    let mut client = proxy.client();
    warm(&mut client, 60);
    for request in ["GET /late/1", "HEAD /late/2"] {
        client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response_to(request.split(' ').next().unwrap()).status, 200);
    }
    // each of them hangs with one, whose script asserts that it is closed
    assert_eq!(late(&origins), 4);
    wait_until("no connection hangs", || hedges(&proxy, "won") == 2);
    let line = line(&proxy, "/late/1");
    assert_eq!((&line["hedge"], &line["attempts"]), (&"won".into(), &2.into()), "{line}");
    assert_eq!(line["tried"].as_array().unwrap().len(), 2, "{line}");
    let failed: u64 = origins.iter().map(|origin| failures(&proxy, origin)).sum();
    assert_eq!(failed, 0, "nobody is to blame");
    let status = proxy.status();
    assert_eq!(status["services"]["api"]["hedges"]["after_ms"], 100.0, "{status}");
    assert_eq!(status["services"]["api"]["hedges"]["won"], 2);
    for backend in status["services"]["api"]["backends"].as_array().unwrap() {
        assert_eq!(backend["in_flight"], 0, "{backend}");
    }
}

fn failures(proxy: &Proxy, origin: &Origin) -> u64 {
    let series = format!("evenkeel_backend_failures_total{{service=\"api\",backend=\"{}\"}}", origin.address());
    proxy.metric(&series)
}

#[test]
fn a_post_is_never_hedged_nor_is_a_delete() {
    let origins = pair();
    let proxy = proxy_to(&[&origins[0], &origins[1]], &format!("{HEDGED}timeout = {{ response = \"500ms\" }}\n"));
    let mut client = proxy.client();
    warm(&mut client, 60);
    for request in ["POST", "PATCH"] {
        client.send(format!("{request} /late/{request} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
        assert_eq!(client.response().status, 504);
    }
    assert_eq!(late(&origins), 2);
    client.send("DELETE /late/delete HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200, "it is sent again when the first backend was given up");
    assert_eq!(["won", "lost", "over_budget", "no_place"].map(|outcome| hedges(&proxy, outcome)), [0; 4]);
}

#[test]
fn a_body_that_has_come_whole_goes_to_both_and_one_that_is_large_to_one() {
    let origins = pair();
    let proxy = proxy_to(&[&origins[0], &origins[1]], &format!("{HEDGED}timeout = {{ response = \"1s\" }}\n"));
    let mut client = proxy.client();
    warm(&mut client, 80);
    client.send("PUT /late/length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().status, 200);
    let before = hedges(&proxy, "won");
    client.send("PUT /late/chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n");
    // while some of it is still to come, nobody is late
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(hedges(&proxy, "won"), before);
    client.send("2\r\nlo\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let requests = origins.iter().flat_map(Origin::requests).filter(|request| request.target().starts_with("/late"));
    let bodies: Vec<_> = requests.map(|request| request.body).collect();
    assert_eq!(bodies, vec![b"hello".to_vec(); 4]);
    let body = "x".repeat(100_000);
    client.send(format!("PUT /late/large HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(client.response().status, 504, "it can't be sent again");
    assert_eq!(late(&origins), 5);
}

#[test]
fn the_first_to_answer_is_the_client_s_and_the_hedge_is_closed() {
    let (seen, cue) = (Seen::default(), Cue::default());
    // the first of the two answers on cue, and the second hangs
    let script = |seen: Seen, cue: Cue| {
        Origin::script(move |conn| {
            while let Ok(request) = conn.request() {
                match request.target() == "/late" {
                    true if seen.lock().unwrap().insert("/late".to_owned()) => {
                        assert!(cue.wait());
                        conn.send(b"HTTP/1.1 200 OK\r\nX-From: first\r\nContent-Length: 0\r\n\r\n");
                    }
                    true => {
                        hangs(conn);
                        return;
                    }
                    false => drop(conn.send(OK)),
                }
            }
        })
    };
    let origins = [script(Arc::clone(&seen), cue.clone()), script(seen, cue.clone())];
    let proxy = proxy_to(&[&origins[0], &origins[1]], HEDGED);
    let mut client = proxy.client();
    warm(&mut client, 60);
    client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("both have it", || late(&origins) == 2);
    cue.give();
    assert_eq!(client.response().field("x-from"), Some("first"));
    wait_until("it is counted", || hedges(&proxy, "lost") == 1);
    assert_eq!(line(&proxy, "/late")["hedge"], "lost");
}

#[test]
fn a_bad_answer_is_not_taken_while_the_other_attempt_may_have_a_good_one() {
    let cue = Cue::default();
    let (first, awaited) = (Arc::new(Mutex::new(true)), cue.clone());
    let script = move |conn: &mut Conn| {
        while let Ok(request) = conn.request() {
            match request.target() {
                "/late" if std::mem::take(&mut *first.lock().unwrap()) => drop((awaited.wait(), conn.send(OK))),
                "/late" => drop(conn.send("HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n")),
                _ => drop(conn.send(OK)),
            }
        }
    };
    let (a, b) = (script.clone(), script);
    let origins = [Origin::script(a), Origin::script(b)];
    let proxy = proxy_to(&[&origins[0], &origins[1]], HEDGED);
    let mut client = proxy.client();
    warm(&mut client, 60);
    client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    let failed = || origins.iter().map(|origin| failures(&proxy, origin)).sum::<u64>();
    wait_until("the hedge has failed", || failed() == 1);
    cue.give();
    assert_eq!(client.response().status, 200);
    wait_until("it is counted", || hedges(&proxy, "lost") == 1);
}

#[test]
fn where_both_attempts_fail_the_next_one_may_still_succeed() {
    let resets = Arc::new(Mutex::new(0));
    let script = {
        let resets = Arc::clone(&resets);
        move |conn: &mut Conn| {
            while let Ok(request) = conn.request() {
                if request.target() == "/late" {
                    let number = { std::mem::replace(&mut *resets.lock().unwrap(), 1) };
                    if number == 0 {
                        // until the other one has it too
                        wait_until("the hedge is there", || *resets.lock().unwrap() == 2);
                        return conn.reset();
                    }
                    *resets.lock().unwrap() += 1;
                    if number == 1 {
                        return conn.reset();
                    }
                }
                conn.send(OK);
            }
        }
    };
    let origins = [Origin::script(script.clone()), Origin::script(script.clone()), Origin::script(script)];
    let proxy = proxy_to(&[&origins[0], &origins[1], &origins[2]], HEDGED);
    let mut client = proxy.client();
    warm(&mut client, 60);
    assert_eq!(client.get("/late").status, 200);
    assert_eq!(late(&origins), 3);
    assert_eq!(hedges(&proxy, "failed"), 1);
}

#[test]
fn no_more_than_one_in_twenty_is_hedged_and_one_that_is_late_is_when_others_have_paid_for_it() {
    let origins = pair();
    let proxy = proxy_to(&[&origins[0], &origins[1]], HEDGED);
    let mut client = proxy.client();
    warm(&mut client, 10);
    let mut waiting = proxy.client();
    waiting.send("GET /late/0 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is not hedged", || hedges(&proxy, "over_budget") == 1);
    assert_eq!((late(&origins), hedges(&proxy, "won")), (1, 0));
    warm(&mut client, 10);
    assert_eq!(waiting.response().status, 200, "the twentieth has paid for it");
    wait_until("it is counted", || hedges(&proxy, "won") == 1);
    assert_eq!(hedges(&proxy, "over_budget"), 1);
}

#[test]
fn a_full_backend_gets_no_hedges() {
    let (one, cue) = Origin::answering_on_cue();
    let (two, other) = Origin::answering_on_cue();
    let limits = config("", "retry = { hedge = \"300ms\" }\n", &[]) + &backend(one.address()) + "max_connections = 1\n";
    let rest = "max_connections = 1\n[server]\nworkers = 1\n";
    let proxy = Proxy::start(&(limits + &backend(two.address()) + rest));
    let mut clients = [proxy.client(), proxy.client()];
    for _ in 0..40 {
        cue.give();
        other.give();
        clients.iter_mut().for_each(|client| client.send("GET /warm HTTP/1.1\r\nHost: a\r\n\r\n"));
        clients.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
    }
    let before = (one.requests().len() + two.requests().len()) as u64;
    let refused = hedges(&proxy, "no_place");
    clients.iter_mut().for_each(|client| client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n"));
    wait_until("both are refused a hedge", || hedges(&proxy, "no_place") == refused + 2);
    assert_eq!((one.requests().len() + two.requests().len()) as u64, before + 2);
    cue.give();
    other.give();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
}

#[test]
fn the_quantile_is_found_of_what_is_measured_and_hedging_begins_then() {
    let origins = pair();
    let proxy = proxy_to(&[&origins[0], &origins[1]], "retry = { hedge = \"p95\" }\ntimeout = { response = \"1s\" }\n");
    let mut client = proxy.client();
    proxy.wait_for_metrics("evenkeel_hedge_after_seconds{service=\"api\"} 0\n");
    assert_eq!(client.get("/late/early").status, 200);
    assert_eq!(hedges(&proxy, "won"), 0, "too little is known");
    warm(&mut client, 400);
    let is_known = || !proxy.metrics().contains("evenkeel_hedge_after_seconds{service=\"api\"} 0\n");
    wait_until("it is known", is_known);
    let asked = Instant::now();
    assert_eq!(client.get("/late/known").status, 200);
    wait_until("it is counted", || hedges(&proxy, "won") == 1);
    assert!(asked.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_reload_turns_hedging_on_and_off() {
    let origins = pair();
    let toml = |retry: &str| {
        config("", &format!("timeout = {{ response = \"500ms\" }}\n{retry}"), &[&origins[0], &origins[1]])
            + "[server]\nworkers = 1\n"
    };
    let proxy = Proxy::start(&toml(""));
    let mut client = proxy.client();
    warm(&mut client, 60);
    assert_eq!(client.get("/late/off").status, 200);
    assert!(!proxy.metrics().contains("evenkeel_hedges_total{"), "nothing is hedged");
    assert_eq!(proxy.status()["services"]["api"]["hedges"], Value::Null);
    assert_eq!(proxy.reload(&toml(HEDGED)).status, 200);
    warm(&mut client, 60);
    assert_eq!(client.get("/late/on").status, 200);
    wait_until("it is counted", || hedges(&proxy, "won") == 1);
    assert_eq!(proxy.reload(&toml("")).status, 200);
    assert_eq!(client.get("/late/off again").status, 400, "a space ends the target");
    let mut client = proxy.client();
    assert_eq!(client.get("/late/off/again").status, 200);
    assert_eq!(late(&origins), 6, "the first attempt and the one after its time-out, or the hedge");
}

#[test]
fn a_client_that_leaves_while_two_attempts_are_under_way_ends_both() {
    let seen = Seen::default();
    let script = |seen: Seen| {
        Origin::script(move |conn| {
            while let Ok(request) = conn.request() {
                if request.target() == "/late" {
                    seen.lock().unwrap().insert("/late".to_owned());
                    hangs(conn);
                    return;
                }
                conn.send(OK);
            }
        })
    };
    let origins = [script(Arc::clone(&seen)), script(seen)];
    let proxy = proxy_to(&[&origins[0], &origins[1]], HEDGED);
    let mut client = proxy.client();
    warm(&mut client, 60);
    client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("both have it", || late(&origins) == 2);
    client.reset();
    wait_until("it is counted", || hedges(&proxy, "cancelled") == 1);
    assert_eq!(line(&proxy, "/late")["hedge"], "cancelled");
    let is_idle = |backend: &Value| backend["in_flight"] == 0;
    let all_idle = || proxy.status()["services"]["api"]["backends"].as_array().unwrap().iter().all(is_idle);
    wait_until("their places are free", all_idle);
}

#[test]
fn over_http_2_the_attempt_that_is_not_needed_is_cancelled() {
    let (seen, reasons) = (Seen::default(), Arc::new(Mutex::new(Vec::new())));
    let script = |seen: Seen, reasons: Arc<Mutex<Vec<::h2::Reason>>>| {
        h2::Origin::script(move |request: http::Request<::h2::RecvStream>, mut respond| {
            let (seen, reasons) = (Arc::clone(&seen), Arc::clone(&reasons));
            async move {
                let path = request.uri().path().to_owned();
                if path == "/late" && seen.lock().unwrap().insert(path) {
                    let reason = poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
                    return reasons.lock().unwrap().push(reason);
                }
                let mut sending = respond.send_response(Response::new(()), false).unwrap();
                let _ = h2::send(&mut sending, Bytes::from("ok"), true).await;
            }
        })
    };
    let origins = [0, 1].map(|_| script(Arc::clone(&seen), Arc::clone(&reasons)));
    let service = format!("protocol = \"h2\"\n{HEDGED}");
    let backends = backend(origins[0].address()) + &backend(origins[1].address());
    let proxy = Proxy::start(&(config("", &service, &[]) + &backends + "[server]\nworkers = 1\n"));
    let mut client = proxy.client();
    warm(&mut client, 60);
    assert_eq!(client.get("/late").text(), "ok");
    wait_until("it is cancelled", || !reasons.lock().unwrap().is_empty());
    assert_eq!(*reasons.lock().unwrap(), [::h2::Reason::CANCEL]);
    wait_until("it is counted", || hedges(&proxy, "won") == 1);
    // its connection serves on
    warm(&mut client, 10);
}
