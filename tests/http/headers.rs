//! Changes to headers by listeners, services and routes, and the header that carries the client's address.

use crate::support::h2::{self, get};
use crate::support::{Origin, Proxy, config};

const LISTENER: &str = "request_headers = { set = { x-a = \"listener\", x-b = \"listener\" }, add = { x-all = \"1\" } }\n\
    response_headers = { set = { x-c = \"listener\", x-d = \"listener\", x-frame-options = \"DENY\" } }\n";
const SERVICE: &str = "request_headers = { set = { x-a = \"service\", x-b = \"service\" }, add = { x-all = \"2\" } }\n\
    response_headers = { set = { x-c = \"service\", x-d = \"service\" } }\n";
const ROUTE: &str = "[[listener.route]]\npath_prefix = \"/r\"\nservice = \"api\"\n\
    request_headers = { set = { x-a = \"route\" }, add = { x-all = \"3\" } }\n\
    response_headers = { set = { x-c = \"route\" }, remove = [\"x-frame-options\"] }\n";

#[test]
fn the_most_specific_change_comes_last() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&format!("{LISTENER}{ROUTE}"), SERVICE, &[&origin]));
    let mut client = proxy.client();
    let (by_route, by_listener) = (client.get("/r"), client.get("/other"));
    let [first, second] = &origin.requests()[..] else { panic!("two requests") };
    assert_eq!((first.field("x-a"), first.field("x-b")), (Some("route"), Some("service")));
    assert_eq!(first.head.all("x-all"), ["1", "2", "3"]);
    assert_eq!((second.field("x-a"), second.head.all("x-all")), (Some("service"), vec!["1", "2"]));
    assert_eq!((by_route.field("x-c"), by_route.field("x-d")), (Some("route"), Some("service")));
    assert_eq!(by_route.field("x-frame-options"), None);
    assert_eq!((by_listener.field("x-c"), by_listener.field("x-frame-options")), (Some("service"), Some("DENY")));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let answer = client.call(get("http://a/r"), "").await;
        assert_eq!(
            (answer.headers["x-c"].as_bytes(), answer.headers["x-d"].as_bytes()),
            (&b"route"[..], &b"service"[..])
        );
    });
}

#[test]
fn answers_of_our_own_have_them_too_but_for_what_describes_a_good_answer() {
    let dead = Origin::silent();
    let listener = "response_headers = { set = { x-frame-options = \"DENY\", cache-control = \"max-age=60\", content-type = \"x/y\", \
        proxy-status = \"x\" }, default = { x-default = \"${listener}\" } }\n\
        limits.max_header_bytes = 1024\n\
        [[listener.route]]\npath = \"/own\"\nrespond = { status = 200, body = \"x\" }\n\
        [[listener.route]]\npath = \"/moved\"\nredirect = { to = \"/\" }\n";
    let toml =
        config(listener, "response_headers.set = { x-service = \"${service}${backend}\" }", &[&dead]) + "weight = 0\n";
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    for (target, status) in [("/own", 200), ("/moved", 308)] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.field("x-frame-options")), (status, Some("DENY")));
        assert_eq!((answer.field("x-default"), answer.field("cache-control")), (Some("web"), Some("max-age=60")));
    }
    let failed = client.get("/");
    assert_eq!((failed.status, failed.field("x-frame-options")), (503, Some("DENY")));
    assert_eq!((failed.field("x-default"), failed.field("x-service")), (Some("web"), Some("api")));
    assert_eq!(failed.field("cache-control"), Some("no-store"), "an error is not cached");
    assert_eq!(failed.field("content-type"), Some("text/plain; charset=utf-8"));
    assert!(failed.field("proxy-status").unwrap().starts_with("evenkeel"));
    let mut client = proxy.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(2000)));
    let refused = client.response();
    assert_eq!((refused.status, refused.field("x-frame-options")), (431, Some("DENY")));
}

#[test]
fn a_default_is_only_for_what_nobody_has_said() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nX-Said: backend\r\nContent-Length: 2\r\n\r\nok");
    let listener = "request_headers.default = { x-tenant = \"none\" }\n\
        response_headers.default = { x-said = \"ours\", x-unsaid = \"ours\" }\n";
    let proxy = Proxy::start(&config(listener, "", &[&origin]));
    let mut client = proxy.client();
    let answer = client.get("/");
    assert_eq!((answer.head.all("x-said"), answer.head.all("x-unsaid")), (vec!["backend"], vec!["ours"]));
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Tenant: acme\r\n\r\n");
    client.response();
    let said: Vec<_> = origin.requests().iter().map(|request| request.field("x-tenant").unwrap().to_owned()).collect();
    assert_eq!(said, ["none", "acme"]);
}

#[test]
fn a_trailer_can_t_say_what_any_of_them_writes() {
    let origin = Origin::ok();
    let proxy =
        Proxy::start(&config(&format!("client_ip_header = \"x-real-ip\"\n{LISTENER}{ROUTE}"), SERVICE, &[&origin]));
    let mut client = proxy.client();
    client.send(
        "POST /r HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n2\r\nok\r\n0\r\n\
         X-A: 6\r\nx_all: 6\r\nX-B: 6\r\nX-Real-IP: 6.6.6.6\r\nX-Free: 7\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    let tape = origin.tape().to_ascii_lowercase();
    let body = &tape[tape.find("\r\n\r\n").unwrap()..];
    assert!(
        !body.contains("x-a:") && !body.contains("x_all") && !body.contains("x-b:") && !body.contains("6.6.6.6"),
        "{body}"
    );
}

#[test]
fn backends_are_told_the_client_s_address_in_one_field() {
    let origin = Origin::ok();
    let asked = |listener: &str, fields: &str| {
        let proxy = Proxy::start(&config(listener, "", &[&origin]));
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(client.response().status, 200);
        let request = origin.requests().pop().unwrap();
        assert_eq!(request.field("x_real_ip"), None);
        request.head.all("x-real-ip").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let on = "client_ip_header = \"X-Real-IP\"\n";
    let trusting = "client_ip_header = \"x-real-ip\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    assert_eq!(asked(on, ""), ["127.0.0.1"]);
    assert_eq!(asked(on, "X-Real-IP: 6.6.6.6\r\nx-real-ip: 7.7.7.7\r\nX_Real_IP: 8.8.8.8\r\n"), ["127.0.0.1"]);
    assert_eq!(asked(on, "X-Forwarded-For: 6.6.6.6\r\n"), ["127.0.0.1"]);
    assert_eq!(asked(trusting, "X-Real-IP: 192.0.2.7\r\n"), ["192.0.2.7"]);
    assert_eq!(asked(trusting, "X-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.7\r\n"), ["192.0.2.7"]);
    assert_eq!(asked("", "X-Real-IP: 6.6.6.6\r\n"), ["6.6.6.6"], "without the setting nobody looks at it");
}
