//! The commands that ask a running proxy.

use std::process::{Command, Output};

use crate::support::{Origin, Proxy, config};

fn evenkeel(proxy: &Proxy, arguments: &[&str]) -> Output {
    let file = proxy.path("proxy.toml");
    Command::new(env!("CARGO_BIN_EXE_evenkeel")).args(arguments).arg("-c").arg(file).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn reload_tells_what_runs_now_or_every_mistake() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let good = evenkeel(&proxy, &["reload"]);
    assert_eq!((good.status.code(), said(&good.stdout).as_str()), (Some(0), "reloaded: configuration 2 runs\n"));
    proxy.rewrite(&config("wrong = 1", "balance = \"nearest\"", &[&origin]));
    let bad = evenkeel(&proxy, &["reload"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(said(&bad.stderr).contains("2 mistakes in "), "{}", said(&bad.stderr));
}

#[test]
fn status_shows_listeners_services_and_backends() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let shown = evenkeel(&proxy, &["status"]);
    assert_eq!(shown.status.code(), Some(0));
    for part in ["configuration 1", &proxy.address().to_string(), "1 of 1 healthy", origin.address()] {
        assert!(said(&shown.stdout).contains(part), "{}", said(&shown.stdout));
    }
    let json = evenkeel(&proxy, &["status", "--json"]);
    assert!(said(&json.stdout).contains("\"config_generation\": 1"));
}

#[test]
fn a_proxy_that_does_not_run_is_said() {
    let mut proxy = Proxy::to(&Origin::ok());
    proxy.signal("TERM");
    proxy.wait();
    for command in [&["status"][..], &["reload"], &["drain", "api", "b"]] {
        let failed = evenkeel(&proxy, command);
        assert_eq!(failed.status.code(), Some(1));
        assert!(said(&failed.stderr).contains("can't be asked"), "{}", said(&failed.stderr));
    }
}
