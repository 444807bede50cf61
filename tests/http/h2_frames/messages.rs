//! Answers and what becomes of them on the way to the client (RFC 9113, section 8).

use super::connection::Connection;
use super::frame::{END_STREAM, data, fields, headers, post};
use crate::support::{OK, Origin, Proxy};

#[test]
fn answers_without_a_body_have_none() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            conn.send(match request.target() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n",
                "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "/0" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            });
        }
    });
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    let rows = [
        ("HEAD", "/x", 200, Some("5")),
        ("HEAD", "/chunked", 200, None),
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, Some("5")),
        ("GET", "/0", 200, Some("0")),
        ("HEAD", "/204", 204, None),
    ];
    for ((method, path, status, length), stream) in rows.into_iter().zip((1..).step_by(2)) {
        connection.send(headers(stream, END_STREAM, &fields(method, path)));
        let answer = connection.answer(stream);
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{method} {path}");
        // a length where there is none to know may be said or left out; a wrong one must not be
        let said = answer.field("content-length");
        assert!(said.is_empty() || said == length.into_iter().collect::<Vec<_>>(), "{method} {path}: {said:?}");
    }
    assert_eq!(connection.get(101, "/0").status, 200);
}

#[test]
fn fields_that_belong_to_the_backend_s_connection_stay_there() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Connection: x\r\n\
         Upgrade: h2c\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nX-End: 1\r\nX-END: 2\r\nSet-Cookie: a=1\r\n\
         Set-Cookie: b=2\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\nX-Last: y\r\n\r\n",
    );
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    let answer = connection.get(1, "/x");
    for hop in ["connection", "keep-alive", "x-hop", "proxy-connection", "upgrade", "transfer-encoding"] {
        assert!(answer.field(hop).is_empty(), "{hop}: {:?}", answer.fields);
    }
    assert_eq!((answer.field("x-end"), answer.field("set-cookie")), (vec!["1", "2"], vec!["a=1", "b=2"]));
    assert_eq!(answer.body, b"ok");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(answer.trailers, [pair("x-sum", "2"), pair("x-last", "y")]);
}

#[test]
fn statuses_of_all_kinds_are_passed_on() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            conn.send(format!("HTTP/1.1 {} X\r\nContent-Length: 2\r\n\r\nok", &request.target()[1..]));
        }
    });
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    let statuses = [200, 201, 206, 226, 301, 308, 400, 404, 418, 429, 451, 499, 500, 501, 599];
    for (status, stream) in statuses.into_iter().zip((1..).step_by(2)) {
        assert_eq!(connection.get(stream, &format!("/{status}")).status, status);
    }
}

#[test]
fn interim_answers_are_no_answers() {
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x.js>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for stream in [1, 3] {
        let answer = connection.get(stream, "/x");
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
        // passed on, or dropped
        assert!(answer.interim.is_empty() || answer.interim == [103, 103], "{:?}", answer.interim);
    }
}

#[test]
fn an_answer_that_breaks_ends_its_stream_and_no_other() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            match request.target() {
                "/short" => drop(conn.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\nhalf")),
                "/chunk" => {
                    conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
                }
                _ => {
                    conn.send(OK);
                    continue;
                }
            }
            return;
        }
    });
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for (stream, path) in [(1, "/short"), (5, "/chunk")] {
        connection.send(super::frame::get(stream, path));
        connection.outcome(stream);
        let half = connection.stream(stream);
        // an error, be it seen before the head or after
        assert!(half.reset.is_some() || half.status == 502, "{path}: {half:?}");
        assert_eq!(connection.get(stream + 2, "/x").body, b"ok");
    }
    assert_eq!(connection.goaway, None);
}

#[test]
fn an_answer_may_come_before_the_body_has_ended() {
    let origin = Origin::script(|conn| {
        if conn.request_head().is_ok() {
            conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        }
    });
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for stream in [1, 3] {
        connection.send([post(stream, "/x"), data(stream, 0, "half")].concat());
        connection.outcome(stream);
        assert_eq!((connection.stream(stream).status, &connection.stream(stream).body[..]), (403, &b"no"[..]));
        // the rest, from a client that has not noticed
        connection.send([data(stream, 0, "more"), data(stream, END_STREAM, "end")].concat());
        assert!(connection.is_alive());
    }
    assert_eq!(connection.goaway, None);
}

#[test]
fn a_large_head_of_an_answer_comes_in_frames_of_the_right_size() {
    let fields: String = (0..10).map(|i| format!("X-Large-{i}: {}\r\n", "v".repeat(3000))).collect();
    let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"));
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    for stream in [1, 3] {
        let answer = connection.get(stream, "/x");
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
        for i in 0..10 {
            assert_eq!(answer.field(&format!("x-large-{i}")), ["v".repeat(3000)], "field {i}");
        }
    }
}
