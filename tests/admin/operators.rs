//! What operators say of backends: in force when it is answered, and kept.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Client, Origin, Proxy, Successor, backend, config, wait_until};

/// Backends `a` and `b`, on two workers.
fn pair() -> ([Origin; 2], Proxy) {
    let origins = [Origin::saying("a"), Origin::saying("b")];
    let proxy = Proxy::start(&toml(&origins, ""));
    (origins, proxy)
}

fn toml(origins: &[Origin; 2], more: &str) -> String {
    let named = |(origin, id): (&Origin, &str)| format!("{}id = \"{id}\"\n", backend(origin.address()));
    let backends: String = origins.iter().zip(["a", "b"]).map(named).collect();
    format!("[server]\nworkers = 2\n{}{backends}{more}", config("", "", &[]))
}

pub fn say(proxy: &Proxy, rest: &str, body: &Value) -> (u16, Value) {
    let method = if rest.is_empty() { "PUT" } else { "POST" };
    let target = format!("/api/v1/services/api/backends/a{rest}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = proxy.admin_call(method, &target, &body).unwrap();
    (answer.status, serde_json::from_str(&answer.text()).unwrap())
}

fn first(proxy: &Proxy) -> Value {
    proxy.status()["services"]["api"]["backends"][0].clone()
}

pub fn stands(proxy: &Proxy) -> (String, String, String) {
    let backend = first(proxy);
    let text = |name: &str| backend[name].as_str().unwrap().to_owned();
    (text("state"), text("by"), text("reason"))
}

#[test]
fn a_weight_counts_as_of_its_answer() {
    let (_origins, proxy) = pair();
    assert_eq!(proxy.reload(&toml_weighted(&_origins)).status, 200);
    let mut client = proxy.client();
    let share = |client: &mut Client| (0..40).filter(|_| client.get("/x").text() == "a").count();
    let (status, answer) = say(&proxy, "", &json!({ "weight": 3, "reason": "it is larger" }));
    assert_eq!((status, &answer["weight"], &answer["kept"]), (200, &json!(3), &json!(true)));
    assert_eq!(share(&mut client), 30);
    assert_eq!(answer["weight_ignored"], json!(null), "it is heeded");
    let (_, answer) = say(&proxy, "", &json!({ "weight": null }));
    assert_eq!(answer["weight"], 1, "as configured");
    assert_eq!(share(&mut client), 20);
    assert_eq!(proxy.reload(&toml(&_origins, "")).status, 200);
    let (_, answer) = say(&proxy, "", &json!({ "weight": 3 }));
    let ignored = "`round_robin` does not heed weights: `weighted_round_robin` does";
    assert_eq!(answer["weight_ignored"], ignored);
    let (_, answer) = say(&proxy, "", &json!({ "weight": 0 }));
    assert_eq!(answer["weight_ignored"], json!(null), "no algorithm gives it new work");
}

pub fn toml_weighted(origins: &[Origin; 2]) -> String {
    // one worker alone has one turn, so that shares are exact
    toml(origins, "").replace("[service.api]", "[service.api]\nbalance = \"weighted_round_robin\"")
}

#[test]
fn what_was_said_holds_after_a_crash_and_after_an_upgrade() {
    let (_origins, mut proxy) = pair();
    let until = "2100-01-01T00:00:00Z";
    let (status, answer) = say(&proxy, "/drain", &json!({ "reason": "a new disk", "until": until }));
    assert_eq!((status, &answer["state"], &answer["kept"]), (200, &json!("draining"), &json!(true)));
    let said = stands(&proxy);
    assert_eq!((&*said.0, &*said.1), ("draining", "operator"));
    assert!(said.2.starts_with("a new disk (by 127.0.0.1, until 2100-01-01"), "{}", said.2);

    proxy.kill_and_start();
    assert_eq!(stands(&proxy), said);
    assert!((0..20).all(|_| proxy.client().get("/x").text() == "b"), "as of the first request");

    proxy.signal("USR2");
    wait_until("another process takes over", || proxy.stderr().contains("another process has taken over"));
    let _successor = Successor::of(&proxy);
    wait_until("the new one is asked", || proxy.admin("/readyz").is_ok_and(|ready| ready.status == 200));
    assert_eq!(stands(&proxy), said);
    assert_eq!(say(&proxy, "/enable", &Value::Null).0, 200);
    assert_eq!(stands(&proxy).0, "up");
}

#[test]
fn what_is_said_for_a_time_ends_with_it_and_is_told() {
    let (_origins, proxy) = pair();
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    let until = evenkeel::clock::rfc3339(soon);
    assert_eq!(say(&proxy, "/disable", &json!({ "until": until })).0, 200);
    assert_eq!(stands(&proxy).0, "disabled");
    wait_until("its time is over", || stands(&proxy).0 == "up");
    let events = proxy.admin("/api/v1/events").unwrap().text();
    assert!(events.contains("\"operator_expired\""), "{events}");
}

#[test]
fn a_backend_that_goes_and_comes_back_stands_as_was_said() {
    let (origins, proxy) = pair();
    assert_eq!(say(&proxy, "/disable", &Value::Null).0, 200);
    let only_b = config("", "", &[]) + &format!("{}id = \"b\"\n", backend(origins[1].address()));
    assert_eq!(proxy.reload(&only_b).status, 200);
    assert_eq!(proxy.reload(&toml(&origins, "")).status, 200);
    assert_eq!(stands(&proxy).0, "disabled");
    assert!((0..20).all(|_| proxy.client().get("/x").text() == "b"));
}

#[test]
fn who_waits_for_a_drain_is_told_whether_it_has_ended() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::start(&(config("", "", &[]) + &format!("{}id = \"a\"\n", backend(origin.address()))));
    thread::scope(|scope| {
        let asking = scope.spawn(|| proxy.client().get("/x").status);
        wait_until("it is asked", || origin.requests().len() == 1);
        let (_, answer) = say(&proxy, "/drain?wait=drained&timeout=50ms", &Value::Null);
        assert_eq!((&answer["drained"], &answer["in_flight"]), (&json!(false), &json!(1)));
        cue.give();
        let (_, answer) = say(&proxy, "/drain?wait=drained&timeout=30s", &Value::Null);
        assert_eq!((&answer["drained"], &answer["in_flight"]), (&json!(true), &json!(0)));
        assert_eq!(asking.join().unwrap(), 200);
    });
}

