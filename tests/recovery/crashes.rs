//! The proxy is killed, ends, or is replaced in the middle of an attempt.

use serde_json::json;

use crate::fleet::{BRIEF, Fleet, NOTE, REPAIR, REPAIR_WHEN_TOLD, lives};
use crate::support::{Proxy, Successor};
use crate::{attempts, get, is_kept, wait_for_attempt, wait_for_outcome, wait_until};

#[test]
fn a_crash_ends_the_command_and_closes_the_attempt_as_unknown_and_it_is_not_run_again() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let keys = "strategy = \"restart\"\nwithin = \"20s\"";
    let hangs = "echo $EVENKEEL_ATTEMPT $EVENKEEL_TOKEN >> $DIR/ran; sleep 600 & echo $! > $DIR/child; echo $$ > $DIR/pid; wait";
    let long = "[service.api.recovery]\ncool_down = \"1h\"\n";
    let mut proxy = Proxy::start(&fleet.config(&(fleet.strategy(keys, hangs) + long)));
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    assert!(is_kept(&proxy, "\"end\" IS NULL"), "it was entered before");
    proxy.kill_and_start();
    for name in ["pid", "child"] {
        let pid = fleet.pid(name).unwrap();
        wait_until(&format!("{name} is gone"), || !lives(pid));
    }
    let unknown = wait_for_outcome(&proxy, "unknown");
    assert_eq!((&unknown["id"], &unknown["success"]), (&json!(1), &json!(null)), "{unknown}");
    crate::wait_for_brake(&proxy, "cool_down");
    assert_eq!((attempts(&proxy).len(), fleet.ran().len()), (1, 1));
    // when something is done again, it is another attempt, with a greater token
    assert_eq!(proxy.reload(&fleet.config(&(fleet.strategy(keys, hangs) + BRIEF))).status, 200);
    wait_until("it is done again", || fleet.ran().len() == 2);
    let ran = fleet.ran();
    let numbers = |line: &str| -> Vec<u64> { line.split(' ').map(|number| number.parse().unwrap()).collect() };
    let (first, second) = (numbers(&ran[0]), numbers(&ran[1]));
    assert!(first[0] < second[0] && first[1] < second[1], "{ran:?}");
}

#[test]
fn a_proxy_that_is_told_to_end_ends_its_command_first() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let recovery = fleet.strategy("strategy = \"restart\"\nwithin = \"20s\"", REPAIR_WHEN_TOLD) + BRIEF;
    let mut proxy = Proxy::start(&fleet.config(&recovery));
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    assert!(!lives(fleet.pid("pid").unwrap()));
    assert!(is_kept(&proxy, "outcome = 'stopped'"));
}

#[test]
fn an_upgrade_ends_the_command_of_the_old_process_and_the_new_one_repairs() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let recovery = fleet.strategy("strategy = \"restart\"\nwithin = \"20s\"", REPAIR_WHEN_TOLD) + BRIEF;
    let mut proxy = Proxy::start(&fleet.config(&recovery));
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    let pid = fleet.pid("pid").unwrap();
    proxy.signal("USR2");
    assert_eq!(proxy.wait().code(), Some(0));
    let _successor = Successor::of(&proxy);
    wait_until("its command is gone", || !lives(pid));
    fleet.let_go();
    let healed = wait_for_outcome(&proxy, "healed");
    let all = attempts(&proxy);
    assert_eq!((&all[0]["id"], &all[0]["outcome"]), (&json!(1), &json!("stopped")), "{all:?}");
    assert_eq!(healed["id"], 2, "{all:?}");
}

#[test]
fn what_was_learned_and_done_is_known_after_a_crash() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let recovery = fleet.strategy("strategy = \"restart\"\nwithin = \"20s\"", REPAIR) + BRIEF;
    let mut proxy = Proxy::start(&fleet.config(&recovery));
    fleet.kill("a");
    let done = wait_for_outcome(&proxy, "healed");
    let learned = get(&proxy, "/api/v1/recoveries/effectiveness");
    assert!(learned["api"].is_object(), "{learned}");
    // it is on the disk a moment after it is shown
    wait_until("it is on the disk", || is_kept(&proxy, "outcome = 'healed'"));
    proxy.kill_and_start();
    wait_until("recovery has begun", || get(&proxy, "/api/v1/recoveries/effectiveness") == learned);
    let again = wait_for_attempt(&proxy, "it is there", |attempt| attempt["id"] == done["id"]);
    assert_eq!(again, done);
}

#[test]
fn nothing_is_done_that_can_not_be_entered_in_the_ledger_first() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let recovery = fleet.strategy("strategy = \"restart\"", NOTE) + BRIEF;
    let proxy = Proxy::start(&fleet.config(&recovery));
    wait_until("there is a ledger", || proxy.path("state/ledger.sqlite").exists());
    // somebody else writes to it all the time
    let ledger = rusqlite::Connection::open(proxy.path("state/ledger.sqlite")).unwrap();
    ledger.busy_timeout(crate::support::PATIENCE).unwrap();
    ledger.execute_batch("BEGIN IMMEDIATE").unwrap();
    fleet.kill("a");
    crate::wait_for_brake(&proxy, "ledger");
    // one may have begun before it was known that the ledger can't be written
    for stopped in attempts(&proxy) {
        assert_eq!(stopped["outcome"], "stopped", "{stopped}");
        assert!(stopped["lesson"].as_str().unwrap().contains("ledger"), "{stopped}");
    }
    assert!(fleet.ran().is_empty());
    wait_until("it is shown", || {
        let state = get(&proxy, "/api/v1/recovery");
        state["services"]["api"]["braked"].as_str().is_some_and(|why| why.contains("the ledger can't be written"))
    });
    ledger.execute_batch("ROLLBACK").unwrap();
    wait_until("it is done when it can be entered", || !fleet.ran().is_empty());
}
