//! `[defaults.service]` and `[defaults.listener]`.

use evenkeel::config::Loaded;

use crate::support::{GOOD, bad, good, told};

const OTHER: &str = "\n[[service.other.backend]]\naddress = \"127.0.0.1:9003\"\n[[listener]]\nname = \"other\"\nbind = \"127.0.0.1:8081\"\nservice = \"other\"\n";

fn two(defaults: &str) -> String {
    format!("{defaults}\n{GOOD}{OTHER}")
}

fn shown(loaded: &Loaded, service: &str, at: &str) -> serde_json::Value {
    loaded.effective.to_json().pointer(&format!("/service/{service}{at}")).cloned().unwrap_or_default()
}

#[test]
fn every_service_has_them_and_its_own_keys_win() {
    let text = two(
        "[defaults.service]\nbalance = 'power_of_two'\nshadow = ['round_robin']\ntimeout = { connect = '1s', total = '9s' }\nhealth = { path = '/up' }\n\
         request_headers.set = { a = '1', b = '2' }\n",
    ) + "[service.other]\nshadow = []\ntimeout.total = '3s'\nrequest_headers.set.b = '3'\n";
    let loaded = good(&text);
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    for (at, app, other) in [
        ("/balance", serde_json::json!("power_of_two"), serde_json::json!("power_of_two")),
        ("/shadow", serde_json::json!(["round_robin"]), serde_json::json!([])),
        ("/timeout/connect", "1s".into(), "1s".into()),
        ("/timeout/total", "9s".into(), "3s".into()),
        ("/timeout/idle", "1m".into(), "1m".into()),
        ("/health/path", "/up".into(), "/up".into()),
        ("/request_headers/set", serde_json::json!({ "a": "1", "b": "2" }), serde_json::json!({ "a": "1", "b": "3" })),
    ] {
        assert_eq!((shown(&loaded, "app", at), shown(&loaded, "other", at)), (app, other), "{at}");
    }
    assert_eq!(loaded.effective.to_json().get("defaults"), None);
}

#[test]
fn every_listener_has_them() {
    let loaded = good(&two("[defaults.listener]\nidle_timeout = '5s'\nlimits.max_headers = 7\n"));
    let listeners = &loaded.effective.to_json()["listener"];
    for listener in listeners.as_array().unwrap() {
        assert_eq!((&listener["idle_timeout"], &listener["limits"]["max_headers"]), (&"5s".into(), &7.into()));
    }
}

#[test]
fn a_mistake_in_them_is_told_once_at_its_place() {
    let defaults = "[defaults.service]\nbalanec = 'x'\nslow_start = '5'\nbackend = []\npanic_threshold = 2\ntimeout = { conect = '1s' }\n\
                    tls = { ca = 'gone.pem' }\ndiscover.dns = 'a:1'\n[defaults.listener]\nname = 'x'\nidle_timeout = 0\n[defaults]\nservices = {}";
    assert_eq!(
        told(&bad(&two(defaults))),
        [
            "2:1 defaults.service.balanec: unknown key `balanec`",
            "3:14 defaults.service.slow_start: `5` can't be read",
            "4:1 defaults.service.backend: unknown key `backend`",
            "5:19 defaults.service.panic_threshold: `panic_threshold` is out of range",
            "6:13 defaults.service.timeout.conect: unknown key `conect`",
            "7:14 defaults.service.tls.ca: `gone.pem` can't be read: No such file or directory (os error 2)",
            "8:1 defaults.service.discover: unknown key `discover`",
            "10:1 defaults.listener.name: unknown key `name`",
            "11:16 defaults.listener.idle_timeout: `idle_timeout` can't be an integer",
            "13:1 defaults.services: unknown key `services`",
        ]
    );
    assert_eq!(told(&bad(&format!("{defaults}\n{GOOD}"))), told(&bad(&two(defaults))), "with one service as with two");
}

#[test]
fn a_mistake_that_holds_for_some_names_them() {
    let text = two("[defaults.service.health]\nfast_interval = '3s'\ninterval = '4s'\n")
        + "[service.other.health]\ninterval = '1s'\n";
    let diagnostics = match crate::support::parse(&text) {
        Ok(loaded) => loaded.warnings,
        Err(diagnostics) => diagnostics,
    };
    let only = diagnostics.iter().next().unwrap();
    assert_eq!((diagnostics.len(), only.line, &*only.path), (1, 2, "defaults.service.health.fast_interval"));
    assert!(only.help.as_ref().unwrap().ends_with("it is a default of service.other"), "{only:?}");
}

#[test]
fn what_is_required_may_come_from_either() {
    let text = two("[defaults.service.sla]\nwindow = '30d'\n")
        + "[service.other.sla]\ntarget = 0.99\n[service.app.sla]\ntarget = 0.9\n";
    let loaded = good(&text);
    assert_eq!(shown(&loaded, "app", "/sla/window"), "30d");
    let missing = "[[defaults.service.recover]]\nrun = ['/bin/true']\n[defaults.service.detect]\n";
    assert_eq!(told(&bad(&two(missing))), ["1:1 defaults.service.recover[0]: `strategy` is missing"]);
}

#[test]
fn a_default_that_has_no_effect_in_one_service_is_no_mistake() {
    let text = two("[defaults.service]\nhash.on = 'path'\n") + "[service.app]\nbalance = 'consistent_hash'\n";
    let loaded = good(&text);
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let useless = two("[defaults.service]\nhash.on = 'path'\n");
    let diagnostics = match crate::support::parse(&useless) {
        Ok(loaded) => loaded.warnings,
        Err(diagnostics) => diagnostics,
    };
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
}

#[test]
fn secrets_in_them_stay_hidden() {
    let text = two(
        "server.environment = { SECRET = 'hunter2' }\n[defaults.service]\nrequest_headers.set = { x = '${SECRET}', y = 'Bearer ${SECRET}' }\nslow_start = '${NO_SUCH_TIME:-7s}'\n\
         panic_threshold = '${NO_SUCH_SHARE:-0.25}'\n",
    );
    let loaded = good(&text);
    let json = loaded.effective.to_json();
    assert!(!json.to_string().contains("hunter2"), "{json}");
    assert_eq!(
        json["service"]["app"]["request_headers"]["set"],
        serde_json::json!({ "x": "${SECRET}", "y": "Bearer ${SECRET}" })
    );
    assert_eq!(json["service"]["other"]["slow_start"], "${NO_SUCH_TIME:-7s}");
    assert_eq!(json["service"]["other"]["panic_threshold"], 0.25);
    assert_eq!(loaded.config.services[0].slow_start.as_secs(), 7);
}