#[test]
fn who_waits_for_a_drain_that_somebody_takes_back_is_told_so() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::start(&(config("", "", &[]) + &format!("{}id = \"a\"\n", backend(origin.address()))));
    thread::scope(|scope| {
        let asking = scope.spawn(|| proxy.client().get("/x").status);
        wait_until("it is asked", || origin.requests().len() == 1);
        let waiting = scope.spawn(|| say(&proxy, "/drain?wait=drained&timeout=30s", &Value::Null));
        wait_until("it is drained", || stands(&proxy).0 == "draining");
        assert_eq!(say(&proxy, "/enable", &Value::Null).1["state"], "up");
        let (status, answer) = waiting.join().unwrap();
        assert_eq!(status, 409, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains("taken the command back"), "{answer}");
        cue.give();
        assert_eq!(asking.join().unwrap(), 200);
    });
}

#[test]
fn what_can_not_be_meant_is_refused_and_changes_nothing() {
    let (_origins, proxy) = pair();
    for (rest, body) in [
        ("/drain", json!({ "until": "2001-01-01T00:00:00Z" })),
        ("/drain", json!({ "until": "tomorrow" })),
        ("/drain", json!({ "raeson": "x" })),
        ("/drain", json!({ "reason": "two\nlines" })),
        ("/drain", json!({ "reason": "x".repeat(1025) })),
        ("/drain?wait=for-ever", Value::Null),
        ("/drain?wait=drained&timeout=2h", Value::Null),
        ("/drain?wait=drained&timeout=soon", Value::Null),
        ("/enable?wait=drained", Value::Null),
        ("", json!({})),
        ("", json!({ "weight": 65_536 })),
        ("", json!({ "weight": -1 })),
    ] {
        let (status, answer) = say(&proxy, rest, &body);
        assert_eq!(status, 400, "{rest} {body}: {answer}");
    }
    assert_eq!(stands(&proxy).0, "up");
}

#[test]
fn the_commands_say_what_the_api_says() {
    let (_origins, proxy) = pair();
    let evenkeel = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        let done = command.args(arguments).arg("-c").arg(proxy.path("proxy.toml")).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap())
    };
    let drained = evenkeel(&["drain", "api/a", "--wait", "--reason", "a new disk", "--for", "30m"]);
    assert_eq!(
        drained,
        (Some(0), "api/a gets no new work, and keeps its sessions; it has finished what it had\n".into())
    );
    let (_, status) = evenkeel(&["status"]);
    assert!(status.contains("a  draining (a new disk (by 127.0.0.1, until "), "{status}");
    assert_eq!(evenkeel(&["disable", "api", "a"]).1, "api/a gets nothing; 0 under way\n");
    assert_eq!(evenkeel(&["enable", "api/a"]), (Some(0), "api/a takes part\n".into()));
    let ignored = "changes nothing: `round_robin` does not heed weights: `weighted_round_robin` does";
    let weighed = format!("api/a has the weight 7, which {ignored}\n");
    assert_eq!(evenkeel(&["weight", "api/a", "--to", "7"]), (Some(0), weighed));
    assert_eq!(evenkeel(&["weight", "api/a", "--to", "configured"]).1, "api/a has the weight 1\n");
    assert_eq!(evenkeel(&["weight", "api/a"]).0, Some(1));
    assert_eq!(evenkeel(&["drain", "api"]).0, Some(1));
    assert_eq!(evenkeel(&["drain", "api/a", "--for", "ever"]).0, Some(2), "as all arguments that are not understood");
}

/// A drain of `a` whose head is read by the proxy, and whose body has not come. The proxy has asked for it.
fn drain_without_its_body(proxy: &Proxy, length: usize) -> Client {
    let mut client = Client::connect(proxy.admin_address());
    client.send(format!(
        "POST /api/v1/services/api/backends/a/drain HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
         Content-Length: {length}\r\n\r\n"
    ));
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(client.bytes(go_on.len()), go_on.as_bytes());
    client
}

