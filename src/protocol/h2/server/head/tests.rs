use std::time::Duration;

use super::*;

fn limits() -> RequestLimits {
    RequestLimits {
        header_timeout: Duration::from_secs(1),
        max_header_bytes: 4096,
        max_headers: 10,
        max_body: 1000,
        min_body_rate: 0,
        max_requests_per_connection: 0,
        max_concurrent_streams: 10,
        allow_encoded_controls: false,
    }
}

fn field(name: &str, value: &str) -> Field {
    let value_of = HeaderValue::from_str(value).unwrap();
    let pseudo = match name {
        ":method" => Pseudo::Method,
        ":scheme" => Pseudo::Scheme,
        ":authority" => Pseudo::Authority,
        ":path" => Pseudo::Path,
        ":protocol" => Pseudo::Protocol,
        ":status" => Pseudo::Status,
        _ => return Field::Plain(HeaderName::from_bytes(name.as_bytes()).unwrap(), value_of),
    };
    Field::Pseudo(pseudo, value_of)
}

fn fields(all: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new(&limits());
    for (name, value) in all {
        fields.take(field(name, value), name.len() + value.len() + 32);
    }
    fields
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":path", "/a?b"), (":authority", "a.example")];

fn get_and<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    GET.iter().chain(more).copied().collect()
}

fn but<'a>(name: &'a str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let others = GET.into_iter().filter(|(n, _)| *n != name);
    others.chain(value.map(|value| (name, value))).collect()
}

#[test]
fn a_request_is_what_its_fields_say() {
    let more = [("x-a", "1"), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("content-length", "5")];
    let (request, announced) = fields(&get_and(&more)).request(&limits(), false).unwrap();
    assert_eq!((request.method, request.uri.to_string().as_str()), (Method::GET, "/a?b"));
    assert_eq!(request.host.unwrap(), "a.example");
    assert_eq!((request.length, announced), (Length::Fixed(5), Some(5)));
    assert!(request.te_trailers && !request.expect_continue && request.upgrade.is_none());
    assert_eq!(request.headers["cookie"], "a=1; b=2");
    assert_eq!(request.headers.len(), 2, "{:?}", request.headers);
}

#[test]
fn how_long_a_body_is_comes_from_what_was_announced_and_whether_the_stream_has_ended() {
    let length = |more: &[(&str, &str)], ended| {
        fields(&get_and(more)).request(&limits(), ended).map(|(request, _)| request.length).ok()
    };
    assert_eq!(length(&[], true), Some(Length::Fixed(0)));
    assert_eq!(length(&[], false), Some(Length::Chunked));
    assert_eq!(length(&[("content-length", "7")], false), Some(Length::Fixed(7)));
    assert_eq!(length(&[("content-length", "7"), ("content-length", "7")], false), Some(Length::Fixed(7)));
    assert_eq!(length(&[("content-length", "0")], true), Some(Length::Fixed(0)));
    for wrong in ["7", "-1", "+1", "0x1", "", "1, 1", "99999999999999999999"] {
        assert_eq!(length(&[("content-length", wrong)], true), None, "{wrong:?}");
    }
    assert_eq!(length(&[("content-length", "7"), ("content-length", "8")], false), None);
}

#[test]
fn malformed_requests_are_refused_by_a_reset_and_those_of_bad_taste_by_an_answer() {
    let malformed = [
        but(":method", None),
        but(":scheme", None),
        but(":path", None),
        but(":path", Some("")),
        but(":path", Some("a")),
        but(":path", Some("*")),
        but(":path", Some("/a b")),
        but(":path", Some("/a#b")),
        but(":method", Some("")),
        but(":method", Some("G T")),
        but(":scheme", Some("")),
        but(":scheme", Some("ht/tp")),
        get_and(&[(":path", "/b")]),
        get_and(&[("x", "y"), (":protocol", "websocket")]),
        get_and(&[(":protocol", "websocket")]),
        get_and(&[(":status", "200")]),
        get_and(&[("connection", "close")]),
        get_and(&[("keep-alive", "1")]),
        get_and(&[("proxy-connection", "close")]),
        get_and(&[("transfer-encoding", "chunked")]),
        get_and(&[("upgrade", "x")]),
        get_and(&[("te", "gzip")]),
        but(":method", Some("CONNECT")),
    ];
    for all in malformed {
        let refused = fields(&all).request(&limits(), true);
        assert!(matches!(refused, Err(Refused::Malformed(_))), "{all:?}: {refused:?}");
    }
    let mut fields_of_others = fields(&GET);
    fields_of_others.take(Field::Malformed, 40);
    assert!(matches!(fields_of_others.request(&limits(), true), Err(Refused::Malformed(_))));
    let large = "y".repeat(4096);
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    let answered = [
        (connect.to_vec(), Kind::MalformedRequest),
        (but(":authority", None), Kind::MalformedRequest),
        (but(":authority", Some("")), Kind::MalformedRequest),
        (but(":authority", Some("user@a")), Kind::MalformedRequest),
        (get_and(&[("host", "b.example")]), Kind::MalformedRequest),
        (get_and(&[("host", "a.example"), ("host", "a.example")]), Kind::MalformedRequest),
        (get_and(&[("content-length", "1001")]), Kind::BodyTooLarge),
        (get_and(&[("expect", "a miracle")]), Kind::UnknownExpectation),
        (get_and(&[("x", "y"); 11]), Kind::HeadersTooLarge),
        (get_and(&[("x", &large)]), Kind::HeadersTooLarge),
    ];
    for (all, kind) in answered {
        match fields(&all).request(&limits(), false) {
            Err(Refused::Answered(error)) => assert_eq!(error.kind(), kind, "{all:?}"),
            other => panic!("{all:?}: {other:?}"),
        }
    }
}

#[test]
fn options_may_ask_for_everything() {
    let mut all = but(":path", Some("*"));
    all[0].1 = "OPTIONS";
    let (request, _) = fields(&all).request(&limits(), true).unwrap();
    assert_eq!(request.uri.path(), "*");
}

#[test]
fn an_extended_connect_is_an_upgrade() {
    let mut all = get_and(&[(":protocol", "websocket")]);
    all[0].1 = "CONNECT";
    let (request, _) = fields(&all).request(&limits(), false).unwrap();
    assert!(matches!(request.upgrade, Some(Upgrade::Connect(protocol)) if protocol == "websocket"));
    assert_eq!(request.length, Length::Fixed(0));
}

#[test]
fn an_extended_connect_asks_for_one_protocol_that_is_not_http_2() {
    let refused = |protocol| {
        let mut all = get_and(&[(":protocol", protocol)]);
        all[0].1 = "CONNECT";
        fields(&all).request(&limits(), false).map(|_| ()).unwrap_err()
    };
    for protocol in ["", "x, h2c", "websocket,h2c", "web socket", "websocket;h2c", "h2c/1"] {
        assert!(matches!(refused(protocol), Refused::Malformed(_)), "{protocol:?}");
    }
    for protocol in ["h2c", "H2C", "h2"] {
        assert!(matches!(refused(protocol), Refused::Answered(_)), "{protocol:?}");
    }
}

#[test]
fn trailers_have_no_pseudo_fields_and_say_nothing_of_framing() {
    assert!(fields(&[("x", "y"), (":path", "/")]).trailers().is_none());
    assert!(fields(&[("connection", "close")]).trailers().is_none());
    let trailers =
        fields(&[("x-sum", "1"), ("content-length", "5"), ("host", "a"), ("te", "trailers")]).trailers().unwrap();
    assert_eq!(trailers.len(), 1);
    assert_eq!(trailers["x-sum"], "1");
}
