//! Backends that break: the client sees it, is never told that half an answer is a whole one, and nothing is left behind.

use std::time::Instant;

use crate::support::{Broken, Conn, OK, Origin, Port, Proxy, Response, config, wait_until};

/// One GET to a backend that runs `script`, and what the client gets.
fn get(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> (Response, Option<Broken>) {
    let origin = Origin::script(script);
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    client.broken_response()
}

/// One GET to a backend that answers with these bytes and closes.
fn get_bytes(answer: &'static [u8]) -> (Response, Option<Broken>) {
    get(move |conn| {
        let _ = conn.request();
        conn.send(answer);
    })
}

fn assert_own(answer: &Response, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.field("proxy-status"), Some(format!("evenkeel; error={error}").as_str()));
}

#[test]
fn a_service_whose_only_backend_refuses_has_nothing_left() {
    let nobody = Port::reserve();
    let toml = config("", "", &[]) + &format!("[[service.api.backend]]\naddress = \"{}\"\n", nobody.address());
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    assert_own(&client.get("/x"), 503, "destination_unavailable");
    // the client did nothing wrong, so its connection stays
    let answer = client.get("/x");
    assert_own(&answer, 503, "destination_unavailable");
    assert_eq!(answer.field("retry-after"), Some("1"));
}

#[test]
fn another_backend_takes_over_when_one_refuses() {
    let nobody = Port::reserve();
    let origin = Origin::ok();
    let toml = config("", "", &[&origin]) + &format!("[[service.api.backend]]\naddress = \"{}\"\n", nobody.address());
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    for _ in 0..4 {
        assert_eq!(client.get("/x").status, 200);
    }
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".repeat(4));
    for _ in 0..4 {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_backend_that_closes_before_its_answer_is_a_502() {
    let (answer, _) = get(|conn| drop(conn.request()));
    assert_own(&answer, 502, "connection_terminated");
}

#[test]
fn a_backend_that_resets_before_its_answer_is_a_502() {
    let (answer, _) = get(|conn| {
        let _ = conn.request();
        conn.reset();
    });
    assert_own(&answer, 502, "connection_terminated");
}

#[test]
fn a_backend_that_closes_within_its_head_is_a_502() {
    let (answer, _) = get_bytes(b"HTTP/1.1 200 OK\r\nContent-Le");
    assert_own(&answer, 502, "connection_terminated");
}

#[test]
fn answers_that_are_not_http_are_a_502() {
    let rows: &[(&str, &'static [u8])] = &[
        ("garbage", b"\x00\x01\x02garbage\xff\xfe\r\n\r\n"),
        ("garbage without an end", b"no such protocol"),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("HTTP/2", b"HTTP/2 200 OK\r\n\r\n"),
        ("HTTP/0.9", b"<html>hello</html>"),
        ("no status", b"HTTP/1.1 \r\n\r\n"),
        ("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
        ("a status that is no number", b"HTTP/1.1 abc OK\r\n\r\n"),
        ("a status below 100", b"HTTP/1.1 099 OK\r\n\r\n"),
        ("a bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        ("a NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
        ("a bare CR in a value", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"),
        ("a folded line", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        ("a space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
        (
            "both lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        ("two different lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
        ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        ("a length that is no number", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
        ("a length above 64 bits", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok"),
        ("an unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok"),
        ("a coding before chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (
            "an upgrade that nobody asked for",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        ),
    ];
    let mut failures = Vec::new();
    for (name, bytes) in rows {
        let (answer, broken) = get_bytes(bytes);
        let error = answer.field("proxy-status").unwrap_or_default();
        // garbage that ends early may be either
        if answer.status != 502 || !matches!(error, "evenkeel; error=http_protocol_error") {
            failures.push(format!("{name}: {broken:?} {answer:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_head_without_an_end_is_a_502() {
    let (answer, _) = get(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\n");
        while conn.send("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n") {}
    });
    assert_own(&answer, 502, "http_response_header_section_size");
}

#[test]
fn interim_responses_without_an_end_are_a_502() {
    let (answer, _) = get(|conn| {
        let _ = conn.request();
        while conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") {}
    });
    assert_own(&answer, 502, "http_protocol_error");
}

#[test]
fn a_backend_that_says_nothing_is_a_504() {
    let origin = Origin::silent();
    let proxy = Proxy::start(&config("", "[service.api.timeout]\nresponse = \"200ms\"", &[&origin]));
    let mut client = proxy.client();
    assert_own(&client.get("/x"), 504, "http_response_timeout");
    wait_until("the backend's connection is closed", || origin.open() == 0);
}

#[test]
fn a_backend_that_takes_longer_than_total_is_a_504() {
    let origin = Origin::silent();
    let proxy = Proxy::start(&config("", "[service.api.timeout]\ntotal = \"200ms\"", &[&origin]));
    assert_own(&proxy.client().get("/x"), 504, "http_response_timeout");
}

#[test]
fn a_body_that_stalls_is_cut_off() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        conn.is_closed();
    });
    let proxy = Proxy::start(&config("", "retry.hold = 0\n[service.api.timeout]\nidle = \"200ms\"", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    let (answer, broken) = client.broken_response();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"half"[..]));
    assert!(matches!(broken, Some(Broken::Closed | Broken::Reset)), "{broken:?}");
}

#[test]
fn half_a_body_of_known_length_is_seen_to_be_broken() {
    // above `retry.hold`, so it is passed on as it comes
    let (answer, broken) = get_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf");
    assert!(matches!(answer.status, 0 | 200), "{answer:?}");
    assert!(answer.body.len() <= 4, "{answer:?}");
    assert!(matches!(broken, Some(Broken::Closed | Broken::Reset)), "{broken:?}");
}

#[test]
fn half_of_a_small_answer_is_never_seen() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let (answer, broken) = get_bytes(half.as_bytes());
    assert_own(&answer, 502, "connection_terminated");
    assert!(broken.is_none());
    // and with another backend nobody learns of it
    let (dying, origin) = (Origin::answering_once(half), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&dying, &origin]));
    for _ in 0..4 {
        let answer = proxy.client().get("/x");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    assert!(dying.connections() > 0);
}

#[test]
fn half_a_chunked_body_gets_no_last_chunk() {
    let rows: &[&'static [u8]] = &[
        b"4\r\nhalf\r\n",
        b"4\r\nhalf",
        b"64\r\nhalf",
        b"4\r\nhalf\r\n0\r\n",
        b"4\r\nhalf\r\nnonsense\r\n",
        b"4\r\nhalf\r\n-1\r\n",
    ];
    for body in rows {
        let (answer, broken) = get(move |conn| {
            let _ = conn.request();
            conn.send([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *body].concat());
        });
        // what is broken from the start need not be passed on
        assert!(matches!(answer.status, 0 | 200), "{body:?}: {answer:?}");
        assert!(answer.body.is_empty() || answer.body == b"half", "{body:?}: {answer:?}");
        assert!(matches!(broken, Some(Broken::Closed | Broken::Reset)), "{body:?}: {broken:?}");
    }
}

#[test]
fn half_a_body_that_a_1_0_client_reads_to_the_close_ends_in_a_reset() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.0\r\n\r\n");
    let (_, broken) = client.broken_response();
    assert_eq!(broken, Some(Broken::Reset));
}

#[test]
fn a_body_until_the_close_of_an_old_backend_is_delivered() {
    let (answer, broken) = get_bytes(b"HTTP/1.0 200 OK\r\n\r\nhello");
    assert_eq!((answer.text().as_str(), broken), ("hello", None));
    let (answer, broken) = get_bytes(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    assert_eq!((answer.text().as_str(), broken), ("hello", None));
}

#[test]
fn an_interim_response_comes_before_the_answer() {
    let (answer, broken) =
        get_bytes(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!((answer.text().as_str(), broken), ("ok", None));
    assert_eq!(answer.interim, [103]);
}

#[test]
fn a_100_that_nobody_waits_for_is_left_out() {
    let (answer, broken) = get_bytes(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!((answer.text().as_str(), broken), ("ok", None));
}

#[test]
fn answers_without_a_body_have_none() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            conn.send(match request.target() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
                "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
                "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            });
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    assert_eq!(client.get("/204").status, 204);
    assert_eq!(client.get("/304").status, 304);
    client.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response_to("HEAD").field("content-length"), Some("7"));
    client.send("HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n");
    let chunked = client.response_to("HEAD");
    assert_eq!((chunked.status, chunked.field("content-length")), (200, None));
    assert_eq!(client.get("/empty").field("content-length"), Some("0"));
    assert_eq!(origin.connections(), 1, "one connection does for all of them");
}

#[test]
fn bytes_behind_an_answer_are_never_taken_for_the_next() {
    let origin = Origin::script(|conn| {
        while conn.request().is_ok() {
            conn.send(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for _ in 0..20 {
        assert_eq!(client.get("/x").text(), "ok");
    }
    assert_eq!(origin.connections(), 20);
}

/// Many GETs, one after the other, to a backend that closes each connection after so many answers without announcing it.
fn backend_that_closes_after(answers: usize) {
    let origin = Origin::script(move |conn| {
        for _ in 0..answers {
            if conn.request().is_err() {
                return;
            }
            conn.send(OK);
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for i in 0..300 {
        let answer = client.get("/x");
        assert_eq!(answer.status, 200, "request {i}: {answer:?}");
    }
    assert_eq!(origin.requests().len(), 300, "each was executed once");
}

#[test]
fn a_backend_that_closes_after_each_answer_costs_no_request() {
    backend_that_closes_after(1);
}

#[test]
fn a_backend_that_closes_after_a_few_answers_costs_no_request() {
    backend_that_closes_after(7);
}

#[test]
fn a_post_is_never_sent_twice_once_a_backend_may_have_seen_it() {
    let origin = Origin::script(|conn| {
        // the second request on a connection is read, and not answered
        if conn.request().is_ok() {
            conn.send(OK);
            let _ = conn.request();
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    assert_eq!(client.get("/warm").status, 200);
    client.send("POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_own(&client.response(), 502, "connection_terminated");
    assert_eq!(origin.targets(), ["/warm", "/pay"]);
}

#[test]
fn ten_thousand_misbehaving_exchanges_leave_nothing_behind() {
    let origin = Origin::script(|conn| {
        let last = conn.request_head().is_ok_and(|request| request.target() == "/last");
        match conn.number % 6 {
            _ if last => drop(conn.send(OK)),
            0 => {}
            1 => conn.reset(),
            2 => drop(conn.send("nonsense\r\n\r\n")),
            3 => drop(conn.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")),
            4 => drop(conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")),
            _ => drop(conn.send(OK)),
        }
    });
    let proxy = Proxy::to(&origin);
    let exchange = |i: usize| {
        let mut client = proxy.client();
        match i % 4 {
            0 => drop(client.try_send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")),
            1 => drop(client.try_send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")),
            2 => drop(client.try_send("nonsense\r\n\r\n")),
            _ => {
                drop(client.try_send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"))
            }
        }
        match i % 3 {
            0 => client.reset(),
            1 => {
                client.finish();
                client.rest();
            }
            _ => drop(client),
        }
    };
    (0..500).for_each(exchange);
    wait_until("the backend's connections end", || origin.open() == 0);
    let (fds, rss, began) = (proxy.fds(), proxy.rss(), Instant::now());
    (500..10_500).for_each(exchange);
    wait_until("the backend's connections end", || origin.open() == 0);
    wait_until("the file descriptors are given back", || proxy.fds() <= fds + 4);
    let grown = proxy.rss().saturating_sub(rss);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes more after {:?}", began.elapsed());
    assert_eq!(proxy.client().get("/last").text(), "ok", "and it still serves");
}

#[test]
fn bodies_where_none_may_be_are_never_taken_for_the_next_answer() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
            conn.send(match request.target() {
                "/head" => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{poison}", poison.len()),
                "/204" => format!("HTTP/1.1 204 No Content\r\nContent-Length: {}\r\n\r\n{poison}", poison.len()),
                "/304" => format!("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n{poison}"),
                _ => OK.to_owned(),
            });
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for _ in 0..20 {
        client.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response_to("HEAD").status, 200);
        assert_eq!(client.get("/x").text(), "ok");
        assert_eq!(client.get("/204").status, 204);
        assert_eq!(client.get("/x").text(), "ok");
        assert_eq!(client.get("/304").status, 304);
        assert_eq!(client.get("/x").text(), "ok");
    }
}

#[test]
fn a_backend_that_says_close_is_not_used_again() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        // it closes when it sees fit
        conn.is_closed();
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for _ in 0..5 {
        let answer = client.get("/x");
        assert_eq!((answer.text().as_str(), answer.head.lists("connection", "close")), ("ok", false));
    }
    assert_eq!(origin.connections(), 5);
}

#[test]
fn too_many_fields_in_an_answer_are_a_502() {
    let (answer, _) = get(|conn| {
        let _ = conn.request();
        let fields: String = (0..2000).map(|i| format!("X-{i}: y\r\n")).collect();
        conn.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"));
    });
    assert_own(&answer, 502, "http_response_header_section_size");
}

#[test]
fn an_answer_of_a_backend_that_did_not_wait_for_the_body_is_passed_on() {
    let origin = Origin::script(|conn| {
        // closing with much unread makes the kernel send RST right behind the answer
        let _ = conn.request_head();
        conn.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
    });
    let proxy = Proxy::to(&origin);
    for _ in 0..10 {
        let mut client = proxy.client();
        client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 1 << 20));
        let _ = client.try_send(vec![b'x'; 1 << 20]);
        let answer = client.response();
        assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    }
}

#[test]
fn what_came_before_the_break_is_passed_on_or_it_is_a_502() {
    // closed without a byte, a client takes its request for one that never arrived, and may well send it again
    let rows = [
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ];
    for answer in rows {
        let origin = Origin::answering_once(answer);
        let proxy = Proxy::to(&origin);
        // whether head, body and end arrive together is up to the kernel
        for _ in 0..50 {
            let mut client = proxy.client();
            client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
            let (answer, broken) = client.broken_response();
            assert!(
                (answer.status == 200 && broken.is_some()) || (answer.status == 502 && broken.is_none()),
                "{broken:?}, {answer:?}"
            );
        }
    }
}
