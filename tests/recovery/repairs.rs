//! Backends that are repaired, and those that are not.

use serde_json::{Value, json};

use crate::fleet::{BRIEF, Fleet, NOTE, REPAIR};
use crate::support::Proxy;
use crate::{
    attempts, backend, command_line, get, kinds, send, told, wait_for_attempt, wait_for_event, wait_for_outcome,
    wait_until,
};

const RESTART: &str = "strategy = \"restart\"\nwithin = \"20s\"";

#[test]
fn a_backend_that_dies_is_restarted_and_gets_work_again_and_no_request_is_lost() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, REPAIR) + BRIEF)));
    assert_eq!(send(&proxy, 6), 0);
    fleet.kill("a");
    let mut lost = 0;
    let mut done = Value::Null;
    wait_until("it is healed", || {
        lost += send(&proxy, 1);
        done = attempts(&proxy).first().cloned().unwrap_or_default();
        done["outcome"].is_string()
    });
    assert_eq!((lost, fleet.ran()), (0, vec!["restart a".to_owned()]), "{done}");
    let before = fleet.work_of("a");
    wait_until("it gets work", || send(&proxy, 1) == 0 && fleet.work_of("a") > before);
    for (member, value) in [
        ("id", json!(1)),
        ("service", json!("api")),
        ("backend", json!("a")),
        ("strategy", json!("restart")),
        ("success", json!(true)),
        ("outcome", json!("healed")),
        ("phase", json!("ended")),
        ("credited", json!(true)),
        ("in_force", json!(false)),
        ("dry_run", json!(false)),
    ] {
        assert_eq!(done[member], value, "{member}: {done}");
    }
    assert!(done["start"].is_string() && done["end"].is_string() && done["acted"].is_string(), "{done}");
    assert!(done["recovery_s"].as_f64().unwrap() > 0.0, "{done}");
    assert!(!done["votes"].as_array().unwrap().is_empty(), "{done}");
    assert_eq!((&done["act"]["ok"], &done["act"]["code"]), (&json!(true), &json!(0)), "{done}");
    assert_eq!(attempts(&proxy).len(), 1, "it is done once");
    is_shown_everywhere(&proxy, &done);
}

/// The only attempt, which has healed `a`, is in the list, the events, the metrics and what was learned.
fn is_shown_everywhere(proxy: &Proxy, done: &Value) {
    assert_eq!(kinds(proxy), ["recovery_began", "recovery_acted", "recovery_succeeded"]);
    assert!(told(proxy).iter().all(|event| event["backend"] == "a" && event["cause"]["attempt"] == 1));
    let (code, list) = command_line(proxy, &["list"]);
    assert!(code == Some(0) && list.contains("healed in") && list.contains("restart of api/a"), "{list}");
    let (code, shown) = command_line(proxy, &["show", "1"]);
    assert!(code == Some(0) && shown.starts_with("attempt 1: restart of api/a against"), "{shown}");
    assert_eq!(proxy.metric("evenkeel_recoveries_total{service=\"api\",strategy=\"restart\",outcome=\"healed\"}"), 1);
    proxy.wait_for_metrics("evenkeel_recoveries_running{service=\"api\"} 0");
    let fault = done["fault"].as_str().unwrap();
    let learned = &get(proxy, "/api/v1/recoveries/effectiveness")["api"][fault]["restart"];
    assert!((learned["effectiveness"].as_f64().unwrap() - 0.55).abs() < 1e-9, "{learned}");
    assert_eq!((&learned["attempts"], &learned["successes"]), (&json!(1), &json!(1)));
}

