//! The admin address as operators, their tools and their browsers see it: who may ask, and by which name.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod at_once;
mod callers;
mod changes;
mod events;
mod hand_over;
mod hosts;
mod limits;
mod lists;
mod live;
mod login;
mod metrics;
mod notifications;
mod operators;
mod receivers;
mod recovery;
mod shared_words;
mod tokens;
mod top;
mod upgrades;
mod why;

use support::{Proxy, Response, Scratch, config};

/// A proxy with these keys in `[admin]`.
fn with(admin: &str) -> Proxy {
    Proxy::start(&configured(admin))
}

fn configured(admin: &str) -> String {
    let backend = "[[service.api.backend]]\naddress = \"127.0.0.1:9\"\nid = \"a\"\n";
    format!("{}{backend}\n[admin]\n{admin}\n", config("", "", &[]))
}

/// Files with tokens: `admin`, `ci` and `other`.
fn tokens() -> Scratch {
    let dir = Scratch::new();
    for name in ["admin", "ci", "other"] {
        dir.file(name, format!("{name}-0123456789\n"));
    }
    dir
}

/// The configuration of `token_file` with write access and of the token `ci` with read access.
fn two(dir: &Scratch) -> String {
    format!(
        "token_file = {:?}\ntokens = [{{ name = \"ci\", file = {:?} }}]",
        dir.path().join("admin"),
        dir.path().join("ci")
    )
}

/// Asks with these lines in the head.
fn ask(proxy: &Proxy, method: &str, target: &str, lines: &str) -> Response {
    proxy.admin_call_with(method, target, &format!("Host: localhost\r\n{lines}"), "").unwrap()
}

fn bearer(name: &str) -> String {
    format!("Authorization: Bearer {name}-0123456789\r\n")
}

fn detail(response: &Response) -> String {
    let problem: serde_json::Value = serde_json::from_str(&response.text()).unwrap();
    problem["detail"].as_str().unwrap().to_owned()
}
