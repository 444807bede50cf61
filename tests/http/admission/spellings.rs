//! Spellings of a path and of a method: none of them gets past a route that protects.

use super::{authorization, user};
use crate::support::h2;
use crate::support::{Client, Origin, Proxy, Request, Scratch, config};

/// All of these are `/admin/secret` to somebody.
const PATHS: [&str; 69] = [
    "/admin/secret",
    "/%61dmin/secret",
    "/%61%64%6d%69%6e/secret",
    "/%61%64%6D%69%6E/%73%65%63%72%65%74",
    "/admi%6e/secret",
    "/admin%2fsecret",
    "/admin%2Fsecret",
    "/admin%5csecret",
    "/admin\\secret",
    "\\admin\\secret",
    "//admin/secret",
    "///admin///secret",
    "/admin//secret",
    "/./admin/secret",
    "/././admin/./secret",
    "/.//admin/secret",
    "/admin/./secret",
    "/x/../admin/secret",
    "/x/y/../../admin/secret",
    "/x/../../admin/secret",
    "/../admin/secret",
    "/../../../../admin/secret",
    "/%2e/admin/secret",
    "/x/%2e%2e/admin/secret",
    "/x/.%2e/admin/secret",
    "/x/%2E./admin/secret",
    "/x%2f..%2fadmin/secret",
    "/x/..%2fadmin/secret",
    "/x/%2e%2e%2fadmin/secret",
    "/x/..%5cadmin/secret",
    "/x%5c..%5cadmin%5csecret",
    "/x//../admin/secret",
    "/x//..//admin/secret",
    "//x/../admin/secret",
    "/x/..//admin/secret",
    "/x/./../admin/secret",
    "/admin/x/../secret",
    "/admin/../admin/secret",
    "/admin;x=1/secret",
    "/admin;/secret",
    "/admin;a=b;c=d/secret;e",
    "/;x/admin/secret",
    "/.;/admin/secret",
    "/x/..;/admin/secret",
    "/x/..;a=b/admin/secret",
    "/x/..%3b/admin/secret",
    "/x/%2e%2e;/admin/secret",
    "/admin%3bx/secret",
    "/%2561dmin/secret",
    "/%252561dmin/secret",
    "/%25%36%31dmin/secret",
    "/%256%31dmin/secret",
    "/x/%25%32%65%25%32%65/admin/secret",
    "/x/%252e%252e/admin/secret",
    "/x/%252e%252e%252fadmin/secret",
    "/admin%252fsecret",
    "/%%36%31dmin/secret",
    "/%u0061dmin/secret",
    "/admin%u002fsecret",
    "/%c0%afadmin/secret",
    "/x/..%c0%afadmin/secret",
    "/x/%c0%ae%c0%ae/admin/secret",
    "/admin%c1%9csecret",
    "/admin%e0%80%afsecret",
    "/x/..%f0%80%80%afadmin/secret",
    "/admin%00/secret",
    "/admin%00/../admin/secret",
    "/admin%0d%0a/secret",
    "http://a.example/x/../%61dmin/secret",
];

/// Spellings of DELETE, as the method and as further lines of the head. A backend may take each of them for it.
const METHODS: [(&str, &str); 20] = [
    ("DELETE", ""),
    ("delete", ""),
    ("Delete", ""),
    ("dELETE", ""),
    ("DELETe", ""),
    (" DELETE", ""),
    ("DELETE ", ""),
    ("\tDELETE", ""),
    ("DELETE\t", ""),
    ("DELETE\0", ""),
    ("POST", "X-HTTP-Method-Override: DELETE\r\n"),
    ("POST", "x-http-method-override: delete\r\n"),
    ("POST", "X_HTTP_METHOD_OVERRIDE: DELETE\r\n"),
    ("POST", "X-HTTP_Method-Override: DELETE\r\n"),
    ("POST", "X-HTTP-Method: DELETE\r\n"),
    ("POST", "X_HTTP_Method: DELETE\r\n"),
    ("POST", "X-Method-Override: DELETE\r\n"),
    ("POST", "X-Method_Override: DELETE\r\n"),
    ("GET", "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method-Override: GET\r\n"),
    ("PUT", "X-HTTP-Method-Override : DELETE\r\n"),
];