#[test]
fn a_command_is_told_what_it_is_for_and_what_it_printed_is_kept() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let tells = "env | grep ^EVENKEEL_ | sort > $DIR/environment; pwd > $DIR/where; echo to $1; echo worse >&2; \
                 rm $DIR/state.$1; exit 3";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(&format!("{RESTART}\nname = \"again\""), tells) + BRIEF)));
    fleet.kill("b");
    let done = wait_for_attempt(&proxy, "it has ended", |attempt| attempt["end"].is_string());
    assert_eq!((&done["act"]["code"], &done["act"]["ok"]), (&json!(3), &json!(false)), "{done}");
    let output = done["act"]["output"].as_str().unwrap();
    assert!(output.contains("to b\n") && output.contains("worse\n"), "{done}");
    let told = std::fs::read_to_string(fleet.path("environment")).unwrap();
    let address = fleet.origin("b").address();
    let fault = done["fault"].as_str().unwrap();
    for line in [
        "EVENKEEL_SERVICE=api",
        "EVENKEEL_BACKEND=b",
        &format!("EVENKEEL_ADDRESS={address}"),
        &format!("EVENKEEL_FAULT={fault}"),
        "EVENKEEL_ATTEMPT=1",
        "EVENKEEL_NUMBER=1",
        "EVENKEEL_STRATEGY=again",
        "EVENKEEL_ROLE=act",
    ] {
        assert!(told.lines().any(|known| known == line), "{line} is not in\n{told}");
    }
    let token = told.lines().find_map(|line| line.strip_prefix("EVENKEEL_TOKEN=")).unwrap();
    assert!(token.parse::<u64>().unwrap() > 0);
    assert_eq!(std::fs::read_to_string(fleet.path("where")).unwrap(), "/\n");
}

#[test]
fn a_command_that_ends_well_without_effect_is_no_success_and_the_next_strategy_is_tried_until_none_is_left() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let strategy = |name: &str| {
        let keys = format!("strategy = \"restart\"\nname = \"{name}\"\nattempts = 1\nwithin = \"1s\"");
        fleet.strategy(&keys, NOTE)
    };
    let proxy = Proxy::start(&fleet.config(&(strategy("one") + &strategy("other") + BRIEF)));
    fleet.kill("a");
    let exhausted = wait_for_event(&proxy, "recovery_exhausted");
    assert_eq!((&exhausted["backend"], &exhausted["level"]), (&json!("a"), &json!("error")), "{exhausted}");
    let all = attempts(&proxy);
    let outcomes: Vec<_> = all.iter().map(|attempt| (&attempt["outcome"], &attempt["success"])).collect();
    assert_eq!(outcomes, vec![(&json!("not_healed"), &json!(false)); 2], "{all:?}");
    let mut ran = fleet.ran();
    ran.sort();
    assert_eq!(ran, ["one a", "other a"]);
    let fault = all[0]["fault"].as_str().unwrap();
    let learned = &get(&proxy, "/api/v1/recoveries/effectiveness")["api"][fault];
    for name in ["one", "other"] {
        assert!((learned[name]["effectiveness"].as_f64().unwrap() - 0.45).abs() < 1e-9, "{learned}");
    }
}

#[test]
fn a_dry_run_runs_nothing_and_tells_what_it_would_have_done_and_what_became_of_the_fault() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let dry = "[service.api.recovery]\ncool_down = \"100ms\"\ndry_run = true\n";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, NOTE) + dry)));
    fleet.kill("a");
    let began = wait_for_event(&proxy, "recovery_began");
    assert_eq!((&began["cause"]["dry_run"], &began["cause"]["strategy"]), (&json!(true), &json!("restart")), "{began}");
    let what = &began["cause"]["what"];
    assert!(what.as_str().unwrap().ends_with(" a"), "{began}");
    assert_eq!((&attempts(&proxy)[0]["act"]["what"], &attempts(&proxy)[0]["act"]["ok"]), (what, &Value::Null));
    assert_ne!(backend(&proxy, "a")["state"], "draining", "nobody takes it out");
    fleet.revive("a");
    let done = wait_for_attempt(&proxy, "it has ended", |attempt| attempt["end"].is_string());
    assert_eq!((&done["dry_run"], &done["credited"]), (&json!(true), &json!(false)), "{done}");
    assert!(fleet.ran().is_empty());
    assert_eq!(get(&proxy, "/api/v1/recovery")["services"]["api"]["dry_run"], true);
}