#[test]
fn a_command_is_for_the_backend_that_has_the_name_when_it_is_carried_out() {
    let body = json!({ "reason": "a new disk" }).to_string();
    let (origins, proxy) = pair();
    let mut late = drain_without_its_body(&proxy, body.len());
    // `a` is at another address now, and so another backend
    let moved = Origin::saying("a");
    let toml = toml(&origins, "").replace(origins[0].address(), moved.address());
    assert_eq!(proxy.reload(&toml).status, 200);
    late.send(&body);
    assert_eq!(late.response().status, 200);
    assert_eq!(stands(&proxy).0, "draining");
    assert!((0..20).all(|_| proxy.client().get("/x").text() == "b"));

    let mut late = drain_without_its_body(&proxy, body.len());
    let only_b = config("", "", &[]) + &format!("{}id = \"b\"\n", backend(origins[1].address()));
    assert_eq!(proxy.reload(&only_b).status, 200);
    late.send(&body);
    assert_eq!(late.response().status, 404, "it is gone");
}

#[test]
fn a_drain_says_how_many_sessions_of_the_table_the_backend_keeps() {
    let origins = ["a", "b"].map(Origin::saying);
    let proxy = Proxy::start(&toml(&origins, "\n[service.api.affinity]\nby = \"header:x-user\"\n"));
    let mut client = proxy.client();
    let mut answered_by_a = |user: usize| {
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n"));
        client.response().text() == "a"
    };
    let own: Vec<usize> = (0..40).filter(|user| answered_by_a(*user)).collect();
    assert!(!own.is_empty() && own.len() < 40);
    let (_, answer) = say(&proxy, "/drain", &Value::Null);
    assert_eq!((&answer["sessions"], &answer["sessions_by"]), (&json!(own.len()), &json!("table")));
    assert!(own.iter().all(|user| answered_by_a(*user)), "it keeps them");
    assert!((100..140).all(|user| !answered_by_a(user)), "and gets no new ones");
    let events: Value = serde_json::from_str(&proxy.admin("/api/v1/events").unwrap().text()).unwrap();
    let told = events.as_array().unwrap().iter().find(|event| event["kind"] == "operator").unwrap();
    assert_eq!((&told["cause"]["sessions"], &told["cause"]["sessions_by"]), (&json!(own.len()), &json!("table")));
    let (_, answer) = say(&proxy, "/enable", &Value::Null);
    assert_eq!(answer.get("sessions"), None, "that is not about new work");
}

#[test]
fn where_clients_hold_the_sessions_a_drain_says_that_nobody_counts_them() {
    let (origins, proxy) = pair();
    let (_, answer) = say(&proxy, "/drain", &Value::Null);
    assert_eq!((&answer["sessions"], &answer["sessions_by"]), (&json!(0), &Value::Null), "there is no affinity");
    let cookies = toml(&origins, "\n[service.api.affinity]\nby = \"cookie\"\n");
    assert_eq!(proxy.reload(&cookies).status, 200);
    let (_, answer) = say(&proxy, "/drain", &Value::Null);
    assert_eq!((&answer["sessions"], &answer["sessions_by"]), (&Value::Null, &json!("cookie")));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    let done = command.args(["drain", "api/a", "-c"]).arg(proxy.path("proxy.toml")).output().unwrap();
    assert_eq!(
        String::from_utf8(done.stdout).unwrap(),
        "api/a gets no new work, and keeps its sessions; how many are in clients' cookies is not known; 0 under way\n"
    );
}

#[test]
fn a_backend_with_a_weight_of_0_is_draining_whoever_tells_of_it() {
    let (_origins, proxy) = pair();
    assert_eq!(say(&proxy, "", &json!({ "weight": 0, "reason": "it is small" })).0, 200);
    let (state, by, reason) = stands(&proxy);
    assert_eq!((&*state, &*by, &*reason), ("draining", "weight", "its weight is 0: it is small (by 127.0.0.1)"));
    assert_eq!(proxy.status()["services"]["api"]["healthy"], 1);
    let metrics = proxy.metrics();
    for series in ["up{service=\"api\",backend=\"a\"} 0", "state{service=\"api\",backend=\"a\",state=\"draining\"} 1"] {
        assert!(metrics.contains(&format!("evenkeel_backend_{series}\n")), "{series}");
    }
    let events = proxy.admin("/api/v1/events").unwrap().text();
    assert!(events.contains("\"backend_draining\"") && events.contains("\"by\":\"weight\""), "{events}");
    assert!((0..20).all(|_| proxy.client().get("/x").text() == "b"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    let shown = command.args(["status", "-c"]).arg(proxy.path("proxy.toml")).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("a  draining (its weight is 0: it is small (by 127.0.0.1))  weight 0,"), "{shown}");
    assert!(shown.contains("1 of 2 healthy"), "{shown}");
    assert_eq!(say(&proxy, "", &json!({ "weight": null })).0, 200);
    assert_eq!(stands(&proxy).0, "up");
}
