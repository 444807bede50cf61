//! The page of maintenance: who is shown it, and who says so.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::h2::{self, post};
use crate::support::{Client, Origin, Proxy, Response, Scratch, config, wait_until};

const SERVICE: &str = "/api/v1/services/api/maintenance";
const LISTENER: &str = "/api/v1/listeners/web/maintenance";

fn call(proxy: &Proxy, method: &str, target: &str, body: &str) -> (u16, Value) {
    let answer = proxy.admin_call(method, target, body).unwrap();
    (answer.status, serde_json::from_str(&answer.text()).unwrap())
}

/// What the admin address answers to one who begins it for this reason.
fn begin(proxy: &Proxy, target: &str, more: &str) -> Value {
    let (status, answer) = call(proxy, "POST", target, &format!("{{ \"reason\": \"new disks\"{more} }}"));
    assert_eq!(status, 200, "{answer}");
    answer
}

fn events(proxy: &Proxy, kind: &str) -> Vec<Value> {
    let all = proxy.admin("/api/v1/events?limit=10000").unwrap().text();
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    all.into_iter().filter(|event| event["kind"] == kind).collect()
}

fn is_page(answer: &Response) -> bool {
    answer.status == 503 && answer.text() == "back soon" && answer.field("retry-after").is_some()
}

/// The section `maintenance` with a page, and these keys.
fn section(files: &Scratch, keys: &str) -> String {
    format!("maintenance = {{ file = {:?}{keys} }}\n", files.file("maintenance.html", "back soon"))
}

#[test]
fn all_of_a_listener_is_closed_but_for_those_who_are_let_through() {
    let files = Scratch::new();
    let keys = section(&files, ", enabled = true, allow = [\"127.0.0.2\", \"10.0.0.0/8\"], retry_after = \"10m\"");
    let listener = format!(
        "trusted_proxies = [\"127.0.0.3\"]\n{keys}\
         [[listener.route]]\npath = \"/respond\"\nrespond = {{ status = 200, body = \"here\" }}\n\
         [[listener.route]]\npath = \"/old\"\nredirect = {{ to = \"/new\" }}\n\
         [[listener.route]]\npath_prefix = \"/.well-known/\"\nservice = \"api\"\n\
         [[listener.route]]\npath = \"/x\"\nservice = \"api\"\n"
    );
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener, "", &[&origin]).replacen("service = \"api\"\n", "", 1));
    let mut client = proxy.client();
    for target in ["/x", "/respond", "/old", "/none", "/.well-known/other", "/.well-known/acme-challenge/..%2fx"] {
        let answer = client.get(target);
        assert!(is_page(&answer), "{target}: {answer:?}");
        assert_eq!(answer.field("retry-after"), Some("600"));
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(
            answer.field("proxy-status"),
            Some("evenkeel; error=destination_unavailable; details=\"maintenance\"")
        );
    }
    assert_eq!(origin.connections(), 0);
    assert_eq!(client.get("/.well-known/acme-challenge/a-b_C9").status, 200);
    let mut through = Client::connect_from("127.0.0.2", proxy.address());
    assert_eq!((through.get("/x").status, through.get("/respond").text().as_str()), (200, "here"));
    assert_eq!((through.get("/old").status, through.get("/none").status), (308, 404));
    let mut behind = Client::connect_from("127.0.0.3", proxy.address());
    let mut ask = |from: &str| {
        behind.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {from}\r\n\r\n"));
        behind.response().status
    };
    assert_eq!((ask("10.1.2.3"), ask("192.0.2.1"), ask("nonsense")), (200, 503, 503));
    // others can't say that they are somebody else
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.1.2.3\r\n\r\n");
    assert_eq!(client.response().status, 503);
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
    let json = client.response();
    assert_eq!((json.status, json.field("content-type")), (503, Some("application/problem+json")));
    client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.response_to("HEAD");
    assert_eq!((head.status, head.field("content-length")), (503, Some("9")));
    client.send(
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.response().status, 503);
}

#[test]
fn what_the_file_says_ends_with_the_file_only() {
    let files = Scratch::new();
    let origin = Origin::ok();
    let of = |keys: &str| config(&section(&files, keys), "", &[&origin]);
    let proxy = Proxy::start(&of(", enabled = true"));
    assert!(is_page(&proxy.client().get("/")));
    assert_eq!(proxy.status()["listeners"][0]["maintenance_page"]["who"], "configuration");
    let (status, refused) = call(&proxy, "DELETE", LISTENER, "");
    assert_eq!(status, 409);
    assert!(refused["detail"].as_str().unwrap().contains("maintenance.enabled = false"), "{refused}");
    assert_eq!(proxy.reload(&of("")).status, 200);
    assert_eq!(proxy.client().get("/").status, 200);
    wait_until("it is told", || events(&proxy, "maintenance_page_ended").len() == 1);
    assert_eq!(events(&proxy, "maintenance_page_shown")[0]["cause"]["who"], "configuration");
}

