//! What happened, as the API tells it: all of it, in its order, and the same as the status, the metrics and the log say.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::login::{csrf, log_in};
use crate::support::{Origin, Proxy, backend, config, wait_until};
use crate::{ask, bearer, configured, tokens, two, with};

pub fn events(proxy: &Proxy, query: &str) -> Vec<Value> {
    let answer = proxy.admin(&format!("/api/v1/events{query}")).unwrap();
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.text()).unwrap()
}

fn kinds(events: &[Value], backend: &str) -> Vec<String> {
    let of = events.iter().filter(|event| event["backend"] == backend);
    of.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

/// A backend `a` that is checked, and ejected after three failures; and `b`, which is well.
fn fleet(a: &str, b: &Origin) -> String {
    let service = "[service.api.health]\nkind = \"tcp\"\ninterval = \"50ms\"\nfall = 1\nrise = 1\n\
                   [service.api.outlier]\nconsecutive_failures = 3\neject_for = \"300ms\"\n";
    let backends = format!("{}id = \"a\"\n{}id = \"b\"\n", backend(a), backend(b.address()));
    config("", "", &[]) + service + &backends
}

/// What `evenkeel status` prints.
fn shell_says(proxy: &Proxy) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    let done = command.args(["status", "-c"]).arg(proxy.path("proxy.toml")).output().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap()
}

/// What the status, the shell, the metrics, the log and the events say of `a`, once they say that it is in this state.
fn all_say(proxy: &Proxy, state: &str) {
    let status = || proxy.status()["services"]["api"]["backends"][0].clone();
    wait_until(state, || status()["state"] == state);
    let told = status();
    let shell = shell_says(proxy);
    let why = told["reason"].as_str().filter(|why| state != "up" && !why.is_empty());
    let wanted = why.map_or(format!("  a  {state}  "), |why| format!("  a  {state} ({why})  "));
    assert!(shell.contains(&wanted), "{wanted} in {shell}");
    let metrics = proxy.metrics();
    let series = format!("evenkeel_backend_state{{service=\"api\",backend=\"a\",state=\"{state}\"}} 1");
    assert!(metrics.contains(&series), "{series}");
    let all = events(proxy, "");
    let last = all.iter().rfind(|event| event["backend"] == "a" && event["kind"] != "operator");
    // who comes as it should is not told of
    let Some(last) = last else { return assert_eq!(state, "up") };
    assert_eq!(last["kind"], format!("backend_{state}"));
    assert_eq!(last["cause"]["by"], told["by"]);
    // a check that was good since then is the reason why it is still up
    assert!(state == "up" || last["cause"]["reason"] == told["reason"], "{last} {told}");
    assert_eq!(last["time"], told["since"]);
    // its last line about `a`: what an operator said of it has lines of its own
    let log = proxy.stderr();
    let line = log.lines().rfind(|line| line.contains(" backend is ") && line.contains("backend=\"a\"")).unwrap();
    assert!(line.contains(&format!(" backend is {state}")), "{line}");
    for (name, value) in [("by", &told["by"]), ("reason", &last["cause"]["reason"])] {
        assert!(line.contains(&format!("{name}={value}")), "{name}={value} in {line}");
    }
}

#[test]
fn whatever_happens_to_a_backend_all_say_the_same_and_the_events_tell_it_in_order() {
    let good = Origin::ok();
    let a = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::start(&fleet(a.address(), &good));
    all_say(&proxy, "up");
    let mut client = proxy.client();
    wait_until("a is ejected", || {
        client.get("/x");
        proxy.status()["services"]["api"]["backends"][0]["state"] == "ejected"
    });
    all_say(&proxy, "ejected");
    all_say(&proxy, "up");
    assert_eq!(proxy.command("disable", "a"), 200);
    all_say(&proxy, "disabled");
    assert_eq!(proxy.command("drain", "a"), 200);
    all_say(&proxy, "draining");
    drop(a);
    // while it drains its checks say nothing of its state
    wait_until("its check fails", || proxy.status()["services"]["api"]["backends"][0]["last_check"]["ok"] == false);
    assert_eq!(proxy.command("enable", "a"), 200);
    all_say(&proxy, "down");

    let all = events(&proxy, "");
    let told = kinds(&all, "a");
    // the first check may be its first look, or come after it
    let told = told.strip_prefix(&["backend_up".to_owned()]).unwrap_or(&told);
    assert_eq!(
        told,
        [
            "backend_ejected",
            "backend_up",
            "operator",
            "backend_disabled",
            "operator",
            "backend_draining",
            "operator",
            "backend_down",
        ]
    );
    let ids: Vec<u64> = all.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a + 1 == *b), "one after the other: {ids:?}");
    assert_eq!(events(&proxy, &format!("?since={}&limit=2", ids[0])).len(), 2);
    assert_eq!(proxy.admin("/api/v1/events?from=3").unwrap().status, 400);
}

