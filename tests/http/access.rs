//! The access log: every request that was answered has its line, and the line says what became of it.

use serde_json::Value;

use crate::support::certs::{Authority, Identity};
use crate::support::h2::{self, get, post};
use crate::support::{Client, LOG, Origin, Port, Proxy, Scratch, backend, config, wait_until};

/// All lines, once there are this many.
fn lines(proxy: &Proxy, count: usize) -> Vec<Value> {
    wait_until("the lines are written", || proxy.log().len() >= count);
    proxy.log().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn requests_that_were_refused_have_a_line_with_what_is_known_of_them() {
    let limits = "[listener.limits]\nmax_header_bytes = \"4KiB\"\nmax_body = \"10B\"\nheader_timeout = \"300ms\"\n";
    let proxy = Proxy::start(&(config(limits, "", &[&Origin::ok()]) + LOG));
    let long = "x".repeat(8000);
    let fields = "Host: a.example\r\nUser-Agent: probe\r\nReferer: /r\r\n";
    for (status, request, method, target, host, failure) in [
        (
            400,
            format!("GET /a HTTP/1.1\r\n{fields}Bad Name: x\r\n\r\n"),
            "GET",
            "/a",
            "a.example",
            "malformed request: a",
        ),
        (
            413,
            format!("POST /b HTTP/1.1\r\n{fields}Content-Length: 11\r\n\r\n"),
            "POST",
            "/b",
            "a.example",
            "request body",
        ),
        (431, format!("GET /c HTTP/1.1\r\n{fields}X: {long}\r\n\r\n"), "GET", "/c", "a.example", "request headers"),
        (414, format!("GET /{long} HTTP/1.1\r\n{fields}\r\n"), "GET", "/xxxxxxx", "", "request target"),
        (505, format!("GET /d HTTP/3.0\r\n{fields}\r\n"), "GET", "/d", "a.example", "unsupported HTTP version"),
        (417, format!("PUT /e HTTP/1.1\r\n{fields}Expect: x\r\n\r\n"), "PUT", "/e", "a.example", "unknown expectation"),
        (408, format!("GET /f HTTP/1.1\r\n{fields}X: "), "GET", "/f", "a.example", "request too slow"),
        (400, "\x16\x03\x01 what is this\r\n\r\n".to_owned(), "", "", "", "malformed request"),
    ] {
        let before = proxy.log().len();
        let mut client = proxy.client();
        let _ = client.try_send(request);
        assert_eq!(client.broken_response().0.status, status);
        let line = lines(&proxy, before + 1).pop().unwrap();
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (&line["status"], text("method"), text("host")),
            (&status.into(), method.into(), host.into()),
            "{line}"
        );
        assert!(text("target").starts_with(target) && text("target").len() <= 1024, "{line}");
        assert!(text("failure").starts_with(failure), "{line}");
        assert_eq!((&line["client"], &line["attempts"]), (&"127.0.0.1".into(), &0.into()), "{line}");
        if !host.is_empty() {
            assert_eq!((text("user_agent"), text("referer")), ("probe".into(), "/r".into()), "{line}");
        }
    }
}

#[test]
fn requests_over_http_2_that_were_refused_have_a_line() {
    let limits = "[listener.limits]\nmax_header_bytes = \"4KiB\"\nmax_body = \"10B\"\n";
    let proxy = Proxy::start(&(config(limits, "", &[&Origin::ok()]) + LOG));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let mut large = post("http://a.example/body");
        large.headers_mut().insert("content-length", 11.into());
        assert_eq!(client.call(large, "hello, body").await.status, 413);
        let mut many = get("http://a.example/fields");
        many.headers_mut().insert("x", "x".repeat(8000).try_into().unwrap());
        assert_eq!(client.call(many, "").await.status, 431);
        assert_eq!(client.call(get("http://a.example/%00"), "").await.status, 400);
    });
    let lines = lines(&proxy, 3);
    let told = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("status"), [413, 431, 400]);
    assert_eq!(told("method"), ["POST", "GET", "GET"]);
    assert_eq!(told("target"), ["/body", "/fields", "/%00"]);
    assert_eq!(told("host"), ["a.example"; 3]);
    assert_eq!(told("protocol"), ["HTTP/2"; 3]);
}

