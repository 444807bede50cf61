//! `auth = { forward = { ... } }`: another service says who may come in.

use bytes::Bytes;
use http::{HeaderValue, Method, Request};

use crate::support::h2::{self, get, post};
use crate::support::{Conn, Origin, Port, Proxy, Response, config, wait_until};

/// What is asked, as a service does that knows clients by a cookie.
fn judge(conn: &mut Conn) {
    while let Ok(request) = conn.request() {
        assert_eq!((request.method(), &request.body[..]), ("GET", &b""[..]));
        for never in ["content-length", "transfer-encoding", "expect", "upgrade", "connection", "te", "content-type"] {
            assert_eq!(request.field(never), None, "{never}");
        }
        let page = |status: &str, lines: &str, page: &str| {
            format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n{page}", page.len())
        };
        let answer = match request.field("cookie").unwrap_or_default() {
            "good" => page("200 OK", "X-User: ann\r\nSet-Cookie: session=renewed\r\nX-Inner: 1\r\n", ""),
            "nobody" => page("204 No Content", "", ""),
            "chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
            "bad" => page("403 Forbidden", "X-Reason: not yours\r\nContent-Type: text/html\r\n", "<h1>no</h1>"),
            "expired" => page("302 Found", "Location: /login?a=b\r\nSet-Cookie: back=1\r\nSet-Cookie: b=2\r\n", ""),
            "lost" => page("302 Found", "", ""),
            "sick" => page("500 Internal Server Error", "", "oh"),
            "missing" => page("404 Not Found", "", ""),
            "long" => page("403 Forbidden", "", &"x".repeat(300 << 10)),
            "broken" => "nonsense\r\n\r\n".to_owned(),
            _ => page("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"a\"\r\n", "who?"),
        };
        if !conn.send(answer) {
            return;
        }
    }
}

struct Stage {
    guard: Origin,
    origin: Origin,
    proxy: Proxy,
}

/// A route that is guarded by the service `guard`, whose backends are at these addresses. `more`: further keys.
fn toml(origin: &Origin, guards: &[&str], more: &str, service: &str) -> String {
    let route = format!(
        "[[listener.route]]\npath_prefix = \"/in/\"\nservice = \"api\"\n[listener.route.auth.forward]\nservice = \"guard\"\n\
         path = \"/check?v=1\"\nresponse_headers = [\"x-user\"]\nclient_headers = [\"set-cookie\"]\n{more}\n"
    );
    let guards: String = guards
        .iter()
        .enumerate()
        .map(|(at, guard)| format!("[[service.guard.backend]]\naddress = \"{guard}\"\nid = \"g{at}\"\n"))
        .collect();
    config(&route, "", &[origin]) + &format!("[service.guard]\n{service}\n{guards}")
}

fn stage(more: &str, service: &str) -> Stage {
    let (guard, origin) = (Origin::script(judge), Origin::echoing());
    let proxy = Proxy::start(&toml(&origin, &[guard.address()], more, service));
    Stage { guard, origin, proxy }
}

fn ask(proxy: &Proxy, start: &str, lines: &str) -> Response {
    let mut client = proxy.client();
    client.send(format!("{start} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"));
    client.response_to(start.split(' ').next().unwrap())
}

/// How requests to the service `guard` ended.
fn asked(proxy: &Proxy, code: &str) -> u64 {
    proxy.metric(&format!(
        "evenkeel_requests_total{{listener=\"web\",service=\"guard\",backend=\"g0\",code_class=\"{code}\""
    ))
}

#[test]
fn who_has_the_consent_of_the_service_comes_in_and_backends_are_told_what_it_says() {
    let Stage { guard, origin, proxy } = stage("", "");
    let forged = "X-User: root\r\nX_User: root\r\nX-Forwarded-Method: PUT\r\nX-Forwarded-Uri: /out\r\n\
                  X-Forwarded-For: 6.6.6.6\r\nX-Inner: 2\r\n";
    let answer = ask(&proxy, "GET /in/../%69n/a?b=c", &format!("Cookie: good\r\nAuthorization: mine\r\n{forged}"));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.head.all("set-cookie"), ["session=renewed"]);
    assert_eq!(answer.field("x-user"), None);
    let question = guard.requests().pop().unwrap();
    assert_eq!(question.target(), "/check?v=1");
    assert_eq!(question.field("host"), Some(guard.address()));
    for (name, value) in [
        ("cookie", Some("good")),
        ("authorization", Some("mine")),
        ("x-forwarded-method", Some("GET")),
        ("x-forwarded-uri", Some("/in/a?b=c")),
        ("x-forwarded-host", Some("a.example")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-user", None),
        ("x_user", None),
        ("x-inner", None),
    ] {
        assert_eq!(question.field(name), value, "{name}");
    }
    let request = origin.requests().pop().unwrap();
    assert_eq!((request.target(), request.head.all("x-user")), ("/in/a?b=c", vec!["ann"]));
    assert_eq!((request.field("x_user"), request.field("x-inner")), (None, Some("2")));
    assert_eq!((request.field("cookie"), request.field("x-forwarded-method")), (Some("good"), None));

    // a yes that says nothing of the client takes away what the client says, and a yes with a body is a yes
    for cookie in ["nobody", "chunked"] {
        assert_eq!(ask(&proxy, "GET /in/", &format!("Cookie: {cookie}\r\n{forged}")).status, 200, "{cookie}");
        assert_eq!(origin.requests().pop().unwrap().field("x-user"), None);
    }
    // elsewhere nobody is asked, and nobody says who it is
    assert_eq!(ask(&proxy, "GET /out", &format!("Cookie: bad\r\n{forged}")).status, 200);
    assert_eq!(origin.requests().pop().unwrap().field("x-user"), None);
    assert_eq!(guard.requests().len(), 3);
    assert!(guard.connections() <= 2, "each of two workers has one, and uses it again");
    assert_eq!(asked(&proxy, "2xx"), 3);
}