/// What a path is to the most lenient of backends: it decodes until nothing is left to decode, takes a backslash and overlong forms for what they stand for, cuts
/// off what follows a NUL or a line end, and parameters, and resolves the rest.
fn lenient(target: &str) -> String {
    let target = target.strip_prefix("http://a.example").unwrap_or(target);
    let mut bytes = target.split('?').next().unwrap().as_bytes().to_vec();
    loop {
        let decoded = decode(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    let overlong: [(&[u8], &str); 6] = [
        (b"\xc0\xaf", "/"),
        (b"\xc0\xae", "."),
        (b"\xc1\x9c", "/"),
        (b"\xe0\x80\xaf", "/"),
        (b"\xf0\x80\x80\xaf", "/"),
        (b"\\", "/"),
    ];
    let mut text: String = bytes.iter().map(|&b| char::from(b)).collect();
    for (from, to) in overlong {
        let from: String = from.iter().map(|&b| char::from(b)).collect();
        text = text.replace(&from, to);
    }
    text.retain(|c| !matches!(c, '\0' | '\r' | '\n'));
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/').map(|segment| segment.split(';').next().unwrap()) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

/// One round of percent-decoding, with `%uXXXX` of IIS.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let digits = |text: Option<&[u8]>| u32::from_str_radix(std::str::from_utf8(text?).ok()?, 16).ok();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let two = digits(bytes.get(at + 1..at + 3)).filter(|_| bytes[at] == b'%');
        let four = digits(bytes.get(at + 2..at + 6)).filter(|_| bytes[at] == b'%' && bytes.get(at + 1) == Some(&b'u'));
        let (byte, length) = match (two, four) {
            (Some(byte), _) => (byte, 3),
            (None, Some(byte)) => (byte, 6),
            (None, None) => (u32::from(bytes[at]), 1),
        };
        out.push(u8::try_from(byte).unwrap_or(b'?'));
        at += length;
    }
    out
}

/// A proxy that protects `/admin` and lets everything else through.
fn protected(origin: &Origin, listener: &str) -> (Proxy, Scratch) {
    let dir = Scratch::new();
    let file = dir.file("users", user("ann"));
    let auth = format!("auth = {{ basic = {{ file = {file:?} }} }}\nservice = \"api\"");
    let routes = format!(
        "[[listener.route]]\npath = \"/admin\"\n{auth}\n[[listener.route]]\npath_prefix = \"/admin/\"\n{auth}\n"
    );
    (Proxy::start(&config(&format!("{listener}\n{routes}"), "", &[origin])), dir)
}

fn is_in(request: &Request) -> bool {
    let read = lenient(request.target());
    read == "/admin" || read.starts_with("/admin/")
}

#[test]
fn sixty_spellings_of_a_path_and_none_gets_past_a_protected_route() {
    for path in PATHS {
        assert_eq!(
            lenient(path).replace("/adminx", "/admin"),
            "/admin/secret",
            "the backend of this test reads {path}"
        );
    }
    let origin = Origin::ok();
    let (proxy, _dir) = protected(&origin, "");
    for path in PATHS {
        let mut client = proxy.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let status = client.response().status;
        assert!(matches!(status, 400 | 401), "{path}: {status}");
    }
    // what is no path, or no URI, can't be sent over HTTP/2 by this client
    let paths = PATHS.iter().filter(|path| path.starts_with('/'));
    let over_h2: Vec<http::Uri> = paths.filter_map(|path| format!("http://a.example{path}").parse().ok()).collect();
    assert!(over_h2.len() >= 60, "{}", over_h2.len());
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        for uri in over_h2 {
            let answer = client.call(h2::get(&uri.to_string()), "").await;
            assert!(matches!(answer.status, 400 | 401), "{uri}: {}", answer.status);
        }
    });
    assert_eq!(origin.requests().iter().filter(|request| is_in(request)).count(), 0);
    assert_eq!(origin.targets(), [""; 0]);
    // who may come in does, and what is protected is nothing else
    let mut client = proxy.client();
    client.send(format!(
        "GET /x/../%61dmin//secret?q=/../ HTTP/1.1\r\nHost: a.example\r\n{}\r\n",
        authorization("ann", "secret")
    ));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.get("/administrator").status, 200);
    assert_eq!(origin.targets(), ["/admin//secret?q=/../", "/administrator"]);
}

#[test]
fn a_listener_that_passes_ambiguous_paths_still_protects_what_a_path_means() {
    let origin = Origin::ok();
    let (proxy, _dir) = protected(&origin, "ambiguous_paths = \"pass\"\npaths = \"as_sent\"");
    for (path, status) in [
        ("/%61dmin/secret", 401),
        ("//admin/secret", 401),
        ("/x/..;/admin/secret", 401),
        ("/admin;x/secret", 401),
        ("/files/a%2Fb", 200),
        ("/files/./%41", 200),
    ] {
        assert_eq!(proxy.client().get(path).status, status, "{path}");
    }
    assert_eq!(origin.targets(), ["/files/a%2Fb", "/files/./%41"], "what passes is as it was sent");
}

