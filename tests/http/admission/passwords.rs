//! `auth = { basic = { ... } }`.

use std::time::{Duration, Instant};

use super::{authorization, user};
use crate::support::h2;
use crate::support::{LOG, Origin, Proxy, Scratch, config, wait_until};

fn proxy(origin: &Origin, file: &std::path::Path, more: &str) -> Proxy {
    let route = format!(
        "[[listener.route]]\npath_prefix = \"/in/\"\nservice = \"api\"\nauth = {{ basic = {{ file = {file:?}, {more} }} }}\n"
    );
    Proxy::start(&config(&route, "", &[origin]))
}

/// The status of a request with these further lines.
fn ask(proxy: &Proxy, lines: &str) -> u16 {
    let mut client = proxy.client();
    client.send(format!("GET /in/ HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    client.response().status
}

#[test]
fn who_knows_the_password_comes_in_and_others_are_asked_for_it() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let file = dir.file("users", format!("{}{}", user("ann"), user("bob")));
    let proxy = proxy(&origin, &file, "realm = \"the club\", user_header = \"x-remote-user\"");
    let mut client = proxy.client();
    let answer = client.get("/in/");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.field("www-authenticate"), Some("Basic realm=\"the club\", charset=\"UTF-8\""));
    assert_eq!(answer.field("proxy-status"), Some("evenkeel; error=http_request_denied"));
    for lines in [
        authorization("ann", "Secret"),
        authorization("ann", ""),
        authorization("ann", "secret "),
        authorization("Ann", "secret"),
        authorization("nobody", "secret"),
        authorization("", ""),
        authorization("ann", "secret").replace("Basic", "Bearer"),
        authorization("ann", "secret").repeat(2),
        "Authorization: Basic\r\n".to_owned(),
        "Authorization: Basic ====\r\n".to_owned(),
        authorization("ann", "secret").replace("Authorization", "Proxy-Authorization"),
        authorization("ann", "secret").replace("Authorization", "X-Authorization"),
    ] {
        assert_eq!(ask(&proxy, &lines), 401, "{lines}");
    }
    assert_eq!(origin.connections(), 0);
    for _ in 0..3 {
        let forged = "X-Remote-User: root\r\nX_Remote_User: root\r\n";
        assert_eq!(ask(&proxy, &format!("{forged}{}", authorization("bob", "secret"))), 200);
    }
    let request = &origin.requests()[0];
    assert_eq!(request.head.all("x-remote-user"), ["bob"]);
    assert_eq!((request.field("authorization"), request.field("x_remote_user")), (None, None));
    // a route that asks for nothing tells backends of no user either
    let mut client = proxy.client();
    client.send(format!("GET /out HTTP/1.1\r\nHost: a\r\nX-Remote-User: root\r\n{}\r\n", authorization("x", "y")));
    assert_eq!(client.response().status, 200);
    let request = origin.requests().pop().unwrap();
    assert_eq!(request.field("x-remote-user"), None);
    assert!(request.field("authorization").is_some());
    let denied = "evenkeel_access_denied_total{listener=\"web\",route=\"path_prefix /in/\",reason=\"credentials\"}";
    assert_eq!(proxy.metric(denied), 13);
}

#[test]
fn a_password_is_asked_for_over_http_2_too_and_backends_may_get_it() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let file = dir.file("users", user("ann"));
    let proxy = proxy(&origin, &file, "forward_authorization = true");
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let answer = client.call(h2::get("http://a/in/"), "").await;
        assert_eq!((answer.status, answer.headers.contains_key("www-authenticate")), (401, true));
        let mut request = h2::get("http://a/in/");
        let value = authorization("ann", "secret");
        let value = value.trim().split_once(": ").unwrap().1;
        request.headers_mut().insert("authorization", value.parse().unwrap());
        assert_eq!(client.call(request, "").await.status, 200);
        let mut call = h2::post("http://a/in/");
        call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        let answer = client.call(call, "").await;
        assert_eq!(answer.headers.get("grpc-status").unwrap(), "16");
        assert!(answer.headers.contains_key("www-authenticate"));
    });
    assert!(origin.request().field("authorization").is_some());
}

