//! Backends that break: the client sees it, is never told that half an answer is a whole one, and nothing is left behind.

mod half_answers;
mod kept_connections;
mod no_answer;
mod odd_answers;

use std::time::Instant;

use crate::support::{Broken, Conn, GET, OK, Origin, Proxy, Response, wait_until};

/// One GET to a backend that runs `script`, and what the client gets.
fn get(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> (Response, Option<Broken>) {
    let origin = Origin::script(script);
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send(GET);
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
            0 => drop(client.try_send(GET)),
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