#[test]
fn a_refused_request_has_a_combined_line_that_it_can_t_break_out_of() {
    let proxy = Proxy::start(&(config("", "", &[&Origin::ok()]) + LOG + "access_format = \"combined\"\n"));
    let mut client = proxy.client();
    client.send("GET /\"x HTTP/1.1\r\nHost: a\r\nUser-Agent: \"quoted\"\r\n\r\n");
    assert_eq!(client.response().status, 400);
    wait_until("the line is written", || !proxy.log().is_empty());
    let log = proxy.log();
    let (_, after_time) = log[0].split_once("] ").unwrap();
    assert!(after_time.starts_with(r#""GET /\"x HTTP/1.1" 400 16 "-" "\"quoted\"" "#), "{after_time}");
}

#[test]
fn a_client_that_left_before_its_answer_is_marked() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::start(&(config("", "", &[&origin]) + LOG));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the backend has the request", || origin.requests().len() == 1);
    client.reset();
    let line = proxy.logged();
    assert_eq!((&line["aborted"], &line["status"]), (&true.into(), &Value::Null), "{line}");
    assert_eq!(line["failure"], "the client went away");
    assert_eq!((&line["attempts"], &line["tried"]), (&1.into(), &vec![origin.address()].into()));
    // one for the request whose client has left
    cue.give();
    cue.give();
    assert_eq!(proxy.client().get("/y").status, 200);
    assert_eq!(lines(&proxy, 2)[1].get("aborted"), None, "it stayed");
}

#[test]
fn a_client_that_left_within_its_answer_is_marked() {
    let body = "x".repeat(32 << 20);
    let origin = Origin::saying(&body);
    let proxy = Proxy::start(&(config("", "", &[&origin]) + LOG));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response_head().status, 200);
    client.reset();
    let line = proxy.logged();
    assert_eq!((&line["aborted"], &line["status"]), (&true.into(), &200.into()), "{line}");
}

#[test]
fn a_line_says_who_was_tried_and_of_what_it_failed() {
    let (dead, origin) = (Port::reserve(), Origin::ok());
    let service = "outlier = { max_ejected = 0.0 }";
    let toml = config("", service, &[]) + &backend(dead.address()) + &backend(origin.address()) + LOG;
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    for _ in 0..4 {
        assert_eq!(client.get("/x").status, 200);
    }
    let (dead, alive) = (dead.address().to_string(), origin.address().to_owned());
    for line in lines(&proxy, 4) {
        let tried = match line["attempts"].as_u64() {
            Some(1) => vec![alive.clone()],
            _ => vec![dead.clone(), alive.clone()],
        };
        assert_eq!((&line["tried"], &line["backend"]), (&tried.into(), &alive.clone().into()), "{line}");
        assert_eq!(line["failure"], Value::Null, "it was answered");
    }
}

#[test]
fn a_line_says_why_a_backend_could_not_be_reached() {
    let (dead, dir) = (Port::reserve(), Scratch::new());
    let proxy = Proxy::start(&(config("", "", &[]) + &backend(dead.address()) + LOG));
    assert_eq!(proxy.client().get("/x").status, 503);
    let failure = proxy.logged()["failure"].as_str().unwrap().to_owned();
    assert!(failure.contains("Connection refused"), "{failure}");

    let identity: Identity = Authority::shared().sign(&dir, &["localhost"]);
    let origin = Origin::script_tls(&identity.server(&[]), |conn| _ = conn.request());
    let tls = "[service.api.tls]\nserver_name = \"localhost\"\n";
    let proxy = Proxy::start(&(config("", tls, &[&origin]) + LOG));
    assert_eq!(proxy.client().get("/x").status, 502);
    let failure = proxy.logged()["failure"].as_str().unwrap().to_owned();
    assert!(failure.contains("certificate") && failure.contains("UnknownIssuer"), "{failure}");

    let plain = Origin::script(|conn| _ = conn.send("220 this is no TLS\r\n"));
    let proxy = Proxy::start(&(config("", tls, &[&plain]) + LOG));
    assert_eq!(proxy.client().get("/x").status, 502);
    let failure = proxy.logged()["failure"].as_str().unwrap().to_owned();
    assert!(failure.starts_with("TLS with the backend failed: "), "{failure}");
}

#[test]
fn a_drain_that_is_over_is_nothing_that_the_client_did() {
    let origin = Origin::silent();
    let server = "\n[server]\nworkers = 1\ndrain_timeout = \"100ms\"\n";
    let mut proxy = Proxy::start(&(config("", "", &[&origin]) + LOG + server));
    let mut client: Client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the backend has the request", || origin.open() == 1);
    proxy.signal("TERM");
    proxy.wait();
    let line = proxy.logged();
    assert_eq!((line.get("aborted"), &line["end"]), (None, &"cut".into()), "{line}");
    assert_eq!(line["failure"], "cut off: the time to drain was over");
}

#[test]
fn a_reason_in_the_log_is_one_value_in_quotes() {
    let origin = Origin::answering("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    let other = Origin::ok();
    let service = "outlier = { consecutive_failures = 1 }\nretry = { attempts = 0 }";
    let proxy = Proxy::start(&config("", service, &[&origin, &other]));
    let mut client = proxy.client();
    wait_until("it is ejected", || {
        client.get("/x");
        proxy.stderr().contains("ejected")
    });
    let stderr = proxy.stderr();
    let line = stderr.lines().find(|line| line.contains("ejected")).unwrap();
    let (_, reason) = line.split_once("reason=").unwrap();
    assert!(reason.starts_with('"'), "{line}");
}
