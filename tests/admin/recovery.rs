//! What operators see of recovery, and what they say to it. What is repaired, and when, is in tests/recovery.

use std::process::Command;

use serde_json::{Value, json};

use super::{ask, bearer, tokens, two, with};

#[test]
fn recovery_is_paused_by_whoever_may_write_and_everybody_is_told() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    let paused = || -> Value {
        let answer = ask(&proxy, "GET", "/api/v1/recovery", &bearer("ci"));
        serde_json::from_str(&answer.text()).unwrap()
    };
    assert_eq!(
        paused(),
        json!({ "paused": false, "who": null, "since": null, "reason": null, "attempts": [], "services": {} })
    );
    assert_eq!(ask(&proxy, "POST", "/api/v1/recovery/pause", &bearer("ci")).status, 403);
    assert_eq!(paused()["paused"], false);
    assert_eq!(ask(&proxy, "POST", "/api/v1/recovery/pause", &bearer("admin")).status, 200);
    assert_eq!(paused()["paused"], true);
    assert!(paused()["who"].as_str().unwrap().contains("token"), "{}", paused());
    let answer = ask(&proxy, "POST", "/api/v1/recovery/resume", &bearer("admin"));
    let resumed: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!((&resumed["paused"], &resumed["kept"]), (&json!(false), &json!(true)), "{resumed}");
    let events = ask(&proxy, "GET", "/api/v1/events", &bearer("ci")).text();
    let events: Vec<Value> = serde_json::from_str(&events).unwrap();
    let told: Vec<_> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert!(told.ends_with(&["recovery_paused", "recovery_resumed"]), "{told:?}");
}

#[test]
fn of_a_recovery_that_never_was_there_is_nothing_to_show_and_nothing_to_say() {
    let proxy = with("");
    let get = |target: &str| ask(&proxy, "GET", target, "");
    assert_eq!(get("/api/v1/recoveries").text(), "[]\n");
    assert_eq!(get("/api/v1/recoveries/effectiveness").text(), "{}\n");
    assert!(get("/api/v1/recoveries?format=markdown").text().contains("Nothing was done."));
    for (method, target, status) in [
        ("GET", "/api/v1/recoveries/1", 404),
        ("POST", "/api/v1/recoveries/1/approve", 404),
        ("GET", "/api/v1/recoveries/1/approve", 405),
        ("GET", "/api/v1/recoveries?since=soon", 400),
        ("GET", "/api/v1/recovery/pause", 405),
    ] {
        assert_eq!(ask(&proxy, method, target, "").status, status, "{method} {target}");
    }
}

#[test]
fn the_commands_ask_what_the_api_answers() {
    let proxy = with("");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("recovery").args(arguments).arg("-c").arg(proxy.path("proxy.toml"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = run(&[]);
    assert_eq!((code, said.lines().next()), (Some(0), Some("recovery is on")));
    let (code, said) = run(&["pause", "--reason", "a migration"]);
    assert!(code == Some(0) && said.starts_with("recovery is PAUSED since "), "{said}");
    assert!(said.ends_with(": a migration\n"), "{said}");
    assert_eq!(run(&["resume"]), (Some(0), "recovery is on\n".to_owned()));
    assert_eq!(run(&["list"]), (Some(0), "nothing was done\n".to_owned()));
    assert_eq!(run(&["effectiveness"]).1, "nothing was learned of a strategy so far\n");
    assert_eq!(run(&["approve", "7"]).0, Some(1), "there is no such attempt");
    assert_eq!(run(&["approve", "seven"]).0, Some(2));
}