#[test]
fn who_does_not_have_it_gets_the_answer_of_the_service() {
    let Stage { guard: _guard, origin, proxy } = stage("", "");
    let page = ask(&proxy, "GET /in/", "Cookie: bad\r\n");
    assert_eq!((page.status, page.text()), (403, "<h1>no</h1>".to_owned()));
    assert_eq!((page.field("x-reason"), page.field("content-type")), (Some("not yours"), Some("text/html")));
    assert_eq!((page.field("cache-control"), page.field("proxy-status")), (Some("no-store"), None));
    let head = ask(&proxy, "HEAD /in/", "Cookie: bad\r\n");
    assert_eq!((head.status, head.body.len(), head.field("x-reason")), (403, 0, Some("not yours")));
    let login = ask(&proxy, "GET /in/", "Cookie: expired\r\n");
    assert_eq!((login.status, login.field("location")), (302, Some("/login?a=b")));
    assert_eq!(login.head.all("set-cookie"), ["back=1", "b=2"]);
    let who = ask(&proxy, "GET /in/", "");
    assert_eq!((who.status, who.field("www-authenticate")), (401, Some("Bearer realm=\"a\"")));
    assert_eq!(who.text(), "who?");
    let mut client = proxy.client();
    client.send("POST /in/ HTTP/1.1\r\nHost: a\r\nCookie: bad\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().status, 403);
    assert_eq!(origin.requests().len(), 0);
    let denied = "evenkeel_access_denied_total{listener=\"web\",route=\"path_prefix /in/\",reason=\"credentials\"}";
    assert_eq!(proxy.metric(denied), 5);
    assert_eq!((asked(&proxy, "4xx"), asked(&proxy, "3xx")), (4, 1));
}

#[test]
fn nobody_comes_in_by_an_answer_that_is_neither_yes_nor_no() {
    let Stage { guard: _guard, origin, proxy } = stage("", "");
    let unclear = ["sick", "missing", "lost", "long", "broken"];
    for cookie in unclear {
        let answer = ask(&proxy, "GET /in/", &format!("Cookie: {cookie}\r\n"));
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{cookie}");
        assert_eq!(
            answer.field("proxy-status"),
            Some("evenkeel; error=destination_unavailable; details=\"authentication\"")
        );
    }
    assert_eq!(origin.requests().len(), 0);
    let undecided = "evenkeel_access_denied_total{listener=\"web\",route=\"path_prefix /in/\",reason=\"undecided\"}";
    assert_eq!(proxy.metric(undecided), unclear.len() as u64);
}

#[test]
fn nobody_comes_in_while_the_service_is_slow_or_gone() {
    let (silent, origin, nobody) = (Origin::silent(), Origin::ok(), Port::reserve());
    let nobody = nobody.address().to_string();
    let proxy = Proxy::start(&toml(&origin, &[silent.address()], "timeout = \"200ms\"", ""));
    assert_eq!(ask(&proxy, "GET /in/", "Cookie: good\r\n").status, 503);
    let failed = "evenkeel_access_denied_total{listener=\"web\",route=\"path_prefix /in/\",reason=\"undecided\"} 1";
    proxy.wait_for_metrics(failed);
    assert_eq!(proxy.reload(&toml(&origin, &[&nobody], "", "")).status, 200);
    assert_eq!(ask(&proxy, "GET /in/", "Cookie: good\r\n").status, 503);
    // one of two is gone: the other one is asked
    let guard = Origin::script(judge);
    let service = "retry.attempts = 3";
    assert_eq!(proxy.reload(&toml(&origin, &[&nobody, guard.address()], "", service)).status, 200);
    for _ in 0..4 {
        assert_eq!(ask(&proxy, "GET /in/", "Cookie: good\r\n").status, 200);
    }
    assert_eq!((guard.requests().len(), origin.requests().len()), (4, 4));
}

#[test]
fn what_goes_wrong_with_the_question_is_charged_to_the_service_that_is_asked() {
    let sick = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
    let (guard, other, origin) = (Origin::answering(sick), Origin::answering(sick), Origin::ok());
    let service = "[service.guard.outlier]\nconsecutive_failures = 3\n[service.guard.retry]\nattempts = 1";
    let proxy = Proxy::start(&toml(&origin, &[guard.address(), other.address()], "", service));
    for _ in 0..6 {
        assert_eq!(ask(&proxy, "GET /in/", "").status, 503);
    }
    let is_ejected =
        |service: &str, at: usize| proxy.status()["services"][service]["backends"][at]["state"] == "ejected";
    wait_until("a backend of the service that is asked is ejected", || (0..2).any(|at| is_ejected("guard", at)));
    assert!(!is_ejected("api", 0));
    assert_eq!(ask(&proxy, "GET /out", "").status, 200);
}

#[test]
fn the_body_of_a_request_goes_to_its_backend_whole() {
    let Stage { guard, proxy, origin } = stage("request_headers = [\"cookie\", \"x-tenant\"]", "");
    let large = "x".repeat(200_000);
    let fixed = format!(
        "Cookie: good\r\nX-Tenant: t\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{large}",
        large.len()
    );
    let mut client = proxy.client();
    client.send(format!("POST /in/ HTTP/1.1\r\nHost: a\r\n{fixed}"));
    assert_eq!(client.response().text(), large);
    client.send(
        "PUT /in/ HTTP/1.1\r\nHost: a\r\nCookie: good\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    assert_eq!(client.response().text(), "hello");
    client.send("POST /in/ HTTP/1.1\r\nHost: a\r\nCookie: good\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi");
    assert_eq!(client.response().text(), "hi");
    // who may not come in is told so before the body is sent
    client.send("POST /in/ HTTP/1.1\r\nHost: a\r\nCookie: bad\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.response().status, 403);
    let questions = guard.requests();
    let methods: Vec<_> = questions.iter().map(|q| q.field("x-forwarded-method").unwrap()).collect();
    assert_eq!(methods, ["POST", "PUT", "POST", "POST"]);
    assert_eq!((questions[0].field("x-tenant"), questions[0].field("authorization")), (Some("t"), None));
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn over_http_2_it_is_the_same_and_calls_of_grpc_are_told_in_their_own_words() {
    let Stage { guard, proxy, origin: _origin } = stage("", "");
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let with = |mut request: Request<()>, cookie: &'static str| {
            request.headers_mut().insert("cookie", HeaderValue::from_static(cookie));
            request
        };
        let answer = client.call(with(post("http://a/in/x"), "good"), "hello").await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
        assert_eq!(answer.headers["set-cookie"], "session=renewed");
        let answer = client.call(with(get("http://a/in/x"), "bad"), "").await;
        assert_eq!((answer.status, &answer.body[..]), (403, &b"<h1>no</h1>"[..]));
        let answer = client.call(with(get("http://a/in/x"), "sick"), "").await;
        assert_eq!(answer.status, 503);
        for (cookie, code) in [("bad", "7"), ("expired", "16"), ("", "16"), ("sick", "14")] {
            let mut call = with(post("http://a/in/x"), cookie);
            call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            let answer = client.call(call, Bytes::from_static(b"\0\0\0\0\0")).await;
            assert_eq!(
                (answer.status, &answer.headers["grpc-status"]),
                (200, &HeaderValue::from_static(code)),
                "{cookie}"
            );
            assert_eq!(answer.headers.contains_key("www-authenticate"), cookie.is_empty());
            assert_eq!(answer.body, "");
        }
    });
    assert_eq!(guard.requests()[0].field("x-forwarded-method"), Some("POST"));
}

#[test]
fn a_connection_that_becomes_another_protocol_s_is_asked_about_first() {
    let guard = Origin::script(judge);
    let origin = Origin::script(|conn| {
        let Ok(request) = conn.request() else { return };
        assert_eq!((request.field("upgrade"), request.field("x-user")), (Some("websocket"), Some("ann")));
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        conn.echo();
    });
    let proxy = Proxy::start(&toml(&origin, &[guard.address()], "", ""));
    let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let mut client = proxy.client();
    client.send(format!("GET /in/ HTTP/1.1\r\nHost: a\r\nCookie: good\r\n{handshake}\r\n"));
    assert_eq!(client.response_head().status, 101);
    client.send("hello");
    assert_eq!(client.bytes(5), b"hello");
    assert_eq!(ask(&proxy, "GET /in/", &format!("Cookie: bad\r\n{handshake}")).status, 403);
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let handshake = |cookie: &'static str| {
            let mut request = Request::builder().method(Method::CONNECT).uri("http://a/in/").body(()).unwrap();
            request.extensions_mut().insert(::h2::ext::Protocol::from_static("websocket"));
            request.headers_mut().insert("cookie", HeaderValue::from_static(cookie));
            request
        };
        let answer = client.call(handshake("bad"), "").await;
        assert_eq!(answer.status, 403);
        let (answer, mut sending) = client.open(handshake("good"), false).await;
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        sending.send_data(Bytes::from_static(b"hello"), false).unwrap();
        assert_eq!(answer.body_mut().data().await.unwrap().unwrap(), "hello");
    });
    assert!(guard.requests().iter().all(|question| question.field("x-forwarded-method") == Some("GET")));
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn a_reload_has_another_service_asked_or_none() {
    let Stage { guard: _guard, origin, proxy } = stage("", "");
    let other = Origin::answering("HTTP/1.1 200 OK\r\nX-User: ben\r\nContent-Length: 0\r\n\r\n");
    let mut client = proxy.client();
    let mut status = |cookie: &str| {
        client.send(format!("GET /in/ HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nX-User: root\r\n\r\n"));
        client.response().status
    };
    assert_eq!((status("good"), status("bad")), (200, 403));
    // a service before it in the alphabet moves it to another place
    let first = "[service.a]\n[[service.a.backend]]\naddress = \"127.0.0.1:9\"\n";
    assert_eq!(proxy.reload(&(toml(&origin, &[other.address()], "", "") + first)).status, 200);
    assert_eq!(status("bad"), 200);
    assert_eq!(origin.requests().pop().unwrap().field("x-user"), Some("ben"));
    let without = config("", "", &[&origin]);
    assert_eq!(proxy.reload(&without).status, 200);
    assert_eq!(status("bad"), 200);
    assert_eq!(origin.requests().pop().unwrap().field("x-user"), Some("root"));
    assert_eq!(other.requests().len(), 1);
}

