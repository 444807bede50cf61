//! Requests as they arrive (RFC 9113, sections 8.2 and 8.3.1).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::backend::{Asked, Backend};
use super::rows::wait_for_requests;
use super::{proxy_to, proxy_with};
use crate::h2_frames::connection::Connection;
use crate::h2_frames::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME_SIZE, HEADER_TABLE_SIZE, HEADERS, data, fields, frame, headers,
};
use crate::h2_frames::hpack;
use crate::support::{Client, Proxy};

/// A backend that answers `ok`, the heads that it got, and a proxy.
fn recording() -> (Backend, Arc<Mutex<Vec<Asked>>>, Proxy) {
    let heads: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let log = Arc::clone(&heads);
    // an encoder without a table is what we are, whatever is allowed
    let backend = Backend::new(&[(HEADER_TABLE_SIZE, 0)], move |peer, asked| {
        log.lock().unwrap().push(asked.clone());
        peer.upload(asked);
        peer.answer(asked.stream, "ok")
    });
    let proxy = proxy_to(&backend);
    (backend, heads, proxy)
}

fn sent(client: &mut Client, heads: &Mutex<Vec<Asked>>, request: &str) -> Asked {
    client.send(request);
    let method = request.split(' ').next().unwrap();
    assert_eq!(client.response_to(method).status, 200, "{request}");
    heads.lock().unwrap().pop().unwrap()
}

#[test]
fn the_first_line_becomes_pseudo_fields() {
    let (_backend, heads, proxy) = recording();
    let mut client = proxy.client();
    for (line, method, path) in [
        ("GET / HTTP/1.1", "GET", "/"),
        ("GET /a?b=c&d HTTP/1.1", "GET", "/a?b=c&d"),
        ("DELETE /x HTTP/1.1", "DELETE", "/x"),
        ("OPTIONS * HTTP/1.1", "OPTIONS", "*"),
        ("PROPFIND /dav/ HTTP/1.1", "PROPFIND", "/dav/"),
        ("GET http://site.example/absolute?x HTTP/1.1", "GET", "/absolute?x"),
        ("GET http://site.example HTTP/1.1", "GET", "/"),
    ] {
        let asked = sent(&mut client, &heads, &format!("{line}\r\nHost: site.example\r\n\r\n"));
        assert_eq!((asked.method(), asked.path(), asked.ended), (method, path, true), "{line}");
        assert_eq!((asked.all(":scheme"), asked.all(":authority")), (vec!["http"], vec!["site.example"]), "{line}");
        assert_eq!(asked.all("host"), Vec::<&str>::new(), "{line}");
        let pseudo = asked.fields.iter().take_while(|(name, _)| name.starts_with(':')).count();
        assert_eq!(pseudo, asked.fields.iter().filter(|(name, _)| name.starts_with(':')).count(), "they come first");
    }
}

