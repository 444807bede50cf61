//! Request ids: each request has one, and backend, client and access log are told the same.

use crate::support::h2::{self, get};
use crate::support::{LOG, Origin, Port, Proxy, backend, config, wait_until};

const IDS: &str = "request_id = \"uuidv7\"\n";
const TRUSTED: &str = "request_id = \"uuidv7\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n";

/// Whether this is a UUID of version 7 as text.
fn is_uuid(id: &str) -> bool {
    let pieces: Vec<&str> = id.split('-').collect();
    let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
    let hex = |piece: &&str| piece.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    lengths == [8, 4, 4, 4, 12] && pieces.iter().all(hex) && pieces[2].starts_with('7')
}

#[test]
fn backend_client_and_log_are_told_the_same_id() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nX-Request-Id: its own\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::start(&(config(IDS, "", &[&origin]) + LOG));
    let mut client = proxy.client();
    let told: Vec<String> = (0..3)
        .map(|_| {
            let answer = client.get("/x");
            assert_eq!(answer.head.all("x-request-id").len(), 1);
            answer.field("x-request-id").unwrap().to_owned()
        })
        .collect();
    assert!(told.iter().all(|id| is_uuid(id)) && told.is_sorted(), "{told:?}");
    let asked: Vec<String> =
        origin.requests().iter().map(|request| request.field("x-request-id").unwrap().to_owned()).collect();
    assert_eq!(asked, told);
    wait_until("the lines are written", || proxy.log().len() == 3);
    for (line, id) in proxy.log().iter().zip(&told) {
        assert!(line.contains(&format!("\"request_id\":\"{id}\"")), "{line}");
    }
}

#[test]
fn without_the_setting_nothing_is_said_and_what_is_said_passes() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&(config("", "", &[&origin]) + LOG));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n");
    assert_eq!(client.response().field("x-request-id"), None);
    assert_eq!(origin.request().field("x-request-id"), Some("mine"));
    assert_eq!(proxy.logged().get("request_id"), None);
}

#[test]
fn only_a_trusted_proxy_gives_an_id_and_only_a_good_one() {
    let longest = "x".repeat(128);
    let longer = "x".repeat(129);
    for (listener, lines, kept) in [
        (IDS, "X-Request-Id: mine\r\n".to_owned(), None),
        (TRUSTED, "X-Request-Id: mine\r\n".to_owned(), Some("mine")),
        (TRUSTED, format!("x-request-id: {longest}\r\n"), Some(&*longest)),
        (TRUSTED, format!("x-request-id: {longer}\r\n"), None),
        (TRUSTED, "x-request-id: a b\r\n".to_owned(), None),
        (TRUSTED, "x-request-id:\r\n".to_owned(), None),
        (TRUSTED, "x-request-id: a\r\nx-request-id: b\r\n".to_owned(), None),
        (TRUSTED, String::new(), None),
    ] {
        let origin = Origin::ok();
        let proxy = Proxy::start(&config(listener, "", &[&origin]));
        let mut client = proxy.client();
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\n{lines}X_Request_Id: shadow\r\n\r\n"));
        let id = client.response().field("x-request-id").unwrap().to_owned();
        match kept {
            Some(kept) => assert_eq!(id, kept),
            None => assert!(is_uuid(&id), "{lines}: {id}"),
        }
        let request = origin.request();
        assert_eq!(request.head.all("x-request-id"), [&*id], "{lines}");
        assert_eq!(request.field("x_request_id"), None, "programs of CGI would take it for the id");
    }
}

#[test]
fn all_attempts_have_the_same_id() {
    let failing = || Origin::answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let (one, two) = (failing(), failing());
    let service = "outlier = { max_ejected = 0.0 }\nretry = { attempts = 1, on = [\"503\"] }";
    let proxy = Proxy::start(&config(IDS, service, &[&one, &two]));
    let answer = proxy.client().get("/x");
    assert_eq!(answer.status, 503);
    let ids = [one.request(), two.request()].map(|request| request.field("x-request-id").unwrap().to_owned());
    assert_eq!(ids, [answer.field("x-request-id").unwrap(); 2]);
}

#[test]
fn our_own_answers_have_an_id_too() {
    let dead = Port::reserve();
    let routes = "[[listener.route]]\npath = \"/own\"\nrespond = { status = 204 }\n\
                  [[listener.route]]\npath = \"/there\"\nredirect = { to = \"/elsewhere\", status = 302 }\n\
                  [[listener.route]]\npath = \"/none\"\nrespond = { status = 200 }\n\
                  response_headers = { remove = [\"x-request-id\"] }\n";
    let toml = config(&format!("{IDS}{routes}"), "", &[]) + &backend(dead.address()) + LOG;
    let proxy = Proxy::start(&toml);
    let mut ids = Vec::new();
    for (target, status) in [("/own", 204), ("/there", 302), ("/x", 503)] {
        let answer = proxy.client().get(target);
        assert_eq!(answer.status, status);
        ids.push(answer.field("x-request-id").unwrap().to_owned());
    }
    assert_eq!(proxy.client().get("/none").field("x-request-id"), None, "the route takes it out");
    let mut client = proxy.client();
    let _ = client.try_send("GET /bad HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n");
    let (refused, _) = client.broken_response();
    assert_eq!(refused.status, 400);
    ids.push(refused.field("x-request-id").unwrap().to_owned());
    assert!(ids.iter().all(|id| is_uuid(id)), "{ids:?}");
    wait_until("the lines are written", || proxy.log().len() == 5);
    let log = proxy.log().concat();
    assert!(ids.iter().all(|id| log.contains(id.as_str())), "{log}");
}

#[test]
fn requests_over_http_2_have_ids_under_another_name() {
    let origin = Origin::ok();
    let listener = "request_id = \"uuidv7\"\nrequest_id_header = \"X-Trace\"\n";
    let route = "[[listener.route]]\npath_prefix = \"/\"\nservice = \"api\"\n\
                 response_headers = { add = { x-seen = \"1\" } }\nrequest_headers = { set = { x-more = \"1\" } }\n";
    let proxy = Proxy::start(&config(&format!("{listener}{route}"), "", &[&origin]));
    let told = h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let mut request = get("http://a.example/x");
        request.headers_mut().insert("x-trace", "forged".try_into().unwrap());
        let answer = client.call(request, "").await;
        answer.headers.get("x-trace").unwrap().to_str().unwrap().to_owned()
    });
    assert!(is_uuid(&told), "{told}");
    assert_eq!(origin.request().head.all("x-trace"), [&*told]);
}
