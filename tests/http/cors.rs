//! Pages of other origins, and the presets of headers that keep pages safe.

use crate::support::certs::Authority;
use crate::support::{Client, Origin, Proxy, Scratch, config};

const APP: &str = "[[listener.route]]\npath_prefix = \"/\"\nservice = \"api\"\n\
    cors = { origins = [\"https://app.example\", \"https://*.example.com\"], methods = [\"GET\", \"PUT\"], headers = [\"x-token\", \"content-type\"], \
    expose = [\"x-total\"], credentials = true, max_age = \"1h\" }\n";

fn preflight(client: &mut Client, origin: &str) -> crate::support::Response {
    client.send(format!(
        "OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-token\r\n\r\n"
    ));
    client.response_to("OPTIONS")
}

#[test]
fn a_preflight_is_answered_without_a_backend() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(APP, "", &[&origin]));
    let mut client = proxy.client();
    for page in ["https://app.example", "https://a.b.example.com"] {
        let answer = preflight(&mut client, page);
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        let said = |name: &str| answer.field(&format!("access-control-{name}")).map(str::to_owned);
        assert_eq!(said("allow-origin").as_deref(), Some(page));
        assert_eq!(said("allow-methods").as_deref(), Some("GET, PUT"));
        assert_eq!(said("allow-headers").as_deref(), Some("x-token, content-type"));
        assert_eq!(said("allow-credentials").as_deref(), Some("true"));
        assert_eq!((said("max-age").as_deref(), said("expose-headers")), (Some("3600"), None));
        assert_eq!(answer.field("vary"), Some("Origin"));
    }
    for page in
        ["https://evil.example", "http://app.example", "https://example.com", "null", "https://app.example:8443"]
    {
        let answer = preflight(&mut client, page);
        assert_eq!((answer.status, answer.field("vary")), (204, Some("Origin")));
        assert!(
            answer.head.fields.iter().all(|(name, _)| !name.to_ascii_lowercase().starts_with("access-control")),
            "{page}"
        );
    }
    assert_eq!(origin.requests().len(), 0);
    client.send("OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n");
    client.response_to("OPTIONS");
    assert_eq!(origin.requests().len(), 1, "an OPTIONS that asks for no method is the backend's");
}

#[test]
fn answers_say_who_may_read_them_whatever_the_backend_says() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: secret\r\nVary: accept\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::start(&config(APP, "", &[&origin]));
    let mut client = proxy.client();
    let mut get = |origin: &str| {
        client.send(format!("GET /a HTTP/1.1\r\nHost: a\r\n{origin}\r\n"));
        client.response()
    };
    let answer = get("Origin: https://app.example\r\n");
    assert_eq!(answer.head.all("access-control-allow-origin"), ["https://app.example"]);
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.head.all("access-control-expose-headers"), ["x-total"]);
    assert_eq!(answer.head.all("vary"), ["accept", "Origin"]);
    for other in
        ["", "Origin: https://evil.example\r\n", "Origin: https://app.example\r\nOrigin: https://app.example\r\n"]
    {
        let answer = get(other);
        assert_eq!((answer.status, answer.field("access-control-allow-origin")), (200, None), "{other}");
        assert_eq!(answer.head.all("vary"), ["accept", "Origin"], "a cache keeps it apart as well");
    }
}

#[test]
fn a_page_may_read_errors_too() {
    let origin = Origin::silent();
    let proxy = Proxy::start(&(config(APP, "", &[&origin]) + "weight = 0\n"));
    let mut client = proxy.client();
    client.send("GET /a HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.field("access-control-allow-origin")), (503, Some("https://app.example")));
}

#[test]
fn for_everybody_there_is_one_answer() {
    let origin = Origin::ok();
    let route =
        "[[listener.route]]\npath_prefix = \"/\"\nservice = \"api\"\ncors = { origins = [\"*\"], headers = [\"*\"] }\n";
    let proxy = Proxy::start(&config(route, "", &[&origin]));
    let mut client = proxy.client();
    let answer = preflight(&mut client, "https://anybody.example");
    assert_eq!(
        (answer.field("access-control-allow-origin"), answer.field("access-control-allow-headers")),
        (Some("*"), Some("*"))
    );
    assert_eq!((answer.field("access-control-allow-methods"), answer.field("vary")), (Some("GET, HEAD, POST"), None));
    assert_eq!(client.get("/a").field("access-control-allow-origin"), Some("*"));
}

#[test]
fn the_preset_fills_in_what_is_missing() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nX-Frame-Options: ALLOWALL\r\nContent-Length: 2\r\n\r\nok");
    let keys = "security_headers = \"standard\"\nresponse_headers.default = { referrer-policy = \"origin\" }\n\
        [[listener.route]]\npath = \"/own\"\nrespond = { status = 200, body = \"x\" }\n";
    let tls = format!("{keys}[listener.tls]\ncertificates = [{}]\n", site.toml());
    for (listener, is_tls) in [(keys, false), (&tls, true)] {
        let proxy = Proxy::start(&config(listener, "", &[&origin]));
        let mut client = match is_tls {
            true => Client::connect_tls(proxy.address(), &ca.client(&["http/1.1"], None), "site.example").unwrap(),
            false => proxy.client(),
        };
        for (target, frame) in [("/", "ALLOWALL"), ("/own", "SAMEORIGIN")] {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: site.example\r\n\r\n"));
            let answer = client.response();
            let all = |name: &str| answer.head.all(name).concat();
            assert_eq!(
                (all("x-content-type-options"), all("x-frame-options")),
                ("nosniff".to_owned(), frame.to_owned())
            );
            assert_eq!(all("referrer-policy"), "origin");
            assert_eq!(all("strict-transport-security"), if is_tls { "max-age=31536000" } else { "" });
        }
    }
}