#[test]
fn an_operator_closes_a_listener_and_opens_it_again_at_once() {
    let files = Scratch::new();
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&section(&files, ""), "", &[&origin]));
    let mut client = proxy.client();
    for round in 1..=3 {
        let answer = begin(&proxy, LISTENER, ", \"minutes\": 30");
        assert_eq!((&answer["kept"], &answer["who"]), (&json!(true), &json!("127.0.0.1")));
        let shown = client.get("/");
        assert!(is_page(&shown));
        let left: u64 = shown.field("retry-after").unwrap().parse().unwrap();
        assert!((1700..=1800).contains(&left), "{left}");
        let status = proxy.status();
        assert_eq!(status["listeners"][0]["maintenance_page"]["reason"], "new disks");
        assert_eq!(status["services"]["api"]["maintenance_page"], Value::Null);
        assert_eq!(call(&proxy, "GET", LISTENER, "").1["reason"], "new disks");
        wait_until("the metric tells it", || {
            proxy.metric("evenkeel_maintenance_page{scope=\"listener\",name=\"web\"}") == 1
        });
        assert_eq!(call(&proxy, "DELETE", LISTENER, "").0, 200);
        assert_eq!(client.get("/").status, 200);
        wait_until("it is told", || events(&proxy, "maintenance_page_ended").len() == round);
    }
    assert_eq!(events(&proxy, "maintenance_page_shown")[0]["listener"], "web");
    assert_eq!(proxy.metric("evenkeel_maintenance_page{scope=\"listener\",name=\"web\"}"), 0);
    assert_eq!(call(&proxy, "DELETE", LISTENER, "").0, 404);
    assert_eq!(call(&proxy, "GET", LISTENER, ""), (200, Value::Null));
}

#[test]
fn a_service_without_promises_is_closed_by_its_page_over_reloads_and_crashes() {
    let files = Scratch::new();
    let origin = Origin::ok();
    let listener = "[[listener.route]]\npath = \"/here\"\nrespond = { status = 200, body = \"here\" }\n";
    let toml = config(listener, &section(&files, ""), &[&origin]);
    let mut proxy = Proxy::start(&toml);
    let answer = begin(&proxy, SERVICE, ", \"page\": true");
    assert_eq!((&answer["planned"], &answer["page"], &answer["until"]), (&json!(false), &json!(true), &Value::Null));
    let is_closed = |proxy: &Proxy| {
        let mut client = proxy.client();
        is_page(&client.get("/")) && client.get("/here").text() == "here"
    };
    assert!(is_closed(&proxy));
    assert_eq!(proxy.reload(&toml.replace("[service.api]", "[service.api]\nbalance = \"power_of_two\"")).status, 200);
    assert!(is_closed(&proxy), "a reload changes nothing");
    proxy.kill_and_start();
    assert!(is_closed(&proxy), "nor does a crash");
    assert_eq!(call(&proxy, "GET", SERVICE, "").1["reason"], "new disks");
    assert_eq!(proxy.status()["services"]["api"]["maintenance_page"]["reason"], "new disks");
    // only for requests of ours is nothing kept of it
    assert_eq!(origin.connections(), 0);
    assert_eq!(call(&proxy, "DELETE", SERVICE, "").0, 200);
    assert_eq!(proxy.client().get("/").status, 200);
    proxy.kill_and_start();
    assert_eq!(proxy.client().get("/").status, 200);
    assert_eq!(call(&proxy, "DELETE", SERVICE, "").0, 404);
}

#[test]
fn it_ends_when_its_time_is_over() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "", &[&origin]));
    begin(&proxy, LISTENER, ", \"minutes\": 0.02");
    wait_until("it is over", || proxy.client().get("/").status == 200);
    wait_until("that is told", || events(&proxy, "maintenance_page_ended").len() == 1);
    assert_eq!(events(&proxy, "maintenance_page_ended")[0]["cause"]["who"], "its time is over");
}