#[test]
fn the_access_log_says_who_has_come_in_and_of_others_no_name() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let file = dir.file("users", format!("{}{}", user("ann"), user("a b] \"")));
    let route = format!(
        "[[listener.route]]\npath_prefix = \"/in/\"\nservice = \"api\"\nauth = {{ basic = {{ file = {file:?} }} }}\n"
    );
    let text = config(&route, "", &[&origin]) + LOG;
    let proxy = Proxy::start(&text);
    assert_eq!(ask(&proxy, &authorization("ann", "secret")), 200);
    assert_eq!(ask(&proxy, &authorization("ann", "m1staken")), 401);
    assert_eq!(proxy.client().get("/out").status, 200);
    wait_until("the lines are written", || proxy.log().len() == 3);
    let users = |log: Vec<String>| -> Vec<serde_json::Value> {
        log.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["user"].clone()).collect()
    };
    let mut told = users(proxy.log());
    told.sort_by_key(serde_json::Value::is_null);
    assert_eq!(told, ["ann".into(), serde_json::Value::Null, serde_json::Value::Null]);
    let denied = &proxy.status()["listeners"][0]["denied"];
    let of_route = denied.as_array().unwrap().iter().find(|of| of["route"] == "path_prefix /in/").unwrap();
    assert_eq!(of_route["credentials"], 1, "{denied}");
    assert!(proxy.log().iter().all(|line| !line.contains("secret") && !line.contains("m1staken")));
    assert_eq!(proxy.reload(&(text + "access_format = \"combined\"\n")).status, 200);
    assert_eq!(ask(&proxy, &authorization("a b] \"", "secret")), 200);
    wait_until("another line is written", || proxy.log().len() == 4);
    let line = proxy.log().pop().unwrap();
    assert!(line.starts_with(r#"127.0.0.1 - a\x20b]\x20\" ["#), "{line}");
}

#[test]
fn the_file_is_read_again_when_it_changes_and_a_mistake_in_it_keeps_the_users() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let file = dir.file("users", user("ann"));
    let proxy = proxy(&origin, &file, "remember = \"1h\"");
    let (ann, bob) = (authorization("ann", "secret"), authorization("bob", "secret"));
    assert_eq!([ask(&proxy, &ann), ask(&proxy, &bob)], [200, 401]);
    dir.file("users", "ann:secret\n");
    wait_until("the mistake is told", || {
        proxy.admin("/api/v1/events?limit=1000").unwrap().text().contains("access_file_refused")
    });
    assert_eq!([ask(&proxy, &ann), ask(&proxy, &bob)], [200, 401]);
    dir.file("users", user("bob"));
    wait_until("bob may come in", || ask(&proxy, &bob) == 200);
    assert_eq!(ask(&proxy, &ann), 401, "what was remembered of her is over as well");
}

#[test]
fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let cost = 8;
    let file = dir.file("users", format!("ann:{}\n", bcrypt::hash("secret", cost).unwrap()));
    let proxy = proxy(&origin, &file, "");
    let time = |user: &str| {
        let begun = Instant::now();
        assert_eq!(ask(&proxy, &authorization(user, "wrong")), 401);
        begun.elapsed()
    };
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    // the shortest of several, in turns: what else the machine does only adds
    for round in 0..9 {
        known = known.min(time("ann"));
        unknown = unknown.min(time(&format!("nobody{round}")));
    }
    let ratio = unknown.as_secs_f64() / known.as_secs_f64();
    // a user who is looked for and not found takes a hundredth of it; a machine that is busy takes twice as long now and then
    assert!((0.2..5.0).contains(&ratio), "unknown {unknown:?}, known {known:?}");
    // what is verified once is not verified again
    assert_eq!(ask(&proxy, &authorization("ann", "secret")), 200);
    let mut client = proxy.client();
    let mut shortest = Duration::MAX;
    for _ in 0..9 {
        let begun = Instant::now();
        client.send(format!("GET /in/ HTTP/1.1\r\nHost: a\r\n{}\r\n", authorization("ann", "secret")));
        assert_eq!(client.response().status, 200);
        shortest = shortest.min(begun.elapsed());
    }
    assert!(shortest < known / 2, "{shortest:?}, {known:?}");
}
