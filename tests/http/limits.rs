//! What a client may take: time, bytes, requests.

use std::time::{Duration, Instant};

use crate::support::{GET, Origin, PATIENCE, Proxy, config, h2, wait_until};

#[test]
fn a_head_that_stalls_is_answered_with_408() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nheader_timeout = \"300ms\"", "", &[&origin]));
    for start in ["G", "GET /x HTTP/1.1\r\n", "GET /x HTTP/1.1\r\nHost: a\r\nX: y"] {
        let mut client = proxy.client();
        client.send(start);
        let answer = client.response();
        assert_eq!(answer.status, 408, "{start:?}");
        assert_eq!(answer.field("proxy-status"), Some("evenkeel; error=http_request_error"));
        assert!(answer.head.lists("connection", "close"));
        assert!(client.is_closed());
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_second_head_that_stalls_is_answered_with_408_too() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nheader_timeout = \"1s\"", "", &[&origin]));
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 200);
    client.send("GET /y HT");
    assert_eq!(client.response().status, 408);
    assert!(client.is_closed());
}

#[test]
fn a_head_that_comes_slowly_but_in_time_is_served() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for byte in GET.as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.response().status, 200);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("idle_timeout = \"1s\"", "", &[&origin]));
    assert!(proxy.client().is_closed());
    let mut used = proxy.client();
    assert_eq!(used.get("/x").status, 200);
    assert!(used.is_closed());
}

#[test]
fn idle_time_outs_leave_an_exchange_alone() {
    // longer than each of the time-outs
    let origin = Origin::ok_after(Duration::from_millis(2500));
    let listener = "idle_timeout = \"1s\"\n[listener.limits]\nheader_timeout = \"1s\"";
    let proxy = Proxy::start(&config(listener, "", &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 200);
}

#[test]
fn a_content_length_above_max_body_is_answered_with_413() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_body = \"1KiB\"", "", &[&origin]));
    let mut client = proxy.client();
    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n{}", "b".repeat(1025)));
    let answer = client.response();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.field("proxy-status"), Some("evenkeel; error=http_request_error"));
    assert!(client.is_closed());
    assert_eq!(origin.connections(), 0);

    let mut client = proxy.client();
    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n{}", "b".repeat(1024)));
    assert_eq!(client.response().status, 200);
    assert_eq!(origin.request().body.len(), 1024);
}

#[test]
fn chunks_above_max_body_are_answered_with_413() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_body = \"1KiB\"", "", &[&origin]));
    let chunk = format!("200\r\n{}\r\n", "b".repeat(512));
    let mut client = proxy.client();
    client
        .send(format!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(3)));
    let answer = client.response();
    assert_eq!(answer.status, 413);
    assert!(answer.head.lists("connection", "close"));
    assert!(client.is_closed());

    let mut client = proxy.client();
    client
        .send(format!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(2)));
    assert_eq!(client.response().status, 200);
    assert_eq!(origin.request().body.len(), 1024, "the body above the limit arrived whole");
}

#[test]
fn a_413_is_read_by_a_client_that_sends_on() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_body = \"1KiB\"", "", &[&origin]));
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
    // more than all buffers between here and there hold, if nobody reads it
    let _ = client.try_send("b".repeat(500_000));
    assert_eq!(client.response().status, 413);
}

#[test]
fn the_last_request_that_a_connection_may_carry_closes_it() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_requests_per_connection = 3", "", &[&origin]));
    let mut client = proxy.client();
    client.send(GET.repeat(5));
    for last in [false, false, true] {
        let answer = client.response();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.head.lists("connection", "close"), last);
    }
    assert!(client.is_closed());
    assert_eq!(origin.requests().len(), 3);
}

/// With one worker, connections come to rest in the order of their answers.
fn limited(connections: usize, origin: &Origin) -> Proxy {
    let limit = format!("max_connections = {connections}");
    Proxy::start(&format!("[server]\nworkers = 1\n{}", config(&limit, "", &[origin])))
}

#[test]
fn connections_above_the_limit_wait_for_an_answer_and_that_says_close() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = limited(1, &origin);
    let mut first = proxy.client();
    first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || origin.requests().len() == 1);
    let mut second = proxy.client();
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    let complaints = || proxy.stderr().matches("max_connections is reached").count();
    wait_until("the second waits", || complaints() == 1);
    assert_eq!(origin.targets(), ["/first"]);
    cue.give();
    let answer = first.response();
    assert_eq!(answer.status, 200);
    assert!(answer.head.lists("connection", "close"));
    assert!(first.is_closed());
    cue.give();
    let answer = second.response();
    assert_eq!(answer.status, 200);
    assert!(!answer.head.lists("connection", "close"), "nobody waits any more");
    let mut third = proxy.client();
    third.send("GET /third HTTP/1.1\r\nHost: a\r\n\r\n");
    cue.give();
    assert_eq!(third.response().status, 200);
    assert!(second.is_closed());
    assert_eq!(complaints(), 1, "it is said once");
}

#[test]
fn where_no_place_is_left_the_connection_that_was_idle_longest_is_closed() {
    let origin = Origin::ok();
    let proxy = limited(3, &origin);
    let [mut first, mut second, mut third] = std::array::from_fn(|_| {
        let mut client = proxy.client();
        assert_eq!(client.get("/x").status, 200);
        client
    });
    assert_eq!(first.get("/again").status, 200);
    let mut fourth = proxy.client();
    assert_eq!(fourth.get("/x").status, 200);
    assert!(second.is_closed());
    for client in [&mut first, &mut third, &mut fourth] {
        assert_eq!(client.get("/still").status, 200);
    }
}