#[test]
fn without_a_page_it_is_told_as_any_error_and_grpc_calls_are_unavailable() {
    let files = Scratch::new();
    let page = files.file("503.html", "page of errors");
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&format!("error_pages = {{ 503 = {page:?} }}"), "", &[&origin]));
    begin(&proxy, SERVICE, ", \"page\": true");
    let answer = proxy.client().get("/");
    assert_eq!((answer.status, answer.text().as_str()), (503, "page of errors"));
    assert_eq!(answer.field("retry-after"), Some("60"));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let mut request = post("http://a.example/pkg.Service/Method");
        request.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
        let answer = client.call(request, "").await;
        assert_eq!((answer.status, answer.headers["grpc-status"].to_str().unwrap()), (200, "14"));
        let answer = client.call(h2::get("http://a.example/"), "").await;
        assert_eq!((answer.status, &answer.body[..]), (503, &b"page of errors"[..]));
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let origin = Origin::ok();
    let tcp = "[[listener]]\nname = \"raw\"\nbind = \"127.0.0.1:{port2}\"\nprotocol = \"tcp\"\nservice = \"api\"\n";
    let proxy = Proxy::start(&format!("{tcp}{}", config("", "", &[&origin])));
    for (target, body, expected) in [
        (LISTENER, "{}", 400),
        (LISTENER, "{ \"reason\": \"x\", \"minutes\": 0 }", 400),
        (LISTENER, "{ \"reason\": \"x\", \"until\": \"2020-01-01T00:00:00Z\" }", 400),
        (LISTENER, "{ \"reason\": \"x\", \"page\": true }", 400),
        (LISTENER, "nonsense", 400),
        ("/api/v1/listeners/other/maintenance", "{ \"reason\": \"x\" }", 404),
        ("/api/v1/listeners/raw/maintenance", "{ \"reason\": \"x\" }", 409),
        (SERVICE, "{ \"page\": true }", 400),
        (SERVICE, "{ \"reason\": \"x\", \"page\": false, \"planned\": false }", 400),
        (SERVICE, "{ \"reason\": \"x\", \"page\": true, \"planned\": true, \"minutes\": 5 }", 409),
        (SERVICE, "{ \"reason\": \"x\", \"minutes\": 5 }", 409),
        ("/api/v1/services/other/maintenance", "{ \"reason\": \"x\", \"page\": true }", 404),
    ] {
        assert_eq!(call(&proxy, "POST", target, body).0, expected, "{target} {body}");
    }
    assert_eq!(call(&proxy, "DELETE", &format!("{SERVICE}?only=all"), "").0, 400);
    assert_eq!(proxy.client().get("/").status, 200);
}

#[test]
fn from_the_shell() {
    let files = Scratch::new();
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", &section(&files, ""), &[&origin]));
    let shell = |arguments: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("maintenance").args(arguments.split(' '));
        command.args(["--admin", &format!("http://{}", proxy.admin_address())]);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{arguments}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let said = shell("api --page --for 10m --reason disks");
    assert!(
        said.starts_with("the clients of api are shown the page of maintenance until ")
            && said.contains(": disks (by "),
        "{said}"
    );
    assert!(is_page(&proxy.client().get("/")));
    assert_eq!(shell("api --show"), said);
    assert_eq!(shell("api --end"), "the clients of api get through again\n");
    assert_eq!(shell("api --show"), "api is in no maintenance that was started by hand\n");
    let said = shell("--listener web --reason disks");
    assert!(said.starts_with("the clients of the listener web are shown the page of maintenance: disks"), "{said}");
    assert_eq!(proxy.client().get("/").status, 503);
    let mut status = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    status.args(["status", "--admin", &format!("http://{}", proxy.admin_address())]);
    let status = String::from_utf8(status.output().unwrap().stdout).unwrap();
    assert!(status.contains("MAINTENANCE: clients are shown the page: disks (by 127.0.0.1)"), "{status}");
    assert_eq!(shell("--listener web --end"), "the clients of the listener web get through again\n");
    assert_eq!(proxy.client().get("/").status, 200);
}

#[test]
fn who_is_let_through_is_the_same_over_both_families() {
    let files = Scratch::new();
    let keys = section(&files, ", enabled = true, allow = [\"127.0.0.0/31\"]");
    let origin = Origin::ok();
    // a socket for both families sees clients of IPv4 by addresses of IPv6 (RFC 4291, section 2.5.5.2)
    let proxy = Proxy::start(&config(&keys, "", &[&origin]).replace("127.0.0.1:{port}", "[::]:{port}"));
    assert_eq!(proxy.client().get("/").status, 200);
    let port = proxy.address().port();
    assert_eq!(Client::connect_from("127.0.0.2", ([127, 0, 0, 1], port).into()).get("/").status, 503);
    let mut other = Client::connect((std::net::Ipv6Addr::LOCALHOST, port).into());
    assert!(is_page(&other.get("/")));
}
