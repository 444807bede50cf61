//! What RFC 9110 and its kin ask of an intermediary beyond the framing of messages: targets, hops, interim answers, and what
//! one version says that another can't.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};

use crate::support::h2::{self, Client};
use crate::support::{Broken, Origin, Proxy, config, wait_until};

/// The target with which this request line reaches a backend.
fn reaches_as(line: &str) -> String {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.response().status, 200, "{line}");
    origin.request().target().to_owned()
}

#[test]
fn an_absolute_target_without_a_path_gets_one() {
    assert_eq!(reaches_as("GET http://a.example"), "/");
    assert_eq!(reaches_as("GET http://a.example?b=c"), "/?b=c");
    assert_eq!(reaches_as("GET http://a.example:80/?b=c"), "/?b=c");
}

#[test]
fn options_for_a_whole_server_stay_that() {
    assert_eq!(reaches_as("OPTIONS *"), "*");
    assert_eq!(reaches_as("OPTIONS http://a.example"), "*");
    assert_eq!(reaches_as("OPTIONS http://a.example/"), "/");
    assert_eq!(reaches_as("OPTIONS http://a.example?b"), "/?b");
}

#[test]
fn a_request_that_counts_its_hops_is_counted_and_stops_at_the_last() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    let mut ask = |method: &str, fields: &str| {
        client.send(format!("{method} /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        client.response()
    };
    for (method, sent, passed) in
        [("OPTIONS", "1", "0"), ("TRACE", "70", "69"), ("GET", "3", "3"), ("OPTIONS", "many", "many")]
    {
        assert_eq!(ask(method, &format!("Max-Forwards: {sent}\r\n")).status, 200);
        assert_eq!(origin.requests().last().unwrap().field("max-forwards"), Some(passed), "{method} {sent}");
    }
    let asked = origin.requests().len();
    let answer = ask("OPTIONS", "Max-Forwards: 0\r\n");
    assert_eq!((answer.status, answer.text().as_str(), answer.field("proxy-status")), (200, "", Some("evenkeel")));
    assert_eq!(ask("TRACE", "Max-Forwards: 0\r\n").status, 501);
    assert_eq!(origin.requests().len(), asked, "neither went further");
}

#[test]
fn a_head_request_that_is_refused_gets_no_body() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_body = \"10B\"", "", &[&origin]));
    for (rest, status) in [
        ("/ HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", 413),
        ("/ HTTP/1.1\r\n\r\n", 400),
        ("/ HTTP/1.1\r\nHost: a\r\nno field\r\n\r\n", 400),
    ] {
        for (method, has_body) in [("GET", true), ("HEAD", false)] {
            let mut client = proxy.client();
            client.send(format!("{method} {rest}"));
            let answer = String::from_utf8(client.rest()).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{method}: {answer}");
            assert_eq!(!body.is_empty(), has_body, "{method} {rest}");
        }
    }
}

#[test]
fn early_hints_are_no_wish_for_the_body() {
    let origin = Origin::script(|conn| {
        let _ = conn.request_head();
        conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        conn.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        conn.is_closed();
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.interim.as_slice()), (401, &[103][..]));
}

#[test]
fn an_http_2_backend_s_length_is_said_once_and_trailers_do_not_frame() {
    let origin = h2::Origin::script(|request, mut respond| async move {
        let mut answer = Response::builder().status(200);
        match request.uri().path() {
            "/trailers" => {}
            "/204" => answer = answer.status(204),
            _ => answer = answer.header("content-length", 2),
        }
        if request.method() == Method::HEAD || request.uri().path() == "/204" {
            respond.send_response(answer.body(()).unwrap(), true).unwrap();
            return;
        }
        let mut stream = respond.send_response(answer.body(()).unwrap(), false).unwrap();
        stream.send_data("ok".into(), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("1"));
        trailers.insert("content-length", HeaderValue::from_static("9"));
        stream.send_trailers(trailers).unwrap();
    });
    let backend = format!("[[service.api.backend]]\naddress = \"{}\"\n", origin.address());
    let proxy = Proxy::start(&(config("", "protocol = \"h2\"", &[]) + &backend));
    let mut client = proxy.client();
    let answer = client.get("/length");
    assert_eq!((answer.head.all("content-length"), answer.text().as_str()), (vec!["2"], "ok"));
    client.send("HEAD /length HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response_to("HEAD").head.all("content-length"), ["2"]);
    assert_eq!(client.get("/204").head.all("content-length"), [""; 0]);
    let answer = client.get("/trailers");
    assert_eq!((answer.text().as_str(), answer.trailers), ("ok", vec![("x-sum".to_owned(), "1".to_owned())]));
}

/// What an HTTP/2 client gets that asks for a WebSocket from a backend that answers with this.
fn websocket(answer: &'static str) -> Response<()> {
    let origin = Origin::answering(answer);
    let proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        assert!(client.takes_extended_connect().await);
        let mut request = Request::builder().method(Method::CONNECT).uri("http://a/chat").body(()).unwrap();
        request.extensions_mut().insert(::h2::ext::Protocol::from_static("websocket"));
        let (answer, _sending) = client.open(request, false).await;
        answer.await.unwrap().map(|_| ())
    })
}