#[test]
fn paths_go_to_backends_in_their_normal_form_where_that_is_asked_for_and_a_rewrite_keeps_what_is_behind_the_prefix() {
    let origin = Origin::ok();
    let route = "[[listener.route]]\npath_prefix = \"/v1/\"\nservice = \"api\"\nrewrite = { prefix = \"/\" }\n";
    let proxy = Proxy::start(&config(&format!("paths = \"normalised\"\n{route}"), "", &[&origin]));
    for (sent, arrives) in [
        ("/a/%7Eb/../c", "/a/c"),
        ("/a//b;c=d", "/a//b;c=d"),
        ("/a%2fb?%7e", "/a%2Fb?%7e"),
        ("/%76%31/http://x;y", "/http://x;y"),
        ("//v1//a", "/a"),
        ("/%C3%A9", "/%C3%A9"),
    ] {
        assert_eq!(proxy.client().get(sent).status, 200, "{sent}");
        assert_eq!(origin.targets().last().unwrap(), arrives, "{sent}");
    }
}

#[test]
fn paths_go_to_backends_as_they_were_sent_until_a_route_is_protected() {
    let origin = Origin::ok();
    let elsewhere = "[[listener.route]]\npath = \"/elsewhere\"\nservice = \"api\"\n";
    let protected = format!("{elsewhere}allow = [\"192.0.2.0/24\"]\n");
    for (routes, arrives) in [(elsewhere, "/a/../%7Eb"), (&*protected, "/~b")] {
        let proxy = Proxy::start(&config(routes, "", &[&origin]));
        assert_eq!(proxy.client().get("/a/../%7Eb").status, 200);
        assert_eq!(origin.targets().last().unwrap(), arrives);
    }
}

#[test]
fn ambiguous_paths_are_refused_where_that_is_asked_for_and_counted() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("ambiguous_paths = \"refuse\"", "", &[&origin]));
    for (path, status) in
        [("/a%2Fb", 400), ("/%2500", 400), ("/a%5Cb", 400), ("/a%25bc", 400), ("/100%25", 200), ("/a%20b", 200)]
    {
        assert_eq!(proxy.client().get(path).status, status, "{path}");
    }
    let denied = "evenkeel_access_denied_total{listener=\"web\",route=\"\",reason=\"ambiguous_path\"}";
    assert_eq!(proxy.metric(denied), 4);
}

/// Whether a backend may take a request for a DELETE.
fn deletes(request: &Request) -> bool {
    let is_delete = |text: &str| text.trim().eq_ignore_ascii_case("delete");
    let overrides = ["x-http-method-override", "x-http-method", "x-method-override"];
    let named = |name: &str| overrides.contains(&&*name.trim().to_ascii_lowercase().replace('_', "-"));
    is_delete(request.method()) || request.head.fields.iter().any(|(name, value)| named(name) && is_delete(value))
}

#[test]
fn twenty_spellings_of_a_method_and_none_gets_past_a_protected_route() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let file = dir.file("users", user("ann"));
    let route = format!(
        "[[listener.route]]\nmethods = [\"DELETE\"]\nauth = {{ basic = {{ file = {file:?} }} }}\nservice = \"api\"\n"
    );
    let proxy = Proxy::start(&config(&route, "", &[&origin]));
    for (method, lines) in METHODS {
        let mut client = proxy.client();
        client.send(format!("{method} /x HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: 0\r\n\r\n"));
        let status = client.response().status;
        let expected: &[u16] = if lines.is_empty() { &[400, 401] } else { &[200, 400] };
        assert!(expected.contains(&status), "{method:?} {lines:?}: {status}");
    }
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        for (method, lines) in METHODS {
            let Ok(method) = http::Method::from_bytes(method.as_bytes()) else { continue };
            let mut request = h2::get("http://a/x");
            *request.method_mut() = method.clone();
            for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
                if let Ok(name) = http::HeaderName::from_bytes(name.as_bytes()) {
                    request.headers_mut().append(name, value.parse().unwrap());
                }
            }
            let status = client.call(request, "").await.status;
            assert!(status == if lines.is_empty() { 401 } else { 200 }, "{method:?} {lines:?}: {status}");
        }
    });
    let requests = origin.requests();
    assert!(requests.len() >= 15);
    assert_eq!(requests.iter().filter(|request| deletes(request)).count(), 0, "{requests:?}");
    let mut client = Client::connect(proxy.address());
    client.send(format!("DELETE /x HTTP/1.1\r\nHost: a\r\n{}\r\n", authorization("ann", "secret")));
    assert_eq!(client.response().status, 200);
    assert!(deletes(origin.requests().last().unwrap()));
}
