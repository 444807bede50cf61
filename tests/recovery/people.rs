//! What people say: they approve, refuse, pause and resume.

use serde_json::json;

use crate::fleet::{BRIEF, Fleet, NOTE, REPAIR, REPAIR_WHEN_TOLD, lives};
use crate::support::Proxy;
use crate::{
    attempts, backend, command_line, get, kinds, post, send, wait_for_attempt, wait_for_event, wait_for_outcome,
    wait_until,
};

const RESTART: &str = "strategy = \"restart\"\nwithin = \"20s\"";
const ASKS: &str = "[service.api.recovery]\ncool_down = \"100ms\"\napprove = \"ask\"\n";

#[test]
fn nothing_is_done_before_somebody_approves_it_and_it_is_done_when_somebody_does() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, REPAIR) + ASKS)));
    fleet.kill("a");
    let proposed = wait_for_event(&proxy, "recovery_proposed");
    assert_eq!(proposed["cause"]["attempt"], 1, "{proposed}");
    let waiting = &attempts(&proxy)[0];
    assert_eq!((&waiting["phase"], &waiting["success"]), (&json!("proposed"), &json!(null)), "{waiting}");
    assert!(command_line(&proxy, &["list"]).1.contains("waits to be approved"));
    let status = proxy.status()["services"]["api"]["recovery"].clone();
    assert_eq!((&status["attempts"][0]["phase"], &status["paused"]), (&json!("proposed"), &json!(false)), "{status}");
    assert!(fleet.ran().is_empty());
    let (code, said) = command_line(&proxy, &["approve", "1"]);
    assert_eq!(code, Some(0), "{said}");
    let done = wait_for_outcome(&proxy, "healed");
    assert_eq!((&done["id"], &done["who"]), (&json!(1), &json!("127.0.0.1")), "{done}");
    assert_eq!(kinds(&proxy), ["recovery_proposed", "recovery_began", "recovery_acted", "recovery_succeeded"]);
    assert_eq!(fleet.ran(), ["restart a"]);
}

#[test]
fn what_is_refused_is_not_done_and_an_answer_that_comes_too_late_is_told_so() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let once = "strategy = \"restart\"\nattempts = 1";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(once, NOTE) + ASKS)));
    fleet.kill("a");
    wait_for_event(&proxy, "recovery_proposed");
    assert_eq!(post(&proxy, "/api/v1/recoveries/7/approve").0, 404);
    assert_eq!(post(&proxy, "/api/v1/recoveries/1/undo").0, 409, "nothing was done so far");
    let (status, said) = post(&proxy, "/api/v1/recoveries/1/refuse");
    assert_eq!((status, &said["outcome"]), (200, &json!("refused")), "{said}");
    wait_for_event(&proxy, "recovery_ended");
    for word in ["approve", "refuse", "stop", "undo"] {
        assert_eq!(post(&proxy, &format!("/api/v1/recoveries/1/{word}")).0, 409, "{word}");
    }
    assert_eq!(command_line(&proxy, &["approve", "1"]).0, Some(1));
    assert!(fleet.ran().is_empty());
}

#[test]
fn a_proposal_ends_when_the_fault_passes_by_itself() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, NOTE) + ASKS)));
    fleet.kill("a");
    wait_for_event(&proxy, "recovery_proposed");
    fleet.revive("a");
    let passed = wait_for_outcome(&proxy, "passed");
    assert_eq!((&passed["success"], &passed["credited"]), (&json!(null), &json!(false)), "{passed}");
    assert_eq!(post(&proxy, "/api/v1/recoveries/1/approve").0, 409);
    assert!(fleet.ran().is_empty());
}

#[test]
fn a_pause_kills_what_runs_and_holds_over_a_restart_until_somebody_resumes() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let keys = format!("{RESTART}\ntime_out = \"60s\"");
    let mut proxy = Proxy::start(&fleet.config(&(fleet.strategy(&keys, REPAIR_WHEN_TOLD) + BRIEF)));
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    let pid = fleet.pid("pid").unwrap();
    let (code, said) = command_line(&proxy, &["pause", "--reason", "by hand"]);
    assert!(code == Some(0) && said.contains("PAUSED"), "{said}");
    let stopped = wait_for_outcome(&proxy, "stopped");
    assert_eq!(stopped["success"], json!(null), "{stopped}");
    wait_until("its command is gone", || !lives(pid));
    fleet.revive("a");
    let before = fleet.work_of("a");
    wait_until("it gets work", || send(&proxy, 1) == 0 && fleet.work_of("a") > before);
    fleet.kill("b");
    proxy.kill_and_start();
    let paused = get(&proxy, "/api/v1/recovery");
    assert_eq!((&paused["paused"], &paused["reason"]), (&json!(true), &json!("by hand")), "from the first answer on");
    wait_until("it is known to be down", || backend(&proxy, "b")["state"] == "down");
    assert_eq!(attempts(&proxy).len(), 1, "nothing begins");
    fleet.let_go();
    assert_eq!(post(&proxy, "/api/v1/recovery/resume").0, 200);
    let healed = wait_for_outcome(&proxy, "healed");
    assert_eq!(healed["backend"], "b", "{healed}");
}

#[test]
fn an_attempt_that_is_stopped_kills_its_command_and_another_one_may_follow() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let long = "[service.api.recovery]\ncool_down = \"1h\"\n";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, REPAIR_WHEN_TOLD) + long)));
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    let pid = fleet.pid("pid").unwrap();
    assert_eq!(command_line(&proxy, &["stop", "1"]).0, Some(0));
    let stopped = wait_for_outcome(&proxy, "stopped");
    assert_eq!(stopped["who"], "127.0.0.1", "{stopped}");
    wait_until("its command is gone", || !lives(pid));
    let braked = crate::wait_for_brake(&proxy, "cool_down");
    assert_eq!(braked["backend"], "a", "{braked}");
    wait_for_attempt(&proxy, "what its command came to is kept", |attempt| attempt["act"]["ok"].is_boolean());
}
