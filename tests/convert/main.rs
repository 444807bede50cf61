//! `evenkeel convert` from the outside: examples of configurations of other proxies, each about a page of their documentation. What can't be carried over
//! stands at the end of each (`# says: error 12`), and is compared with what the command says. `scripts/convert.py` sends requests to the original and
//! to what came of it.

// A test that can not go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;
mod served;
mod traefik_and_caddy;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::Scratch;
use support::certs::Authority;

/// The folder of the examples.
fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert")
}

/// The examples of one proxy.
fn of(kind: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(examples().join(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// A folder with an example, as `file`, and with all files that examples name.
fn folder(example: &Path, file: &str) -> Scratch {
    let scratch = Scratch::new();
    copy(&examples().join("files"), scratch.path());
    fs::create_dir(scratch.path().join("certs")).unwrap();
    let keys = Scratch::new();
    let authority = fs::read_to_string(Authority::shared().file(&keys)).unwrap();
    scratch.file("certs/ca.crt", authority);
    for name in ["site", "client"] {
        let signed = Authority::shared().sign(&keys, &[&format!("{name}.example")]);
        let (cert, key) = (fs::read_to_string(signed.cert).unwrap(), fs::read_to_string(signed.key).unwrap());
        scratch.file(&format!("certs/{name}.crt"), &cert);
        scratch.file(&format!("certs/{name}.key"), &key);
        scratch.file(&format!("certs/{name}.pem"), cert + &key);
    }
    fs::copy(example, scratch.path().join(file)).unwrap();
    scratch
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn evenkeel(scratch: &Scratch, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evenkeel")).args(arguments).current_dir(scratch.path()).output().unwrap()
}

/// What the list on standard error says, as `error 12`, with the file where it is another one.
fn said(file: &str, list: &str) -> Vec<String> {
    let finding = |line: &str| {
        let (severity, rest) = line.split_once(": ")?;
        let mut place = rest.split(':');
        let (named, line) = (place.next()?, place.next()?);
        let named = if named == file { String::new() } else { format!(" {named}") };
        (severity == "error" || severity == "warning").then(|| format!("{severity} {line}{named}"))
    };
    let mut all: Vec<_> = list.lines().filter_map(finding).collect();
    all.sort();
    all.dedup();
    all
}

/// Converts an example, and looks at everything that is promised of the result. Gives back what is wrong.
fn converted(example: &Path, file: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = fs::read_to_string(example).unwrap();
    let name = example.file_name().unwrap().to_string_lossy().into_owned();
    let scratch = folder(example, file);
    let done = evenkeel(&scratch, &["convert", file, "--out", "proxy.toml"]);
    let list = String::from_utf8_lossy(&done.stderr).into_owned();
    let mut wanted: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# says: ")).map(str::to_owned).collect();
    wanted.sort();
    if said(file, &list) != wanted {
        wrong.push(format!("{name}: {wanted:?} is to be said, and it says:\n{list}"));
    }
    let fails = wanted.iter().any(|one| one.starts_with("error"));
    if done.status.code() != Some(i32::from(fails)) {
        wrong.push(format!("{name}: the exit code is {:?}", done.status.code()));
    }
    let result = fs::read_to_string(scratch.path().join("proxy.toml")).unwrap();
    if fails != result.contains("NOT AS SAFE AS THE ORIGINAL") {
        wrong.push(format!("{name}: the head of the result does not say how safe it is"));
    }
    // every section says where it comes from
    for header in result.lines().filter(|line| line.starts_with("[[")) {
        if !header.contains("    # ") {
            wrong.push(format!("{name}: `{header}` does not say where it comes from"));
        }
    }
    let checked = evenkeel(&scratch, &["check", "-c", "proxy.toml"]);
    if !checked.status.success() {
        wrong.push(format!("{name}: {}", String::from_utf8_lossy(&checked.stderr)));
    }
    wrong
}

fn all_of(kind: &str, file: &str) {
    let examples = of(kind);
    assert!(examples.len() >= 20, "{}", examples.len());
    let wrong: Vec<_> = examples.iter().flat_map(|example| converted(example, file)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_example_of_nginx_converts_or_says_by_line_what_it_cannot() {
    all_of("nginx", "nginx.conf");
}

#[test]
fn each_example_of_haproxy_converts_or_says_by_line_what_it_cannot() {
    all_of("haproxy", "haproxy.cfg");
}

#[test]
fn whose_configuration_it_is_is_told_by_what_is_in_it() {
    for (kind, said) in [("nginx", "(nginx)"), ("haproxy", "(HAProxy)")] {
        for example in of(kind) {
            let scratch = folder(&example, "proxy.txt");
            let done = evenkeel(&scratch, &["convert", "proxy.txt"]);
            let text = String::from_utf8_lossy(&done.stdout).into_owned();
            assert!(text.lines().next().is_some_and(|line| line.contains(said)), "{}: {text}", example.display());
        }
    }
    let scratch = Scratch::new();
    scratch.file("a.txt", "nothing of anybody\n");
    let done = evenkeel(&scratch, &["convert", "a.txt"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("--from"), "{done:?}");
}

#[test]
fn what_keeps_somebody_out_and_cannot_be_carried_over_is_closed() {
    let scratch = Scratch::new();
    for (file, text, closed) in [
        ("a.conf", "server { listen 8080; location / { auth_basic x; proxy_pass http://127.0.0.1:1; } }", true),
        (
            "b.conf",
            "server { listen 8080; location / { if ($ssl_client_verify != SUCCESS) { return 403; } proxy_pass http://127.0.0.1:1; } }",
            true,
        ),
        (
            "c.cfg",
            "frontend f\n mode http\n bind :8080\n http-request deny unless { req.hdr(x) -m reg ^a }\n default_backend b\nbackend b\n server s 127.0.0.1:1\n",
            true,
        ),
        (
            "d.cfg",
            "frontend f\n mode http\n bind :8080\n http-request deny if { req.hdr(x) -m reg ^a }\n default_backend b\nbackend b\n server s 127.0.0.1:1\n",
            false,
        ),
    ] {
        scratch.file(file, text);
        let from = if file.ends_with("cfg") { "haproxy" } else { "nginx" };
        let done = evenkeel(&scratch, &["convert", "--from", from, file]);
        let result = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(1), "{file}: {result}");
        assert!(result.contains("NOT AS SAFE AS THE ORIGINAL"), "{file}: {result}");
        assert_eq!(result.contains("deny = [\"0.0.0.0/0\", \"::/0\"]"), closed, "{file}: {result}");
    }
}

#[test]
fn what_a_location_asks_holds_where_it_hands_its_requests_on() {
    let scratch = folder(&of("nginx")[0], "nginx.conf");
    let hands_on = "server { listen 127.0.0.1:8080;
        location /a/ { auth_basic x; auth_basic_user_file users; try_files $uri @a; }
        location @a { proxy_pass http://127.0.0.1:1; }
        location /b/ { allow 10.0.0.0/8; deny all; try_files $uri @b; }
        location @b { deny 10.1.0.0/16; proxy_pass http://127.0.0.1:1; } }";
    scratch.file("a.conf", hands_on);
    let done = evenkeel(&scratch, &["convert", "--from", "nginx", "a.conf"]);
    let result = String::from_utf8_lossy(&done.stdout).into_owned();
    let route = |path: &str| result.split("[[listener.route]]").find(|part| part.contains(path)).unwrap().to_owned();
    assert!(route("path_prefix = \"/a/\"").contains("auth = { basic = { file = \"users\""), "{result}");
    assert!(route("path_prefix = \"/b/\"").contains("deny = [\"0.0.0.0/0\", \"::/0\"]"), "{result}");
}

#[test]
fn who_was_let_in_by_address_before_is_not_refused_by_what_comes_behind() {
    let scratch = Scratch::new();
    let frontend = "frontend f\n mode http\n bind :8080\n http-request allow if { src 10.0.0.0/8 }\n http-request deny if { path_beg /admin }\n";
    scratch.file("a.cfg", format!("{frontend} default_backend b\nbackend b\n server s 127.0.0.1:1\n"));
    let done = evenkeel(&scratch, &["convert", "a.cfg"]);
    let result = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(result.contains("path_prefix = \"/admin\"") && result.contains("allow = [\"10.0.0.0/8\"]"), "{result}");
    assert_eq!(done.status.code(), Some(0), "{result}");
}

#[test]
fn a_result_is_not_written_over() {
    let scratch = Scratch::new();
    scratch
        .file("nginx.conf", "events {} http { server { listen 8080; location / { proxy_pass http://127.0.0.1:1; } } }");
    scratch.file("proxy.toml", "mine");
    let done = evenkeel(&scratch, &["convert", "nginx.conf", "-o", "proxy.toml"]);
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(fs::read_to_string(scratch.path().join("proxy.toml")).unwrap(), "mine");
}

#[test]
fn broken_and_hostile_files_are_told_of_and_nothing_breaks() {
    let scratch = Scratch::new();
    let deep = "a {".repeat(50_000);
    let many = "  use_backend b if { path_beg /a } or { path_end x }\n".repeat(3_000);
    let endless = "include self.conf;".to_owned();
    scratch.file("self.conf", &endless);
    for (from, text) in [
        ("nginx", "server { listen 80; location / { proxy_pass"),
        ("nginx", "'"),
        ("nginx", "server { location ~ ( { return 200; } listen 99999999; server_name ~(; }"),
        ("nginx", &deep),
        ("nginx", &endless),
        (
            "nginx",
            "map $a $b { } split_clients $x $y { 1000000% a; * b; } server { location / { proxy_pass http://$y; limit_req zone=; } }",
        ),
        ("haproxy", "frontend\n bind\n use_backend\n acl\n http-request\n http-request deny if { \nbackend\n server\n"),
        ("haproxy", "frontend a\n bind :0-65535\n bind :9-1\n bind x:y\n"),
        (
            "haproxy",
            &format!("frontend f\n mode http\n bind :80\n{many} default_backend b\nbackend b\n server s 1.2.3.4:5\n"),
        ),
        ("haproxy", "\u{0}\u{1}\n\"\n'"),
    ] {
        scratch.file("file", text);
        let done = evenkeel(&scratch, &["convert", "--from", from, "file"]);
        assert!(
            done.status.code().is_some_and(|code| code < 2),
            "{from} {:?}: {}",
            text.chars().take(60).collect::<String>(),
            String::from_utf8_lossy(&done.stderr)
        );
    }
}