#[test]
fn a_backend_that_works_badly_is_drained_and_what_it_has_under_way_ends_before_it_is_restarted() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    // what is ejected has no work to be drained of
    let lenient = "[service.api.outlier]\nmax_ejected = 0.0\n";
    let keys = format!("{RESTART}\ndrain = \"20s\"");
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(&keys, REPAIR) + BRIEF + lenient)));
    let mut waiting = Vec::new();
    wait_until("one waits for it", || {
        let mut client = proxy.client();
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        waiting.push(client);
        fleet.work_of("a") > 0
    });
    fleet.sicken("a");
    wait_until("it is drained", || {
        send(&proxy, 5);
        attempts(&proxy).first().is_some_and(|attempt| attempt["phase"] == "draining")
            && backend(&proxy, "a")["by"] == "recovery"
    });
    assert_eq!(backend(&proxy, "a")["state"], "draining");
    let sent = fleet.work_of("a");
    assert_eq!((send(&proxy, 20), fleet.work_of("a")), (0, sent), "it gets no work meanwhile");
    assert!(fleet.ran().is_empty());
    fleet.finish();
    assert!(waiting.iter_mut().all(|client| client.response().status == 200));
    wait_until("requests show that it is healed", || {
        send(&proxy, 5);
        attempts(&proxy).first().is_some_and(|attempt| attempt["outcome"] == "healed")
    });
    let healed = &attempts(&proxy)[0];
    assert_eq!((&healed["fault"], &healed["credited"]), (&json!("high_error_rate"), &json!(true)), "{healed}");
    wait_until("it gets work", || send(&proxy, 1) == 0 && fleet.work_of("a") > sent);
    assert_eq!(fleet.ran(), ["restart a"]);
}

#[test]
fn what_makes_it_worse_is_taken_back() {
    let fleet = Fleet::of(&["a", "b", "c", "d"]);
    let undo = serde_json::to_string("echo $EVENKEEL_ROLE >> $DIR/ran; rm $DIR/state.b $DIR/state.c").unwrap();
    let keys = format!("{RESTART}\nattempts = 1\nundo = [\"/bin/sh\", \"-c\", {undo}]");
    let harms = "echo $EVENKEEL_ROLE >> $DIR/ran; echo dead > $DIR/state.b; echo dead > $DIR/state.c";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(&keys, harms) + BRIEF)));
    fleet.kill("a");
    wait_until("it is seen to be worse", || {
        send(&proxy, 5);
        attempts(&proxy).first().is_some_and(|attempt| attempt["outcome"] == "worse")
    });
    let worse = &attempts(&proxy)[0];
    assert_eq!((&worse["success"], &worse["undo"]["ok"]), (&json!(false), &json!(true)), "{worse}");
    wait_for_event(&proxy, "recovery_undone");
    assert_eq!(fleet.ran()[..2], ["act", "undo"]);
}

#[test]
fn the_incident_of_a_service_says_which_attempt_has_ended_it() {
    let fleet = Fleet::of(&["a"]);
    let recovery = fleet.strategy(RESTART, REPAIR) + BRIEF + "[service.api.sla]\n";
    let proxy = Proxy::start(&fleet.config(&recovery));
    fleet.kill("a");
    wait_for_outcome(&proxy, "healed");
    let mut sla = Value::Null;
    wait_until("the incident has ended", || {
        sla = get(&proxy, "/api/v1/sla")["api"].clone();
        sla["incidents"][0]["ended"].is_string()
    });
    assert_eq!(sla["incidents"][0]["ended_by_attempt"], 1, "{sla}");
    assert_eq!((&sla["recovery"]["attempts"], &sla["recovery"]["healed"]), (&json!(1), &json!(1)), "{sla}");
}
