//! A browser logs in.

use crate::support::certs::Authority;
use crate::support::{Client, Proxy, Response, Scratch, config};
use crate::{ask, bearer, detail, tokens, two, with};

const HTML: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const DRAIN: &str = "/api/v1/services/api/backends/a/drain";

/// Posts the form of the login page.
fn post(proxy: &Proxy, token: &str, lines: &str) -> Response {
    let lines = format!("Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n{lines}");
    proxy.admin_call_with("POST", "/login", &lines, &format!("token={token}")).unwrap()
}

/// Logs in; the line with the cookie.
pub fn log_in(proxy: &Proxy, name: &str) -> String {
    let answer = post(proxy, &format!("{name}-0123456789"), HTML);
    assert_eq!((answer.status, answer.field("location")), (303, Some("/")), "{}", answer.text());
    let cookie = answer.field("set-cookie").unwrap();
    format!("Cookie: a=b; {}\r\n", cookie.split(';').next().unwrap())
}

/// What the page must show beside the cookie, as a line.
pub fn csrf(proxy: &Proxy, cookie: &str) -> String {
    let page = ask(proxy, "GET", "/", &format!("{HTML}{cookie}"));
    assert_eq!(page.status, 200);
    let page = page.text();
    let (_, rest) = page.split_once("<meta name=\"csrf\" content=\"").unwrap();
    format!("X-CSRF-Token: {}\r\n", rest.split('"').next().unwrap())
}

#[test]
fn a_browser_without_a_session_gets_a_page_to_log_in_on() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    let page = ask(&proxy, "GET", "/", HTML);
    assert_eq!((page.status, page.field("content-type")), (401, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("<form method=\"post\" action=\"/login\">"), "{}", page.text());
    assert!(page.field("content-security-policy").unwrap().contains("form-action 'self'"));
    assert_eq!(page.field("cache-control"), Some("no-store"));
    // a tool, and what is no page, get problems
    for (target, lines) in [("/", ""), ("/", "Accept: */*\r\n"), ("/api/v1/status", HTML)] {
        let refused = ask(&proxy, "GET", target, lines);
        assert_eq!((refused.status, refused.field("content-type")), (401, Some("application/problem+json")));
    }
}

#[test]
fn the_page_works_with_the_cookie_of_a_session_and_changes_need_its_secret() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    let cookie = log_in(&proxy, "admin");
    let csrf = csrf(&proxy, &cookie);
    assert_eq!(ask(&proxy, "GET", "/api/v1/status", &cookie).status, 200);
    let own = "Sec-Fetch-Site: same-origin\r\n";
    let foreign = "Sec-Fetch-Site: same-site\r\n";
    let origin = "Origin: http://localhost\r\n";
    let wrong = "X-CSRF-Token: x\r\n";
    for (lines, status) in [
        (format!("{cookie}{own}{csrf}"), 200),
        (format!("{cookie}{origin}{csrf}"), 200),
        (format!("{cookie}{own}"), 403),
        (format!("{cookie}{own}{wrong}"), 403),
        (format!("{cookie}{foreign}{csrf}"), 403),
        (format!("{cookie}Origin: http://evil.example\r\n{csrf}"), 403),
        (format!("{csrf}{own}"), 401),
    ] {
        assert_eq!(ask(&proxy, "POST", DRAIN, &lines).status, status, "{lines}");
    }
    assert!(proxy.stderr().contains("who=\"token admin from 127.0.0.1\""), "{}", proxy.stderr());
}

#[test]
fn the_cookie_is_for_this_site_only_and_no_script_can_read_it() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    let cookie = |answer: &Response| answer.field("set-cookie").unwrap().to_owned();
    let first = cookie(&post(&proxy, "admin-0123456789", ""));
    let parts: Vec<&str> = first.split("; ").collect();
    for part in ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"] {
        assert!(parts.contains(&part), "{first}");
    }
    assert!(!parts.contains(&"Secure"), "{first}: not over TLS");
    // 256 bits
    assert_eq!(parts[0].strip_prefix("evenkeel_session=").unwrap().len(), 43);
    assert_ne!(cookie(&post(&proxy, "admin-0123456789", "")), first);
}

