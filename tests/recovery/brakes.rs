//! What is not done, and why.

use serde_json::json;

use crate::fleet::{BRIEF, Fleet, NOTE, REPAIR, REPAIR_WHEN_TOLD};
use crate::support::Proxy;
use crate::{attempts, backend, post, send, state, told, wait_for_brake, wait_for_outcome, wait_until};

const RESTART: &str = "strategy = \"restart\"\nwithin = \"20s\"";

fn repaired(fleet: &Fleet, recovery: &str) -> String {
    fleet.config(&(fleet.strategy(RESTART, REPAIR) + BRIEF + recovery))
}

#[test]
fn nothing_is_done_in_maintenance_and_it_is_done_afterwards() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let proxy = Proxy::start(&repaired(&fleet, "[service.api.sla]\n"));
    let path = "/api/v1/services/api/maintenance";
    let body = r#"{ "minutes": 30, "reason": "new disks" }"#;
    assert_eq!(proxy.admin_call("POST", path, body).unwrap().status, 200);
    fleet.kill("a");
    let braked = wait_for_brake(&proxy, "maintenance");
    assert_eq!((&braked["backend"], &braked["level"]), (&json!(null), &json!("warn")), "{braked}");
    assert!(state(&proxy)["braked"].as_str().unwrap().contains("maintenance"), "{}", state(&proxy));
    assert!(proxy.metric("evenkeel_recovery_braked_total{service=\"api\",brake=\"maintenance\"}") > 0);
    assert_eq!((attempts(&proxy).len(), fleet.ran().len()), (0, 0));
    assert_eq!(proxy.admin_call("DELETE", path, "").unwrap().status, 200);
    wait_for_outcome(&proxy, "healed");
}

#[test]
fn what_an_operator_has_taken_out_is_left_alone() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let proxy = Proxy::start(&repaired(&fleet, ""));
    assert_eq!(proxy.command("drain", "a"), 200);
    fleet.kill("a");
    fleet.kill("b");
    // it died first, so it would have been repaired first
    let healed = wait_for_outcome(&proxy, "healed");
    assert_eq!(healed["backend"], "b", "{healed}");
    assert_eq!((attempts(&proxy).len(), fleet.ran()), (1, vec!["restart b".to_owned()]));
}

#[test]
fn a_backend_that_a_reload_has_just_added_is_given_time() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let recovery = fleet.strategy(RESTART, REPAIR) + BRIEF;
    let proxy = Proxy::start(&fleet.config_of(&["a", "b"], &recovery));
    fleet.kill("a");
    // recovery has begun, and seen the service without it
    wait_for_outcome(&proxy, "healed");
    fleet.kill("c");
    assert_eq!(proxy.reload(&fleet.config(&recovery)).status, 200);
    let braked = wait_for_brake(&proxy, "explained");
    assert_eq!(braked["backend"], "c", "{braked}");
    assert!(braked["cause"]["why"].as_str().unwrap().contains("added"), "{braked}");
    assert_eq!((fleet.ran().len(), attempts(&proxy).len()), (1, 1));
}

#[test]
fn while_most_of_a_service_is_unwell_nothing_is_restarted() {
    let fleet = Fleet::of(&["a", "b", "c", "d"]);
    let ask = "[service.api.recovery]\napprove = \"ask\"\n";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, NOTE) + ask)));
    ["a", "b", "c"].iter().for_each(|id| fleet.kill(id));
    wait_for_brake(&proxy, "max_unhealthy");
    wait_until("all are down", || ["a", "b", "c"].iter().all(|id| backend(&proxy, id)["state"] == "down"));
    for proposed in attempts(&proxy).iter().filter(|attempt| attempt["phase"] == "proposed") {
        // one that was proposed before the others were down can't be approved any more
        assert_eq!(post(&proxy, &format!("/api/v1/recoveries/{}/approve", proposed["id"])).0, 409);
    }
    assert!(fleet.ran().is_empty());
}

#[test]
fn one_is_repaired_after_the_other() {
    let fleet = Fleet::of(&["a", "b", "c", "d", "e", "f"]);
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, REPAIR_WHEN_TOLD) + BRIEF)));
    fleet.kill("a");
    fleet.kill("b");
    wait_for_brake(&proxy, "max_at_once");
    wait_until("a command runs", || fleet.pid("pid").is_some());
    assert_eq!(state(&proxy)["running"].as_array().unwrap().len(), 1);
    fleet.let_go();
    wait_until("both are healed", || attempts(&proxy).iter().filter(|attempt| attempt["success"] == true).count() == 2);
    let all = attempts(&proxy);
    assert!(all[1]["start"].as_str() >= all[0]["end"].as_str(), "{all:?}");
}

#[test]
fn the_last_backend_that_can_be_used_is_not_taken_out() {
    let fleet = Fleet::of(&["a", "b"]);
    let keys = "strategy = \"restart\"\non = [\"high_error_rate\"]";
    let lenient = "[service.api.outlier]\nmax_ejected = 0.0\n[service.api.retry]\nattempts = 0\n";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(keys, NOTE) + BRIEF + lenient)));
    fleet.sicken("a");
    fleet.kill("b");
    wait_until("a brake holds it", || {
        send(&proxy, 5);
        told(&proxy)
            .iter()
            .any(|event| event["cause"]["brake"] == "last_usable" || event["cause"]["brake"] == "max_unhealthy")
    });
    assert!(fleet.ran().is_empty());
}
