//! Instances that are started and taken away again.

use serde_json::json;

use crate::fleet::{BRIEF, Fleet};
use crate::support::Proxy;
use crate::{send, wait_for_attempt, wait_for_event, wait_until};

#[test]
fn a_further_instance_is_started_and_taken_away_when_the_fault_is_over() {
    let fleet = Fleet::of(&["a", "b", "c", "d"]);
    fleet.list("backends.json", &["a", "b", "c"]);
    fleet.list("three.json", &["a", "b", "c"]);
    fleet.list("four.json", &["a", "b", "c", "d"]);
    let swap = |file: &str| {
        format!("echo $EVENKEEL_ROLE >> $DIR/ran; cp $DIR/{file} $DIR/new; mv $DIR/new $DIR/backends.json")
    };
    let down = serde_json::to_string(&swap("three.json")).unwrap();
    let keys = format!(
        "strategy = \"scale_up\"\non = [\"unresponsive\"]\nmax_instances = 4\nwithin = \"20s\"\ndown_after = \"300ms\"\n\
         down = [\"/bin/sh\", \"-c\", {down}]"
    );
    let recovery = fleet.strategy(&keys, &swap("four.json")) + BRIEF;
    let proxy = Proxy::start(&fleet.discovering(&recovery));
    fleet.kill("a");
    let total = || proxy.status()["services"]["api"]["total"].clone();
    wait_until("there is one more", || total() == 4);
    fleet.revive("a");
    let done = wait_for_attempt(&proxy, "it is in force", |attempt| attempt["in_force"] == true);
    assert_eq!((&done["outcome"], &done["kind"]), (&json!("healed"), &json!("scale_up")), "{done}");
    wait_for_event(&proxy, "recovery_released");
    wait_until("it is taken away", || total() == 3);
    assert_eq!((send(&proxy, 6), fleet.ran()), (0, vec!["act".to_owned(), "down".to_owned()]));
}