#[test]
fn a_connection_of_which_nothing_was_read_yet_makes_room_too_and_one_with_half_a_head_does_not() {
    let origin = Origin::ok();
    let proxy = limited(2, &origin);
    let mut silent = proxy.client();
    let mut half = proxy.client();
    half.send("GET /half HTTP/1.1\r\nHost:");
    assert_eq!(proxy.client().get("/x").status, 200);
    assert!(silent.is_closed());
    half.send(" a\r\n\r\n");
    assert_eq!(half.response().status, 200);
}

#[test]
fn who_waits_on_one_worker_gets_the_place_of_one_that_is_idle_on_another() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&format!("[server]\nworkers = 3\n{}", config("max_connections = 1", "", &[&origin])));
    let mut last = proxy.client();
    assert_eq!(last.get("/x").status, 200);
    for _ in 0..20 {
        let mut next = proxy.client();
        assert_eq!(next.get("/x").status, 200);
        assert!(last.is_closed());
        last = next;
    }
}

#[test]
fn a_head_of_exactly_the_limits_passes_and_one_more_does_not() {
    let origin = Origin::ok();
    let limits = "[listener.limits]\nmax_header_bytes = \"2KiB\"\nmax_headers = 10";
    let proxy = Proxy::start(&config(limits, "", &[&origin]));
    let of_bytes = |n: usize| {
        let without = "GET /x HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!("GET /x HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(n - without))
    };
    let of_fields = |n: usize| {
        let fields: String = (1..n).map(|i| format!("X-{i}: y\r\n")).collect();
        format!("GET /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    };
    for (head, status) in [(of_bytes(2048), 200), (of_bytes(2049), 431), (of_fields(10), 200), (of_fields(11), 431)] {
        let mut client = proxy.client();
        client.send(&head);
        assert_eq!(client.response().status, status, "{} bytes", head.len());
    }
}

#[test]
fn a_body_that_stalls_is_answered_with_408() {
    let origin = Origin::script(|conn| drop(conn.request()));
    let proxy = Proxy::start(&config("", "[service.api.timeout]\nidle = \"300ms\"", &[&origin]));
    for start in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut client = proxy.client();
        client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\n{start}"));
        let answer = client.response();
        assert_eq!((answer.status, answer.head.lists("connection", "close")), (408, true), "{start:?}");
        assert!(client.is_closed());
    }
    wait_until("the backend's connections end", || origin.open() == 0);
    assert!(origin.requests().is_empty());
}

#[test]
fn a_body_that_stalls_over_http_2_is_answered_with_408() {
    let origin = Origin::script(|conn| drop(conn.request()));
    let proxy = Proxy::start(&config("", "[service.api.timeout]\nidle = \"300ms\"", &[&origin]));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let request = http::Request::post("http://a/x").body(()).unwrap();
        let (answer, mut sending) = client.open(request, false).await;
        h2::send(&mut sending, bytes::Bytes::from_static(b"half"), false).await.unwrap();
        assert_eq!(answer.await.unwrap().status(), 408);
    });
    wait_until("the backend's connections end", || origin.open() == 0);
}

/// Sends without end, until nobody wants it any more.
fn endless() -> Origin {
    Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(65536));
        while conn.send(&chunk) {}
    })
}

const IMPATIENT: (&str, &str) = ("idle_timeout = \"300ms\"", "[service.api.timeout]\nidle = \"300ms\"");

#[test]
fn a_client_that_stops_reading_is_given_up() {
    let origin = endless();
    let proxy = Proxy::start(&config(IMPATIENT.0, IMPATIENT.1, &[&origin]));
    let mut client = proxy.client();
    client.send(GET);
    client.response_head();
    wait_until("the backend is let go", || origin.connections() == 1 && origin.open() == 0);
}

#[test]
fn a_stream_whose_client_stops_reading_is_given_up() {
    let origin = endless();
    let proxy = Proxy::start(&config(IMPATIENT.0, IMPATIENT.1, &[&origin]));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let (answer, _) = client.open(h2::get("http://a/x"), true).await;
        // it is held, never read, and so its window never opens again, while the connection is well
        let held = answer.await.unwrap();
        h2::wait_until("the backend is let go", || origin.connections() == 1 && origin.open() == 0).await;
        drop(held);
    });
}

#[test]
fn a_head_that_trickles_in_has_no_more_time_than_any_other() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nheader_timeout = \"300ms\"", "", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n");
    let began = Instant::now();
    // each line comes well within the time-out, all of them never do
    while client.try_send("X: y\r\n").is_ok() && !client.has_news(Duration::from_millis(50)) {
        assert!(began.elapsed() < PATIENCE, "every line put the time-out off");
    }
    assert_eq!(client.response().status, 408);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn kept_connections_to_backends_are_closed_in_time() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "[service.api.pool]\nidle_timeout = \"200ms\"", &[&origin]));
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 200);
    wait_until("the backend's connection is closed", || origin.open() == 0);
    assert_eq!(client.get("/x").status, 200);
    assert_eq!(origin.connections(), 2);
}

#[test]
fn no_connections_to_backends_are_kept_where_none_may_be() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "[service.api.pool]\nmax_idle = 0", &[&origin]));
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_eq!(client.get("/x").status, 200);
    }
    assert_eq!(origin.connections(), 3);
}