#[test]
fn fields_of_the_client_s_connection_stay_there() {
    let (_backend, heads, proxy) = recording();
    let asked = sent(
        &mut proxy.client(),
        &heads,
        "POST /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\n\
         Proxy-Connection: keep-alive\r\nTE: trailers, deflate\r\nTransfer-Encoding: chunked\r\nX-Yours: 2\r\n\r\n0\r\n\r\n",
    );
    for name in
        ["connection", "keep-alive", "x-mine", "proxy-connection", "transfer-encoding", "upgrade", "content-length"]
    {
        assert_eq!(asked.all(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!((asked.all("x-yours"), asked.all("te")), (vec!["2"], vec!["trailers"]));
    assert!(asked.fields.iter().all(|(name, _)| !name.bytes().any(|b| b.is_ascii_uppercase())));
}

#[test]
fn the_length_of_a_body_is_said_where_it_was() {
    let (_backend, heads, proxy) = recording();
    let mut client = proxy.client();
    let asked = sent(&mut client, &heads, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!((asked.all("content-length"), asked.ended), (vec!["2"], false));
    let asked = sent(
        &mut client,
        &heads,
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    assert_eq!((asked.all("content-length"), asked.ended), (Vec::new(), false));
    let mut client = Connection::open(&proxy);
    let head = [fields("POST", "/x"), vec![("content-length", "2")]].concat();
    client.send([headers(1, 0, &head), data(1, END_STREAM, "hi")].concat());
    assert_eq!(client.answer(1).status, 200);
    assert_eq!(heads.lock().unwrap().pop().unwrap().all("content-length"), ["2"]);
}

#[test]
fn crumbs_of_cookies_arrive_as_one_value_or_as_crumbs_and_never_lost() {
    let (_backend, heads, proxy) = recording();
    let mut client = Connection::open(&proxy);
    let crumbs = [("cookie", "a=b"), ("cookie", "c=d"), ("cookie", "e=f")];
    client.send(headers(1, END_STREAM, &[fields("GET", "/x"), crumbs.into()].concat()));
    assert_eq!(client.answer(1).status, 200);
    let asked = heads.lock().unwrap().pop().unwrap();
    assert_eq!(asked.all("cookie").join("; "), "a=b; c=d; e=f");
    let asked = sent(&mut proxy.client(), &heads, "GET /x HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=d\r\n\r\n");
    assert_eq!(asked.all("cookie").join("; "), "a=b; c=d");
}

#[test]
fn a_head_that_one_frame_does_not_hold_goes_on_in_others() {
    let (backend, heads, proxy) = recording();
    let mut request = "GET /x HTTP/1.1\r\nHost: a\r\n".to_owned();
    let values: Vec<_> = (0..40).map(|i| (format!("x-{i:02}"), "v".repeat(1000))).collect();
    values.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    let mut client = Client::connect(proxy.address());
    client.send(request + "\r\n");
    let told = client.response();
    if told.status == 431 {
        // the listener's own limit is below one frame
        return;
    }
    let asked = heads.lock().unwrap().pop().unwrap();
    assert!(values.iter().all(|(name, value)| asked.all(name) == [value]));
    assert!(backend.seen().iter().all(|seen| seen.frame.kind != HEADERS || seen.frame.payload.len() > FRAME_SIZE));
}

#[test]
fn grpc_framing_is_passed_on_as_it_came() {
    let (backend, heads, proxy) = recording();
    let head = [
        fields("POST", "/pkg.Service/Method"),
        vec![("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "1S")],
    ]
    .concat();
    let mut client = Connection::open(&proxy);
    // an empty stream: its head and its end are two frames, in one segment
    client.send([headers(1, 0, &head), data(1, END_STREAM, "")].concat());
    assert_eq!(client.answer(1).status, 200);
    let asked = heads.lock().unwrap().pop().unwrap();
    assert_eq!((asked.ended, asked.all("content-length")), (false, Vec::new()));
    assert_eq!((asked.all("te"), asked.all("grpc-timeout")), (vec!["trailers"], vec!["1S"]));
    let frames: Vec<_> =
        backend.seen().into_iter().filter(|seen| seen.frame.stream == 1).map(|seen| seen.frame).collect();
    assert!(
        matches!(&frames[..], [head, end] if head.kind == HEADERS && end.kind == DATA && end.has(END_STREAM)),
        "{frames:?}"
    );
    // and a head that ends its stream does
    client.send(headers(3, END_STREAM, &head));
    assert_eq!(client.answer(3).status, 200);
    assert!(heads.lock().unwrap().pop().unwrap().ended);
}

#[test]
fn trailers_of_a_request_arrive() {
    let trailers: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let log = Arc::clone(&trailers);
    let backend = Backend::new(&[(HEADER_TABLE_SIZE, 0)], move |peer, asked| {
        peer.upload(asked);
        let block = peer.last_block();
        *log.lock().unwrap() = block;
        peer.answer(asked.stream, "ok")
    });
    let proxy = proxy_to(&backend);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 5\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(*trailers.lock().unwrap(), [("x-sum".to_owned(), "5".to_owned())]);
    let mut client = Connection::open(&proxy);
    let block = hpack::block(&[("x-sum", "6")]);
    client.send(
        [headers(1, 0, &fields("POST", "/x")), data(1, 0, "hi"), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)]
            .concat(),
    );
    assert_eq!(client.answer(1).status, 200);
    assert_eq!(*trailers.lock().unwrap(), [("x-sum".to_owned(), "6".to_owned())]);
    assert!(backend.seen().iter().all(|seen| seen.frame.kind != CONTINUATION));
}

#[test]
fn a_body_that_waits_for_100_is_sent_after_it_and_not_before() {
    let backend = Backend::new(&[], |peer, asked| {
        assert_eq!(asked.all("expect"), ["100-continue"]);
        match asked.path() {
            "/no" => peer.send(headers(asked.stream, END_STREAM, &[(":status", "417")])),
            _ => {
                peer.send(headers(asked.stream, 0, &[(":status", "100")]));
                let body = peer.upload(asked);
                peer.answer(asked.stream, &String::from_utf8(body).unwrap())
            }
        }
    });
    let proxy = proxy_with("", &[&backend]);
    let ask = |target: &str| {
        let mut client = proxy.client();
        client.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
        client
    };
    let began = Instant::now();
    assert_eq!(ask("/no").response_head().status, 417);
    wait_for_requests(&backend, 1);
    assert!(backend.seen().iter().all(|seen| seen.frame.kind != DATA));
    let mut client = ask("/yes");
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.response().text(), "hello");
    assert!(began.elapsed() < Duration::from_secs(10));
}