#[test]
fn all_say_the_same_of_a_broken_backend_and_of_one_whose_name_is_not_known() {
    let failing = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let good = Origin::ok();
    let rules = "[service.api.circuit_breaker]\nfailures = 2\nopen_for = \"10m\"\n[service.api.outlier]\nconsecutive_failures = 0\n";
    let with = |a: &str| {
        let backends = format!("{}id = \"a\"\n{}id = \"b\"\n", backend(a), backend(good.address()));
        config("", "", &[]) + rules + &backends
    };
    let proxy = Proxy::start(&with(failing.address()));
    let mut client = proxy.client();
    wait_until("its breaker opens", || {
        client.get("/x");
        proxy.status()["services"]["api"]["backends"][0]["state"] == "broken"
    });
    all_say(&proxy, "broken");
    assert_eq!(proxy.reload(&with("gone.invalid:80")).status, 200);
    all_say(&proxy, "down");
    assert_eq!(proxy.status()["services"]["api"]["backends"][0]["by"], "names");
    let healed = Origin::ok();
    assert_eq!(proxy.reload(&with(healed.address())).status, 200);
    all_say(&proxy, "up");
    let told = kinds(&events(&proxy, ""), "a");
    assert_eq!(told, ["backend_broken", "backend_down", "backend_up"]);
}

#[test]
fn a_service_that_a_reload_leaves_without_a_backend_is_told_of() {
    let origin = Origin::ok();
    let toml = config("", "", &[]) + &format!("{}id = \"a\"\n", backend(origin.address()));
    let proxy = Proxy::start(&toml);
    assert_eq!(proxy.reload(&(toml.clone() + "drain = true\n")).status, 200);
    assert_eq!(proxy.client().get("/x").status, 503);
    assert_eq!(proxy.reload(&toml).status, 200);
    assert_eq!(proxy.client().get("/x").status, 200);
    let of_service = |event: &Value| event["service"] == "api" && event.get("backend").is_none();
    let told: Vec<Value> = events(&proxy, "").into_iter().filter(of_service).collect();
    let kinds: Vec<&str> = told.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["service_down", "service_up"]);
}

#[test]
fn a_service_whose_backends_are_all_down_is_told_of_though_health_is_ignored_then() {
    let toml = config("", "[service.api.health]\nkind = \"tcp\"\ninterval = \"100ms\"\nfall = 1\nrise = 1\n", &[]);
    let (one, other) = (Origin::ok(), Origin::ok());
    let backends = [&one, &other].map(|origin| backend(origin.address())).concat();
    let proxy = Proxy::start(&(toml + &backends));
    wait_until("both are well", || proxy.status()["services"]["api"]["healthy"] == 2);
    drop((one, other));
    let told = |kind: &str| events(&proxy, "").iter().any(|event| event["kind"] == kind);
    wait_until("the service is told to be down", || told("service_down"));
    assert!(told("panic_began"));
    let down = events(&proxy, "").into_iter().find(|event| event["kind"] == "service_down").unwrap();
    assert_eq!(down["level"], "error");
}

#[test]
fn without_an_id_the_newest_events_are_given_and_the_oldest_of_them_first() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&(config("", "", &[]) + &backend(origin.address())));
    let all = events(&proxy, "");
    assert!(all.len() > 1, "{all:?}");
    assert_eq!(events(&proxy, "?limit=1"), all[all.len() - 1..]);
}

/// The lines of a stream of events, without the ends of lines.
fn stream(proxy: &Proxy, lines: &str) -> impl Iterator<Item = String> + use<> {
    stream_of(proxy, "/api/v1/events", lines)
}

/// The lines of the stream at this path.
pub fn stream_of(proxy: &Proxy, target: &str, lines: &str) -> impl Iterator<Item = String> + use<> {
    let mut socket = TcpStream::connect(proxy.admin_address()).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{lines}\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    BufReader::new(socket).lines().map(Result::unwrap)
}

