//! Names of fields by which a client could say what is the proxy's, or the route's, to say.
//!
//! Programs behind CGI, FastCGI, WSGI, Rack and PHP get fields as variables, in whose names `-` and `_` are the same: of two
//! fields that differ in no more than that they see one.

use crate::h2_frames::connection::{Connection, Outcome};
use crate::h2_frames::frame::{END_STREAM, data, headers};
use crate::support::{Origin, Proxy, Request, config};

/// What a client may try.
const SPOOFED: [&str; 12] = [
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Ssl",
    "X-Forwarded-Client-Cert",
    "X-Forwarded",
    "Forwarded",
    "X_Forwarded_For",
    "X_Forwarded_Proto",
    "X-Forwarded_Host",
    "X_Auth_User",
    "X-Auth_User",
];

/// What is nobody's but the client's, or the operator's who has not said so.
const OTHERS: [&str; 4] = ["X-Real-IP", "X_Real_IP", "X-Forwardedness", "X_Other"];

const ROUTE: &str = "[[listener.route]]\npath_prefix = \"/\"\nservice = \"api\"\n\
     request_headers = { set = { \"x-auth-user\" = \"anon\" }, add = { \"x_team\" = \"none\" }, remove = [\"x-secret\"] }\n";

/// The names of the fields that arrive with the client's own value, sorted.
fn spoofed(request: &Request) -> Vec<String> {
    let fields = request.head.fields.iter().filter(|(_, value)| value == "spoofed");
    let mut names: Vec<String> = fields.map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    names
}

/// These names as HTTP/2 has them, sorted.
fn lowercase(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    names.sort();
    names
}

/// A request with each of these fields.
fn request(names: &[&str]) -> String {
    let fields: String = names.iter().map(|name| format!("{name}: spoofed\r\n")).collect();
    format!("GET /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn a_client_says_nothing_of_where_its_request_came_from_in_any_spelling() {
    let origin = Origin::ok();
    for route in ["", ROUTE] {
        let proxy = Proxy::start(&config(route, "", &[&origin]));
        let names = if route.is_empty() { &SPOOFED[..10] } else { &SPOOFED };
        let all = [names, &OTHERS].concat();
        let mut client = proxy.client();
        client.send(request(&all));
        assert_eq!(client.response().status, 200);
        let seen = origin.requests().pop().unwrap();
        assert_eq!(spoofed(&seen), lowercase(&OTHERS), "over HTTP/1");
        assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));

        let names = lowercase(&all);
        let mut fields = vec![(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
        fields.extend(names.iter().map(|name| (name.as_str(), "spoofed")));
        let mut connection = Connection::open(&proxy);
        connection.send(headers(1, END_STREAM, &fields));
        assert_eq!(connection.outcome(1), Outcome::Answered(200));
        let seen = origin.requests().pop().unwrap();
        assert_eq!(spoofed(&seen), lowercase(&OTHERS), "over HTTP/2");
    }
}

#[test]
fn a_trusted_client_is_believed_in_the_proper_spelling_only() {
    let origin = Origin::ok();
    let trusted = format!("trusted_proxies = [\"127.0.0.0/8\"]\n{ROUTE}");
    let proxy = Proxy::start(&config(&trusted, "", &[&origin]));
    let mut client = proxy.client();
    client.send(request(&[
        "X-Forwarded-Port",
        "X-Forwarded-Host",
        "X_Forwarded_Host",
        "x-forwarded_port",
        "X_Auth_User",
    ]));
    assert_eq!(client.response().status, 200);
    assert_eq!(spoofed(&origin.request()), ["x-forwarded-host", "x-forwarded-port"]);
}

#[test]
fn what_a_route_changes_is_not_shadowed_by_another_spelling() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(ROUTE, "", &[&origin]));
    let mut client = proxy.client();
    client.send(request(&["X-Auth-User", "x_auth_user", "X-Team", "X-Secret", "x_secret", "x-auth-users"]));
    assert_eq!(client.response().status, 200);
    let seen = origin.request();
    assert_eq!(spoofed(&seen), ["x-auth-users"]);
    assert_eq!((seen.field("x-auth-user"), seen.field("x_team")), (Some("anon"), Some("none")));
}

#[test]
fn nothing_of_it_comes_in_by_trailers() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(ROUTE, "", &[&origin]));
    let names = ["X-Forwarded-For", "X_Forwarded_For", "Forwarded", "content_length", "X-Auth-User", "x_auth_user"];
    let names = [&names[..], &["X-Team", "x-secret", "X-Sum"]].concat();
    let trailers: String = names.iter().map(|name| format!("{name}: spoofed\r\n")).collect();
    let mut client = proxy.client();
    client.send(format!(
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{trailers}\r\n"
    ));
    assert_eq!(client.response().status, 200);
    let names: Vec<String> = lowercase(&names);
    let trailers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "spoofed")).collect();
    let post = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    let mut connection = Connection::open(&proxy);
    connection.send([headers(1, 0, &post), data(1, 0, "ok"), headers(1, END_STREAM, &trailers)].concat());
    assert_eq!(connection.outcome(1), Outcome::Answered(200));
    for seen in origin.requests() {
        let trailers: Vec<String> = seen.trailers.iter().map(|(name, _)| name.to_lowercase()).collect();
        assert_eq!(trailers, ["x-sum"]);
        assert_eq!(seen.body, b"ok");
    }
    assert_eq!(origin.requests().len(), 2);
}