#[test]
fn the_service_hears_of_the_client_before_a_proxy_that_is_trusted_and_is_asked_over_http_2() {
    let origin = Origin::ok();
    let guard = h2::Origin::script(|request, mut respond| async move {
        let is_good = request.headers().get("cookie").is_some_and(|cookie| cookie == "good");
        let answer = http::Response::builder().status(if is_good { 200 } else { 403 }).header("x-user", "ann");
        respond.send_response(answer.body(()).unwrap(), true).unwrap();
    });
    let more = "[service.guard.request_headers]\nset = { x-secret = \"${client_ip}\" }";
    let text = toml(&origin, &[&guard.address()], "", &format!("protocol = \"h2\"\n{more}"));
    let text = text.replacen("service = \"api\"\n", "service = \"api\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n", 1);
    let proxy = Proxy::start(&text);
    let before = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Method: PUT\r\n";
    assert_eq!(ask(&proxy, "GET /in/", &format!("Cookie: good\r\n{before}")).status, 200);
    assert_eq!(ask(&proxy, "GET /in/", &format!("Cookie: bad\r\n{before}")).status, 403);
    assert_eq!(origin.requests()[0].field("x-user"), Some("ann"));
    let heads = guard.heads();
    let field = |name: &str| heads[0].headers[name].to_str().unwrap();
    assert_eq!((field("x-forwarded-for"), field("x-forwarded-proto")), ("192.0.2.7, 127.0.0.1", "https"));
    assert_eq!((field("x-forwarded-method"), field("x-secret")), ("GET", "192.0.2.7"));
}

#[test]
fn a_client_that_leaves_during_the_question_is_nobody_s_failure() {
    let (guard, cue) = Origin::answering_on_cue();
    let origin = Origin::ok();
    let proxy = Proxy::start(&toml(&origin, &[guard.address()], "timeout = \"20s\"", ""));
    let mut client = proxy.client();
    client.send("GET /in/ HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the question is there", || !guard.requests().is_empty());
    client.reset();
    let attempts = "evenkeel_in_flight{service=\"guard\",backend=\"g0\"} 0";
    wait_until("the question is given up", || proxy.metrics().contains(attempts));
    cue.give();
    let failed = proxy.metrics();
    let failed = failed
        .lines()
        .filter(|line| line.starts_with("evenkeel_backend_failures_total{service=\"guard\"") && !line.ends_with(" 0"));
    assert_eq!(failed.count(), 0);
    assert_eq!(origin.requests().len(), 0);
}