#[test]
fn a_stream_tells_what_happens_as_it_happens_and_goes_on_where_it_was_left() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&(config("", "", &[]) + &format!("{}id = \"a\"\n", backend(origin.address()))));
    let mut lines = stream(&proxy, "");
    assert!(lines.by_ref().any(|line| line.contains("events follow")), "it says at once that it is there");
    assert_eq!(proxy.command("drain", "a"), 200);
    let id = lines.by_ref().find_map(|line| line.strip_prefix("id: ").map(str::to_owned)).unwrap();
    assert_eq!(lines.next().unwrap(), "event: operator");
    let data = lines.next().unwrap();
    let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((event["cause"]["command"].as_str(), event["service"].as_str()), (Some("drain"), Some("api")));
    drop(lines);

    let mut lines = stream(&proxy, &format!("Last-Event-ID: {id}\r\n"));
    assert!(lines.any(|line| line == "event: backend_draining"), "what came after the last one");
}

#[test]
fn events_are_found_by_what_they_are_about_and_paged_backwards() {
    let good = Origin::ok();
    let proxy = Proxy::start(&fleet("127.0.0.1:9", &good));
    wait_until("a is down", || proxy.status()["services"]["api"]["backends"][0]["state"] == "down");
    assert_eq!([proxy.command("drain", "b"), proxy.command("enable", "b")], [200, 200]);
    assert_eq!(kinds(&events(&proxy, "?backend=b&kind=operator"), "b"), ["operator", "operator"]);
    let warnings = events(&proxy, "?service=api&level=warn&backend=a");
    assert_eq!(kinds(&warnings, "a"), ["backend_down"]);
    assert!(events(&proxy, "?service=nothing").is_empty());
    let all = events(&proxy, "");
    let last = &all[all.len() - 1]["id"];
    assert_eq!(events(&proxy, &format!("?before={last}&limit=2")), all[all.len() - 3..all.len() - 1]);
    assert_eq!(proxy.admin("/api/v1/events?kind=nothing").unwrap().status, 400);

    let mut lines = stream_of(&proxy, "/api/v1/events?backend=a&kind=operator", "");
    assert!(lines.by_ref().any(|line| line.contains("events follow")));
    assert_eq!([proxy.command("drain", "b"), proxy.command("drain", "a")], [200, 200]);
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    assert!(data.contains("\"backend\":\"a\""), "{data}");
}

#[test]
fn a_stream_does_not_keep_the_process_from_stopping() {
    let origin = Origin::ok();
    let mut proxy = Proxy::to(&origin);
    let mut lines = stream(&proxy, "");
    assert!(lines.by_ref().any(|line| line.contains("events follow")));
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
}

/// Waits for the end of a stream, whose last chunk is empty.
pub fn ends(mut lines: impl Iterator<Item = String>) -> bool {
    lines.any(|line| line == "0")
}

#[test]
fn a_stream_ends_when_the_token_that_opened_it_is_taken_away_and_no_other_does() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    let (mut gone, mut stays) = (stream(&proxy, &bearer("ci")), stream(&proxy, &bearer("admin")));
    assert!(gone.by_ref().any(|line| line.contains("events follow")));
    assert!(stays.by_ref().any(|line| line.contains("events follow")));
    dir.file("ci", "another-0123456789");
    assert_eq!(ask(&proxy, "POST", "/api/v1/reload", &bearer("admin")).status, 200);
    assert!(ends(gone));
    assert_eq!(ask(&proxy, "POST", "/api/v1/services/api/backends/a/drain", &bearer("admin")).status, 200);
    assert!(stays.any(|line| line == "event: operator"));
}

#[test]
fn a_stream_ends_when_its_browser_logs_out_and_no_other_does() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    let (out, other) = (log_in(&proxy, "admin"), log_in(&proxy, "admin"));
    let (mut gone, mut stays) = (stream(&proxy, &out), stream(&proxy, &other));
    assert!(gone.by_ref().any(|line| line.contains("events follow")));
    assert!(stays.by_ref().any(|line| line.contains("events follow")));
    assert_eq!(ask(&proxy, "POST", "/logout", &format!("{out}{}", csrf(&proxy, &out))).status, 204);
    assert!(ends(gone));
    assert_eq!(ask(&proxy, "POST", "/api/v1/services/api/backends/a/drain", &bearer("admin")).status, 200);
    assert!(stays.any(|line| line == "event: operator"));
}

#[test]
fn a_stream_that_needed_no_token_ends_when_one_is_asked_for() {
    let dir = tokens();
    let proxy = with("");
    let mut lines = stream(&proxy, "");
    assert!(lines.by_ref().any(|line| line.contains("events follow")));
    assert_eq!(proxy.reload(&configured(&two(&dir))).status, 200);
    assert!(ends(lines));
}
