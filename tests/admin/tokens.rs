//! Tokens with names, and what each may do.

use std::process::Command;

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
