//! Tokens with names, and what each may do.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use socket2::{Domain, Socket, Type};

use crate::support::{Client, Proxy, Response};
use crate::{ask, bearer, configured, detail, tokens, two, with};

const DRAIN: &str = "/api/v1/services/api/backends/a/drain";

#[test]
fn a_token_that_may_only_read_looks_at_everything_and_changes_nothing() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    for target in ["/", "/metrics", "/api/v1/status", "/api/v1/config", "/api/v1/pick?service=api"] {
        for method in ["GET", "HEAD"] {
            assert_eq!(ask(&proxy, method, target, &bearer("ci")).status, 200, "{method} {target}");
        }
    }
    for (method, target) in [("POST", DRAIN), ("POST", "/api/v1/reload"), ("PUT", "/api/v1/services/api/backends/a")] {
        let refused = ask(&proxy, method, target, &bearer("ci"));
        assert_eq!(refused.status, 403, "{method} {target}");
        assert!(detail(&refused).contains("the token \"ci\" may only read"), "{}", detail(&refused));
    }
    assert_eq!(ask(&proxy, "POST", DRAIN, &bearer("admin")).status, 200);
    assert_eq!(ask(&proxy, "POST", "/api/v1/reload", &bearer("admin")).status, 200);
}

#[test]
fn without_one_of_the_tokens_nothing_but_probes_is_answered() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    for lines in ["", &bearer("other"), "Authorization: Basic YTpi\r\n", "Authorization: Bearer\r\n"] {
        for target in ["/", "/api/v1/status", "/nothing"] {
            let refused = ask(&proxy, "GET", target, lines);
            assert_eq!(refused.status, 401, "{target} {lines:?}");
            assert!(refused.field("www-authenticate").unwrap().starts_with("Bearer "));
        }
    }
    assert_eq!(ask(&proxy, "GET", "/healthz", "").status, 200);
}

#[test]
fn the_files_are_read_again_at_a_reload_and_no_secret_is_ever_shown() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    dir.file("ci", "another-0123456789");
    assert_eq!(ask(&proxy, "POST", "/api/v1/reload", &bearer("admin")).status, 200);
    assert_eq!(ask(&proxy, "GET", "/metrics", &bearer("ci")).status, 401);
    assert_eq!(ask(&proxy, "GET", "/metrics", &bearer("another")).status, 200);
    let shown = ask(&proxy, "GET", "/api/v1/config", &bearer("admin")).text();
    assert!(shown.contains("\"name\":\"ci\"") && shown.contains("\"access\":\"read\""), "{shown}");
    assert!(!shown.contains("0123456789") && !proxy.stderr().contains("0123456789"), "{shown}");
    // one that is taken out of the file is taken away; all of them are not
    proxy.rewrite(&configured(&format!("token_file = {:?}", dir.path().join("admin"))));
    assert_eq!(ask(&proxy, "POST", "/api/v1/reload", &bearer("admin")).status, 200);
    assert_eq!(ask(&proxy, "GET", "/metrics", &bearer("another")).status, 401);
    proxy.rewrite(&configured(""));
    assert_eq!(ask(&proxy, "POST", "/api/v1/reload", &bearer("admin")).status, 200);
    assert_eq!(ask(&proxy, "GET", "/metrics", "").status, 401);
    assert!(proxy.stderr().contains("can't be taken away while the process runs"), "{}", proxy.stderr());
}

#[test]
fn the_commands_show_the_token_that_may_write_and_say_why_one_may_not() {
    let dir = tokens();
    let named = |name: &str, access: &str| {
        format!("{{ name = {name:?}, file = {:?}, access = {access:?} }}", dir.path().join(name))
    };
    let proxy = with(&format!("tokens = [{}, {}]", named("ci", "read"), named("other", "write")));
    let evenkeel = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        let done = command.args(arguments).arg("-c").arg(proxy.path("proxy.toml")).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    assert_eq!(evenkeel(&["status"]), (Some(0), String::new()));
    assert_eq!(evenkeel(&["drain", "api", "a"]), (Some(0), String::new()));
    let ci = dir.path().join("ci");
    let (code, said) = evenkeel(&["drain", "api", "a", "--token-file", ci.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("the token \"ci\" may only read"), "{said}");
    assert!(proxy.stderr().contains("who=\"token other from 127.0.0.1\""), "{}", proxy.stderr());
}

/// Asks for the status from this address of the loopback network.
fn ask_from(last_byte: u8, proxy: &Proxy, bearer: &str) -> Response {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last_byte), 0)).into()).unwrap();
    socket.connect(&proxy.admin_address().into()).unwrap();
    let mut client = Client::from_tcp(socket.into());
    client.send(format!("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n{bearer}Connection: close\r\n\r\n"));
    client.response()
}

#[test]
fn who_shows_ten_wrong_tokens_has_to_wait_and_nobody_else() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    for guess in 0..10 {
        let refused = ask_from(2, &proxy, &format!("Authorization: Bearer guess-{guess}\r\n"));
        assert_eq!(refused.status, 401);
        assert!(refused.field("www-authenticate").unwrap().contains("invalid_token"));
    }
    for bearer in ["Authorization: Bearer guess-11\r\n", &bearer("admin")] {
        let refused = ask_from(2, &proxy, bearer);
        assert_eq!(refused.status, 429, "a right one would show by its answer");
        assert!((1..=61).contains(&refused.field("retry-after").unwrap().parse::<u32>().unwrap()));
    }
    assert_eq!(ask_from(3, &proxy, &bearer("admin")).status, 200, "from another address");
    assert_eq!(ask(&proxy, "GET", "/healthz", "").status, 200);
    let metrics = ask(&proxy, "GET", "/metrics", &bearer("ci")).text();
    for series in ["{reason=\"wrong_token\"} 10\n", "{reason=\"too_many_failures\"} 2\n"] {
        assert!(metrics.contains(&format!("evenkeel_admin_refused_total{series}")), "{series}");
    }
    let told = proxy.stderr().matches("its bearer token is not one of ours from=127.0.0.2").count();
    assert_eq!(told, 10, "{}", proxy.stderr());
    assert!(!proxy.stderr().contains("guess"), "what was shown may be somebody's");
}
