//! A planned hand-over: connections are closed after their answers while others are still accepted, and then the process ends; or it serves on
//! as if nothing had been asked.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Cue, GET, OK, Origin, Proxy, config, wait_until};

/// Asks for a hand-over; the status and the body of the answer.
fn hand_over(proxy: &Proxy, body: &Value) -> (u16, Value) {
    let answer = proxy.admin_call("POST", "/api/v1/hand-over", &body.to_string()).unwrap();
    (answer.status, serde_json::from_str(&answer.text()).unwrap())
}

/// Answers at once, but for `/slow`.
fn slow_on_cue() -> (Origin, Cue) {
    let cue = Cue::default();
    let awaited = cue.clone();
    let origin = Origin::script(move |conn| {
        while let Ok(request) = conn.request() {
            if request.target() == "/slow" && !awaited.wait() || !conn.send(OK) {
                return;
            }
        }
    });
    (origin, cue)
}

fn begun(proxy: &Proxy) {
    wait_until("it has begun", || proxy.stderr().contains("hand-over begins"));
}

#[test]
fn nobody_is_refused_until_all_have_their_answers_and_then_the_process_ends() {
    let (origin, cue) = slow_on_cue();
    let mut proxy = Proxy::to(&origin);
    let (mut idle, mut busy) = (proxy.client(), proxy.client());
    assert_eq!(idle.get("/x").field("connection"), None);
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || origin.requests().len() == 2);
    thread::scope(|scope| {
        let asked = scope.spawn(|| hand_over(&proxy, &json!({ "reason": "a new kernel", "quiet": "50ms" })));
        begun(&proxy);
        assert!(idle.is_closed(), "nothing is under way on it");
        for _ in 0..3 {
            let mut new = proxy.client();
            let answer = new.get("/x");
            assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
            assert!(new.is_closed());
        }
        assert_eq!(proxy.admin("/readyz").unwrap().status, 200, "it has its work as long as something is open");
        cue.give();
        assert_eq!(busy.response().field("connection"), Some("close"));
        let (status, answer) = asked.join().unwrap();
        assert_eq!((status, &answer["handed_over"], &answer["connections_left"]), (200, &json!(true), &json!(0)));
    });
    assert_eq!(proxy.wait().code(), Some(0));
    let log = proxy.stderr();
    assert!(
        log.contains("reason=\"a new kernel\"") && log.contains("stopping signal=\"hand-over by 127.0.0.1\""),
        "{log}"
    );
}

#[test]
fn it_serves_on_where_the_address_stays() {
    let origin = Origin::ok();
    // the address of this machine's loopback never moves
    let proxy = Proxy::start(&config("free_bind = true", "", &[&origin]));
    let (status, answer) = hand_over(&proxy, &json!({}));
    assert_eq!(status, 409);
    assert!(answer["detail"].as_str().unwrap().starts_with("this machine still has 127.0.0.1"), "{answer}");
    assert_eq!(proxy.admin("/readyz").unwrap().status, 200);
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_eq!(client.get("/x").field("connection"), None);
    }
    assert!(proxy.stderr().contains("not handed over, and serving on"));
}

#[test]
fn a_hand_over_that_waits_behind_another_one_is_not_begun_when_whoever_asked_has_gone() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("free_bind = true", "", &[&origin]));
    thread::scope(|scope| {
        let asked = scope.spawn(|| hand_over(&proxy, &json!({})));
        begun(&proxy);
        // the first one takes 5 s; each of these waits behind it, and is given up
        for _ in 0..3 {
            let mut second = TcpStream::connect(proxy.admin_address()).unwrap();
            second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            second
                .write_all(b"POST /api/v1/hand-over HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
                .unwrap();
            let answer = second.read(&mut [0; 100]);
            assert!(answer.is_err(), "it waits for the first one: {answer:?}");
        }
        assert_eq!(asked.join().unwrap().0, 409);
    });
    wait_until("it is not begun", || proxy.stderr().contains("has not waited for it"));
    assert_eq!(proxy.client().get("/x").field("connection"), None);
    assert_eq!(proxy.stderr().matches("hand-over begins").count(), 1);
}

#[test]
fn a_signal_ends_a_hand_over_and_the_process() {
    let (origin, cue) = slow_on_cue();
    let mut proxy = Proxy::to(&origin);
    let mut busy = proxy.client();
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || origin.requests().len() == 1);
    thread::scope(|scope| {
        let asked = scope.spawn(|| hand_over(&proxy, &json!({})));
        begun(&proxy);
        proxy.signal("TERM");
        assert_eq!(asked.join().unwrap().0, 503);
    });
    cue.give();
    assert_eq!(busy.response().status, 200, "it drains as at any stop");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn what_can_not_be_a_hand_over_is_refused() {
    let proxy = Proxy::to(&Origin::ok());
    for (body, why) in [
        (json!({ "timeout": "soon" }), "timeout"),
        (json!({ "timeout": "2h" }), "at most 1h"),
        (json!({ "quiet": 5 }), "the body"),
        (json!({ "peer": "b" }), "unknown field"),
        (json!({ "reason": "a\nb" }), "a reason is one line"),
    ] {
        let (status, answer) = hand_over(&proxy, &body);
        assert!(status == 400 && answer["detail"].as_str().unwrap().contains(why), "{body}: {answer}");
    }
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(client.response().field("connection"), None);
}

#[test]
fn the_commands_say_whether_it_is_ready_and_what_came_of_a_hand_over() {
    let mut proxy = Proxy::to(&Origin::ok());
    let url = format!("http://{}", proxy.admin_address());
    let run = |arguments: &[&str]| {
        let done =
            Command::new(env!("CARGO_BIN_EXE_evenkeel")).args(arguments).args(["--admin", &url]).output().unwrap();
        let text = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        (done.status.code(), text)
    };
    assert_eq!(run(&["ready"]), (Some(0), "ready, weight 100\n".to_owned()));
    let file = proxy.path("weight");
    assert_eq!(run(&["ready", "--for", "1ms", "--track-file", file.to_str().unwrap()]).0, Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "100\n");
    assert_eq!(run(&["drain"]).0, Some(1), "of which backend?");
    assert_ne!(run(&["drain", "--hand-over", "api/a"]).0, Some(0));
    let (code, said) = run(&["drain", "--hand-over", "--quiet", "10ms"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("handed over in ") && said.contains("no new connections come any more"), "{said}");
    assert_eq!(proxy.wait().code(), Some(0));
    let (code, said) = run(&["ready"]);
    assert!(code == Some(1) && said.contains("can't be asked"), "{said}");
}
