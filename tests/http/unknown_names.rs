//! Names of backends that can't be looked up, now or at the start; and whom the system says to ask.

use std::process::Command;

use crate::support::{NameServer, Origin, Proxy, Scratch, Successor, backend, config, namespace, wait_until};

/// As an operator's resolver has it: a silent server costs a name 60 s.
const PATIENT: &str = "timeout:30 attempts:2";
/// So that a silent server costs a test little.
const QUICK: &str = "timeout:1 attempts:1";

/// Requests for another service.
const OTHER: &str = "[[listener.route]]\npath_prefix = \"/other\"\nservice = \"other\"\n";

/// The service `api` of nothing but this backend.
fn only(address: &str) -> String {
    config("", "", &[]) + &backend(address)
}

/// A name for where the origin is.
fn named(origin: &Origin, name: &str) -> String {
    origin.address().replace("127.0.0.1", name)
}

#[test]
fn a_name_that_can_not_be_looked_up_ends_nothing_and_its_backend_is_down() {
    let origin = Origin::ok();
    // RFC 6761: never resolves
    let other = "[service.other]\npanic_threshold = 1.0\n[[service.other.backend]]\nid = \"lost\"\naddress = \"not-there.invalid:80\"\n";
    let toml = config(OTHER, "panic_threshold = 1.0", &[&origin]) + &backend("not-there.invalid:80") + other;
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    for _ in 0..4 {
        assert_eq!(client.get("/x").text(), "ok", "nobody is sent to where nobody is, however health is ignored");
        assert_eq!(client.get("/other").status, 503);
    }
    let status = proxy.status();
    let lost = &status["services"]["other"]["backends"][0];
    assert_eq!((&lost["state"], &lost["by"]), (&"down".into(), &"names".into()), "{lost}");
    let reason = lost["reason"].as_str().unwrap();
    assert!(reason.starts_with("its name can't be looked up: "), "{reason}");
    assert!(proxy.metrics().contains("evenkeel_backend_up{service=\"other\",backend=\"lost\"} 0"));
    let said = proxy.stderr();
    let told = said.lines().find(|line| line.contains("backend is down") && line.contains("backend=\"lost\""));
    assert!(told.is_some_and(|line| line.contains("its name can't be looked up")), "{said}");
    // a reload takes it as well
    assert_eq!(proxy.reload(&toml).status, 200);
    assert_eq!(client.get("/x").text(), "ok");

    let file = proxy.path("proxy.toml");
    let checked = Command::new(env!("CARGO_BIN_EXE_evenkeel")).arg("check").arg("-c").arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(said.contains("warning") && said.contains("the name `not-there.invalid` can't be looked up"), "{said}");
}

#[test]
fn a_name_gets_its_address_as_soon_as_there_is_one_and_keeps_it() {
    namespace::run_with_resolv_conf(QUICK, "unknown_names::name_that_comes_and_goes");
}

#[test]
#[ignore = "needs a name server of its own: run by the test above"]
fn name_that_comes_and_goes() {
    let (names, origin) = (NameServer::at("127.0.0.1"), Origin::ok());
    let health = "health = { kind = \"http\", interval = \"50ms\", rise = 1, initial = \"check_first\" }\n";
    let toml = config("", health, &[]) + &backend(named(&origin, "late.test"));
    let mut proxy = Proxy::start(&toml);
    assert_eq!(proxy.client().get("/x").status, 503);
    assert_eq!(origin.connections(), 0, "there is nothing to check");
    names.knows("late.test", "127.0.0.1");
    wait_until("it is looked up again", || proxy.client().get("/x").status == 200);
    wait_until("the event is told", || proxy.stderr().contains("backend is up"));
    let up = proxy.stderr().lines().find(|line| line.contains("backend is up")).unwrap().to_owned();
    assert!(up.contains("by=\"checks\""), "{up}");

    // what has an address keeps it: at a reload, and in the process that takes over
    names.forgets_all();
    assert_eq!(proxy.reload(&toml).status, 200);
    assert_eq!(proxy.client().get("/x").status, 200);
    proxy.signal("USR2");
    assert_eq!(proxy.wait().code(), Some(0));
    let successor = Successor::of(&proxy);
    wait_until("it is checked again", || proxy.client().get("/x").status == 200);
    assert!(!proxy.status()["services"]["api"]["backends"][0]["reason"].to_string().contains("looked up"));
    drop(successor);
}

#[test]
fn a_name_in_a_discovered_file_is_looked_up_again_and_the_others_are_served_meanwhile() {
    namespace::run_with_resolv_conf(QUICK, "unknown_names::name_in_a_file");
}

#[test]
#[ignore = "needs a name server of its own: run by the test above"]
fn name_in_a_file() {
    let (names, a, b) = (NameServer::at("127.0.0.1"), Origin::saying("a"), Origin::saying("b"));
    let dir = Scratch::new();
    let entries = [a.address().to_owned(), named(&b, "late.test")].map(|at| format!("{{ \"address\": \"{at}\" }}"));
    let file = dir.file("backends.json", format!("[{}]", entries.join(",")));
    let proxy = Proxy::start(&config("", &format!("discover = {{ file = {file:?} }}"), &[]));
    assert!((0..4).all(|_| proxy.client().get("/x").text() == "a"));
    assert_eq!(proxy.status()["services"]["api"]["total"], 2);
    names.knows("late.test", "127.0.0.1");
    wait_until("it is looked up again", || proxy.client().get("/x").text() == "b");
}

#[test]
fn a_process_that_starts_while_the_name_server_is_silent_serves_what_it_can() {
    namespace::run_with_resolv_conf(PATIENT, "unknown_names::silent_name_server");
}

#[test]
#[ignore = "needs a name server of its own: run by the test above"]
fn silent_name_server() {
    let (names, origin) = (NameServer::at("127.0.0.1"), Origin::ok());
    names.is_silent(true);
    let mut toml = config(OTHER, "", &[&origin]) + "[service.other]\n";
    for number in 0..100 {
        toml += &format!("[[service.other.backend]]\naddress = \"host{number}.test:80\"\n");
    }
    // 100 names, each of which would take a minute
    let proxy = Proxy::start(&toml);
    assert!(names.asked() >= 100);
    assert_eq!(proxy.client().get("/x").text(), "ok");
    assert_eq!(proxy.client().get("/other").status, 503);
    let status = proxy.status();
    let reason = &status["services"]["other"]["backends"][99]["reason"];
    assert_eq!(reason, "its name can't be looked up: no answer within 5s");
}

#[test]
fn who_is_asked_for_discovered_backends_changes_with_resolv_conf() {
    namespace::run_with_resolv_conf(QUICK, "unknown_names::other_name_server");
}

#[test]
#[ignore = "needs name servers of its own: run by the test above"]
fn other_name_server() {
    let (first, second, origin) = (NameServer::at("127.0.0.1"), NameServer::at("127.0.0.2"), Origin::ok());
    second.knows("api.test", "127.0.0.1");
    second.knows("written.test", "127.0.0.1");
    let discover = format!("discover = {{ dns = \"{}\", refresh = \"1s\" }}", named(&origin, "api.test"));
    let proxy = Proxy::start(&config("", &discover, &[]));
    let written = Proxy::start(&only(&named(&origin, "written.test")));
    assert_eq!(proxy.client().get("/x").status, 503);
    assert!(first.asked() > 0 && second.asked() == 0);
    std::fs::write("/etc/resolv.conf", "nameserver 127.0.0.2\n").unwrap();
    wait_until("the other server is asked", || proxy.client().get("/x").status == 200);
    wait_until("for names that are written too", || written.client().get("/x").status == 200);
}