#[test]
fn a_websocket_over_http_2_that_the_backend_did_not_open_is_not_open() {
    // RFC 8441, section 5: a 2xx would say that it is
    let answer = websocket("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.headers()["proxy-status"], "evenkeel; error=http_upgrade_failed");
    assert_eq!(websocket("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").status(), 403);
}

#[test]
fn a_refused_head_over_http_2_has_no_body() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_headers = 2", "", &[&origin]));
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let ask = |method: Method| {
            let request = Request::builder().method(method).uri("http://a/x");
            request.header("x-a", "1").header("x-b", "2").header("x-c", "3").body(()).unwrap()
        };
        let got = client.call(ask(Method::GET), "").await;
        assert_eq!((got.status, got.body.len()), (431, "431 Request Header Fields Too Large\n".len()));
        let got = client.call(ask(Method::HEAD), "").await;
        assert_eq!((got.status, got.body.len()), (431, 0));
    });
}

#[test]
fn the_client_that_a_trusted_proxy_names_is_the_client() {
    let origins =
        ["a", "b"].map(|name| Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}")));
    let run = |trusted: &str| {
        let affinity =
            "[service.api.affinity]\nby = \"client_ip\"\n[log]\naccess = \"{dir}/access\"\n[server]\nworkers = 1\n";
        let listener = format!("trusted_proxies = [{trusted}]");
        let proxy = Proxy::start(&(config(&listener, "", &[&origins[0], &origins[1]]) + affinity));
        let mut client = proxy.client();
        let mut from = |address: &str| {
            client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, {address}\r\n\r\n"));
            client.response().text()
        };
        let got: Vec<String> = ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"].map(&mut from).into();
        wait_until("the access log has it", || {
            std::fs::read_to_string(proxy.path("access")).is_ok_and(|log| log.lines().count() == 4)
        });
        (got, std::fs::read_to_string(proxy.path("access")).unwrap())
    };
    let (got, log) = run("\"127.0.0.0/8\"");
    assert!(got[0] != got[1] && got[..2] == got[2..], "each has a session of its own: {got:?}");
    assert!(log.contains("\"client\":\"192.0.2.2\"") && !log.contains("\"client\":\"127.0.0.1\""), "{log}");
    let (got, log) = run("");
    assert!(got.iter().all(|one| *one == got[0]), "whoever can't be believed is one client: {got:?}");
    assert!(log.lines().all(|line| line.contains("\"client\":\"127.0.0.1\"")), "{log}");
}

/// Two backends that want the whole request, one over HTTP/1 and one over HTTP/2; `early`: they begin to answer before. Each
/// with the protocol that it speaks.
fn insatiable(early: bool) -> (Origin, h2::Origin) {
    let one = Origin::script(move |conn| {
        let Ok(mut request) = conn.request_head() else { return };
        if early {
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
        }
        if conn.finish_request(&mut request).is_ok() {
            conn.send("0\r\n\r\n");
        }
    });
    let two = h2::Origin::script(move |mut request, mut respond| async move {
        let mut stream = early.then(|| {
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data("hi".into(), false).unwrap();
            stream
        });
        if h2::read(request.body_mut()).await.is_ok() {
            stream.as_mut().map(|stream| stream.send_data(Bytes::new(), true));
        }
    });
    (one, two)
}

/// The proxy in front of each of them, with this in `[service.api.timeout]`.
fn before_each((one, two): &(Origin, h2::Origin), timeout: &str) -> [Proxy; 2] {
    [("http1", one.address().to_owned()), ("h2", two.address())].map(|(protocol, address)| {
        let service = config("", &format!("protocol = \"{protocol}\""), &[]);
        let backend = format!("[[service.api.backend]]\naddress = \"{address}\"");
        Proxy::start(&format!("{service}{backend}\n[service.api.timeout]\n{timeout}\n"))
    })
}

#[test]
fn a_client_that_uses_up_the_time_of_its_request_costs_its_backend_nothing() {
    for (early, timeout) in [(false, "total = \"200ms\""), (true, "total = \"200ms\""), (true, "idle = \"200ms\"")] {
        let backends = insatiable(early);
        for proxy in before_each(&backends, timeout) {
            let mut client = proxy.client();
            client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
            match early {
                false => assert_eq!(client.response().status, 408, "{timeout}"),
                true => {
                    let broken = client.broken_response().1;
                    assert_eq!(broken, Some(Broken::Closed), "{timeout}: what has begun can only break");
                }
            }
            proxy.wait_for_metrics("evenkeel_backend_attempts_total{service=\"api\"");
            let status = proxy.admin("/api/v1/status").unwrap().text();
            assert!(status.contains("\"failures\":0"), "{timeout}, early: {early}: {status}");
        }
    }
}

#[test]
fn an_upload_that_goes_on_keeps_an_answer_that_has_begun_from_stalling() {
    let backends = insatiable(true);
    for proxy in before_each(&backends, "idle = \"500ms\"") {
        let mut client = proxy.client();
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
        for _ in 0..9 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            client.send("x");
        }
        assert_eq!(client.response().text(), "hi");
    }
}

#[test]
fn what_says_who_asks_and_for_what_has_no_place_in_the_trailers_of_http_2_either() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let (answer, mut sending) = client.open(Request::post("http://a/x").body(()).unwrap(), false).await;
        sending.send_data("hello".into(), false).unwrap();
        let mut trailers = HeaderMap::new();
        for name in ["x-sum", "authorization", "cookie", "content-length", "host", "content-type", "set-cookie"] {
            trailers.insert(name, HeaderValue::from_static("5"));
        }
        sending.send_trailers(trailers).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    });
    assert_eq!(origin.request().trailers, [("x-sum".to_owned(), "5".to_owned())]);
}