#[test]
fn over_tls_the_cookie_is_for_tls_only() {
    let (dir, identity) = (tokens(), Scratch::new());
    let identity = Authority::shared().sign(&identity, &["localhost"]);
    let tls = format!("{}\ntls = {{ cert = {:?}, key = {:?} }}", two(&dir), identity.cert, identity.key);
    let backend = "[[service.api.backend]]\naddress = \"127.0.0.1:9\"\n";
    let proxy = Proxy::start_unasked(&format!("{}{backend}\n[admin]\n{tls}\n", config("", "", &[])));
    let trust = Authority::shared().client(&[], None);
    let mut client = Client::connect_tls(proxy.admin_address(), &trust, "localhost").unwrap();
    client.send("POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 22\r\n\r\ntoken=admin-0123456789");
    let answer = client.response();
    assert_eq!(answer.status, 303);
    assert!(answer.field("set-cookie").unwrap().ends_with("; Secure"));
}

#[test]
fn a_session_may_do_what_its_token_may_and_ends_with_it() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    let (reader, writer) = (log_in(&proxy, "ci"), log_in(&proxy, "admin"));
    let confirmed = format!("{reader}{}", csrf(&proxy, &reader));
    let refused = ask(&proxy, "POST", DRAIN, &confirmed);
    assert_eq!(refused.status, 403);
    assert!(detail(&refused).contains("may only read"), "{}", detail(&refused));
    for (cookie, may) in [(&reader, "read"), (&writer, "act")] {
        let page = ask(&proxy, "GET", "/", &format!("{HTML}{cookie}")).text();
        assert!(
            page.contains(&format!("<meta name=\"may\" content=\"{may}\">")),
            "the page does not know what it may do"
        );
    }
    // another secret ends the sessions that began with the old one, and no others
    dir.file("ci", "another-0123456789");
    assert_eq!(ask(&proxy, "POST", "/api/v1/reload", &bearer("admin")).status, 200);
    assert_eq!(ask(&proxy, "GET", "/api/v1/status", &reader).status, 401);
    assert_eq!(ask(&proxy, "GET", "/api/v1/status", &writer).status, 200);
}

#[test]
fn who_logs_out_has_no_session_any_more() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    // one that may only read logs out as well
    for name in ["admin", "ci"] {
        let (cookie, other) = (log_in(&proxy, name), log_in(&proxy, name));
        let csrf = csrf(&proxy, &cookie);
        assert_eq!(ask(&proxy, "POST", "/logout", &cookie).status, 403, "the page has to ask for it");
        let out = ask(&proxy, "POST", "/logout", &format!("{cookie}{csrf}"));
        assert_eq!(out.status, 204);
        assert!(out.field("set-cookie").unwrap().starts_with("evenkeel_session=; Path=/; Max-Age=0;"));
        assert_eq!(ask(&proxy, "GET", "/api/v1/status", &cookie).status, 401);
        assert_eq!(ask(&proxy, "GET", "/api/v1/status", &other).status, 200, "another browser's goes on");
    }
}

#[test]
fn whoever_fails_to_log_in_ten_times_has_to_wait() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    for _ in 0..10 {
        let refused = post(&proxy, "guess", HTML);
        assert_eq!((refused.status, refused.field("content-type")), (401, Some("text/html; charset=utf-8")));
        assert!(refused.text().contains("This is not a token"), "{}", refused.text());
        assert_eq!(refused.field("set-cookie"), None);
    }
    let late = post(&proxy, "admin-0123456789", "");
    assert_eq!(late.status, 429, "even with the right one");
    assert!((1..=60).contains(&late.field("retry-after").unwrap().parse::<u32>().unwrap()));
    assert_eq!(ask(&proxy, "GET", "/api/v1/status", &bearer("admin")).status, 200, "tools are not held up by it");
    assert_eq!(proxy.stderr().matches("a login failed").count(), 10, "{}", proxy.stderr());
}

#[test]
fn where_no_token_is_asked_for_there_is_nothing_to_log_in_for() {
    let proxy = with("");
    assert_eq!(post(&proxy, "x", "").status, 404);
    let page = ask(&proxy, "GET", "/", HTML).text();
    assert!(page.contains("<meta name=\"csrf\" content=\"\">"), "{page}");
    assert!(page.contains("<meta name=\"may\" content=\"act\">"), "{page}");
    assert_eq!(ask(&proxy, "POST", DRAIN, "").status, 200);
}
