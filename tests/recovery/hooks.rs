//! Commands that hang, print without end, or end what they run for.

use serde_json::json;

use crate::fleet::{BRIEF, Fleet, lives};
use crate::support::Proxy;
use crate::{attempts, send, wait_for_attempt, wait_for_outcome, wait_until};

#[test]
fn a_command_that_hangs_is_killed_with_its_children_and_has_failed() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let keys = "strategy = \"restart\"\ntime_out = \"300ms\"\nattempts = 1\nwithin = \"20s\"";
    let hangs = "trap '' TERM; sleep 600 & echo $! > $DIR/child; setsid sleep 600 & echo $! > $DIR/far; \
                 echo $$ > $DIR/pid; wait; wait";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(keys, hangs) + BRIEF)));
    fleet.kill("a");
    let failed = wait_for_outcome(&proxy, "failed");
    assert_eq!((&failed["act"]["ok"], &failed["success"]), (&json!(false), &json!(false)), "{failed}");
    assert!(!failed["act"]["error"].as_str().unwrap().is_empty(), "{failed}");
    for name in ["pid", "child", "far"] {
        let pid = fleet.pid(name).unwrap();
        wait_until(&format!("{name} is gone"), || !lives(pid));
    }
}

#[test]
fn of_a_command_that_prints_much_the_end_is_kept_and_no_request_waits_for_it() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let keys = "strategy = \"restart\"\nwithin = \"20s\"";
    let prints =
        "echo begun > $DIR/pid; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo the end; rm $DIR/state.$1";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(keys, prints) + BRIEF)));
    fleet.kill("a");
    wait_until("it prints", || fleet.path("pid").exists());
    let mut lost = 0;
    wait_until("it is healed", || {
        lost += send(&proxy, 1);
        attempts(&proxy).iter().any(|attempt| attempt["outcome"] == "healed")
    });
    let done = wait_for_outcome(&proxy, "healed");
    assert_eq!(lost, 0);
    let act = &done["act"];
    assert!(act["output"].as_str().unwrap().ends_with("\nthe end\n"), "{}", act["output"]);
    assert!(act["output"].as_str().unwrap().len() <= 16 * 1024);
    assert!(act["left_out"].as_u64().unwrap() > 99_000_000, "{}", act["left_out"]);
}

#[test]
fn an_attempt_whose_backend_its_own_command_removes_is_over_as_gone() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    fleet.list("backends.json", &["a", "b", "c"]);
    fleet.list("fewer.json", &["b", "c"]);
    let keys = "strategy = \"restart\"\nwithin = \"2s\"";
    let removes = "echo $1 >> $DIR/ran; mv $DIR/fewer.json $DIR/backends.json";
    let proxy = Proxy::start(&fleet.discovering(&(fleet.strategy(keys, removes) + BRIEF)));
    fleet.kill("a");
    let gone = wait_for_outcome(&proxy, "gone");
    assert_eq!((&gone["backend"], &gone["success"]), (&json!("a"), &json!(null)), "{gone}");
    assert_eq!(proxy.status()["services"]["api"]["total"], 2);
    assert_eq!((send(&proxy, 10), fleet.ran()), (0, vec!["a".to_owned()]));
}

#[test]
fn a_program_that_is_not_there_is_a_failure_that_says_so() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let missing =
        "[[service.api.recover]]\nstrategy = \"restart\"\nattempts = 1\nrun = [\"evenkeel-no-such-program\"]\n";
    let proxy = Proxy::start(&fleet.config(&(missing.to_owned() + BRIEF)));
    fleet.kill("a");
    let failed = wait_for_attempt(&proxy, "it has ended", |attempt| attempt["end"].is_string());
    assert_eq!(failed["outcome"], "failed", "{failed}");
    assert!(failed["act"]["error"].as_str().unwrap().contains("evenkeel-no-such-program"), "{failed}");
}
