//! The commands that ask a running proxy.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use crate::support::certs::{Authority, Identity};
use crate::support::{Origin, Proxy, Scratch, config, wait_until};

/// What a command does that is given the proxy's file.
pub fn evenkeel(proxy: &Proxy, arguments: &[&str]) -> Output {
    let file = proxy.path("proxy.toml");
    Command::new(env!("CARGO_BIN_EXE_evenkeel")).args(arguments).arg("-c").arg(file).output().unwrap()
}

/// What it has printed.
pub fn said(bytes: &[u8]) -> String {
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
fn reload_finds_the_process_by_a_file_that_is_no_toml_and_through_variables() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    proxy.rewrite(&config("wrong = = 1", "", &[&origin]));
    let bad = evenkeel(&proxy, &["reload"]);
    assert!(said(&bad.stderr).contains("this is not TOML"), "{}", said(&bad.stderr));
    assert_eq!(bad.status.code(), Some(2));
    let file = proxy.path("proxy.toml");
    let ask = |text: &str| {
        std::fs::write(&file, text).unwrap();
        evenkeel(&proxy, &["status"])
    };
    let bind = format!("\n[admin]\nbind = \"${{HOST}}:{}\"\n", proxy.admin_address().port());
    let good = ask(&format!("[server]\nenvironment = {{ HOST = \"127.0.0.1\" }}\n{bind}"));
    assert_eq!(good.status.code(), Some(0), "{}", said(&good.stderr));
    // with nothing to go by, no other process is asked
    let lost = ask("[admin\nbind = 1");
    assert!(said(&lost.stderr).contains("is not TOML: say --admin"), "{}", said(&lost.stderr));
    std::fs::remove_file(&file).unwrap();
    let lost = evenkeel(&proxy, &["status"]);
    assert!(said(&lost.stderr).contains("proxy.toml can't be read"), "{}", said(&lost.stderr));
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

/// A proxy whose admin address shows this, and more about its TLS.
fn secured(identity: &Identity, more: &str) -> Proxy {
    let tls = format!("[admin.tls]\ncert = {:?}\nkey = {:?}\n{more}\n", identity.cert, identity.key);
    Proxy::start_unasked(&(config("", "", &[&Origin::ok()]) + &tls))
}

#[test]
fn an_admin_address_with_tls_is_known_by_the_configured_certificate() {
    let dir = Scratch::new();
    // for no name that is asked for
    let shown = Authority::shared().sign(&dir, &["admin.example"]);
    let proxy = secured(&shown, "");
    let status = evenkeel(&proxy, &["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", said(&status.stderr));
    assert!(said(&status.stdout).contains("configuration 1"));
    assert_eq!(said(&evenkeel(&proxy, &["reload"]).stdout), "reloaded: configuration 2 runs\n");
    // the file becomes another one's, which the proxy does not show while its key is not there
    let elsewhere = Scratch::new();
    let other = Authority::new().sign(&elsewhere, &["admin.example"]);
    std::fs::copy(&other.cert, &shown.cert).unwrap();
    let refused = evenkeel(&proxy, &["status"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused.stderr).contains("its certificate is not the one in"), "{}", said(&refused.stderr));
    std::fs::copy(&other.key, &shown.key).unwrap();
    wait_until("it is shown with its key", || evenkeel(&proxy, &["status"]).status.success());
}

#[test]
fn an_admin_address_with_tls_is_verified_against_an_authority_that_is_named() {
    let dir = Scratch::new();
    let authority = Authority::new();
    let proxy = secured(&authority.sign(&dir, &["localhost"]), "");
    let ask = |url: String, ca: &std::path::Path| {
        let asked = evenkeel(&proxy, &["status", "--admin", &url, "--ca", ca.to_str().unwrap()]);
        (asked.status.code(), said(&asked.stderr))
    };
    let (ca, port) = (authority.file(&dir), proxy.admin_address().port());
    assert_eq!(ask(format!("https://localhost:{port}"), &ca), (Some(0), String::new()));
    let (code, why) = ask(format!("https://127.0.0.1:{port}"), &ca);
    assert_eq!(code, Some(1), "it is not for this name");
    assert!(why.contains("invalid peer certificate"), "{why}");
    let (code, why) = ask(format!("https://localhost:{port}"), &Authority::new().file(&Scratch::new()));
    assert_eq!(code, Some(1), "somebody else has signed it");
    assert!(why.contains("--ca trusts another authority"), "{why}");
}

#[test]
fn who_takes_http_for_https_or_the_reverse_is_told_what_to_say() {
    let (dir, origin) = (Scratch::new(), Origin::ok());
    let (plain, secured) = (Proxy::to(&origin), secured(&Authority::new().sign(&dir, &["localhost"]), ""));
    let ask = |proxy: &Proxy, scheme: &str| {
        let asked = evenkeel(proxy, &["status", "--admin", &format!("{scheme}://{}", proxy.admin_address())]);
        assert_eq!(asked.status.code(), Some(1));
        said(&asked.stderr)
    };
    let (why, address) = (ask(&plain, "https"), plain.admin_address());
    assert!(why.contains("what answers there is not TLS\nif it speaks HTTP without TLS, say --admin http://"), "{why}");
    assert!(why.trim_end().ends_with(&address.to_string()), "{why}");
    let (why, address) = (ask(&secured, "http"), secured.admin_address());
    assert!(why.contains(&format!("what answers at {address} speaks TLS: say --admin https://{address}")), "{why}");
}

#[test]
fn an_address_that_says_nothing_is_told_of_within_seconds() {
    // the kernel takes connections that nobody accepts
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ask = |scheme: &str| {
        let url = format!("{scheme}://{}", silent.local_addr().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        let mut asking = command.args(["status", "--admin", &url]).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(asking.stderr.take().unwrap()).read_line(&mut first).unwrap();
        asking.kill().unwrap();
        asking.wait().unwrap();
        first
    };
    assert!(ask("https").trim_end().ends_with("no TLS handshake within 5 s"));
    assert!(ask("http").contains("so far: is that Evenkeel's admin address?"));
}

#[test]
fn an_admin_address_that_asks_for_a_certificate_is_shown_one() {
    let dir = Scratch::new();
    let operators = Authority::new();
    let operator = operators.sign(&dir, &["operator.example"]);
    let more = format!("client_ca = {:?}", operators.file(&dir));
    let proxy = secured(&Authority::shared().sign(&dir, &["admin.example"]), &more);
    let (cert, key) = (operator.cert.to_str().unwrap(), operator.key.to_str().unwrap());
    let shown = evenkeel(&proxy, &["status", "--cert", cert, "--key", key]);
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown.stderr));
    let refused = evenkeel(&proxy, &["status"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused.stderr).contains("--cert and --key show one"), "{}", said(&refused.stderr));
}
