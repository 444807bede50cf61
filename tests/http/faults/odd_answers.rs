//! Answers that are whole and unlike most.

use super::get_bytes;
use crate::h2_frames::connection::Connection;
use crate::support::{Origin, Proxy, config, wait_until};

#[test]
fn a_body_until_the_close_of_an_old_backend_is_delivered() {
    let (answer, broken) = get_bytes(b"HTTP/1.0 200 OK\r\n\r\nhello");
    assert_eq!((answer.text().as_str(), broken), ("hello", None));
    let (answer, broken) = get_bytes(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    assert_eq!((answer.text().as_str(), broken), ("hello", None));
}

#[test]
fn a_status_of_three_digits_that_no_class_has_is_passed_on_and_what_is_none_is_a_502() {
    for (status, told) in
        [("600", "600"), ("999", "999"), ("099", "502"), ("000", "502"), ("1000", "502"), ("20", "502")]
    {
        let origin = Origin::answering(format!("HTTP/1.1 {status} Odd\r\nContent-Length: 2\r\n\r\nok"));
        let proxy = Proxy::to(&origin);
        let mut client = proxy.client();
        client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {told} ")), "{answer}");
        let own = "evenkeel; error=http_protocol_error";
        assert_eq!(answer.contains(own), told == "502", "{answer}");
        assert_eq!(Connection::open(&proxy).get(1, "/x").status.to_string(), told);
    }
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
fn a_minor_version_that_nobody_knows_yet_is_taken_as_1_1() {
    let (answer, broken) = get_bytes(b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!((answer.text().as_str(), broken), ("ok", None));
    let (answer, broken) = get_bytes(b"HTTP/1.3 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n002\r\nok\r\n00\r\n\r\n");
    assert_eq!((answer.text().as_str(), broken), ("ok", None), "sizes with zeros before them are Varnish's way");
}

#[test]
fn an_old_server_s_bare_line_ends_are_taken_where_the_service_says_so() {
    const OLD: &str = "HTTP/1.0 200 OK\nServer: old\nContent-Length: 2\n\nok";
    let origin = Origin::answering_once(OLD);
    let health = "[service.api.health]\ninterval = \"50ms\"\nfall = 1\nrise = 1\ninitial = \"down\"\n";
    let proxy = Proxy::start(&config("", &format!("allow_bare_lf = true\n{health}"), &[&origin]));
    wait_until("its checks take them too", || proxy.client().get("/x").status == 200);
    let answer = proxy.client().get("/x");
    assert_eq!((answer.text().as_str(), answer.field("server")), ("ok", Some("old")));

    let proxy = Proxy::to(&origin);
    assert_eq!(proxy.client().get("/x").status, 502);
}
