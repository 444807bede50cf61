//! Signed cookies, whose key can be replaced.

use crate::support::{Proxy, Response};
use crate::{fleet, with};

fn key(proxy: &Proxy, name: &str, byte: char) {
    std::fs::write(proxy.path(name), byte.to_string().repeat(40)).unwrap();
}

/// The body, and the cookie that is set.
fn ask(proxy: &Proxy, cookie: &str) -> (String, Option<String>) {
    let mut client = proxy.client();
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
    let answer: Response = client.response();
    let set = answer.field("set-cookie").and_then(|set| set.split(';').next()).map(str::to_owned);
    (answer.text(), set)
}

#[test]
fn the_key_is_replaced_on_one_instance_after_the_other_and_no_session_moves() {
    let origins = fleet();
    let step = |own: &str, accepted: &str| {
        with(&format!("secret_file = \"{{dir}}/{own}\", accepted_secret_files = [{accepted}]"), &origins)
    };
    let (old, next) = ("\"{dir}/old.key\"", "\"{dir}/next.key\"");
    let steps = [step("old.key", ""), step("old.key", next), step("next.key", old), step("next.key", "")];
    let instances = [(); 2].map(|()| {
        let proxy = Proxy::start(&with("", &origins));
        key(&proxy, "old.key", 'o');
        key(&proxy, "next.key", 'n');
        assert_eq!(proxy.reload(&steps[0]).status, 200);
        proxy
    });
    let (body, cookie) = ask(&instances[0], "none=1");
    let mut cookie = cookie.unwrap();
    let first = cookie.clone();
    for step in &steps[1..] {
        for reloaded in &instances {
            assert_eq!(reloaded.reload(step).status, 200);
            for instance in instances.iter().chain(instances.iter().rev()) {
                let (served, set) = ask(instance, &cookie);
                assert_eq!(served, body);
                cookie = set.unwrap_or(cookie);
            }
        }
    }
    assert_ne!(cookie, first, "it is signed with the next key");
    assert_eq!(ask(&instances[0], &cookie), (body, None));
    assert!(ask(&instances[0], &first).1.is_some(), "the old key is gone");
}
