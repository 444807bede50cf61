//! Reloads in the middle of an attempt, to recovery and away from it.

use serde_json::json;

use crate::fleet::{BRIEF, Fleet, NOTE, REPAIR, REPAIR_WHEN_TOLD, lives};
use crate::support::Proxy;
use crate::{attempts, backend, get, send, wait_for_event, wait_for_outcome, wait_until};

const RESTART: &str = "strategy = \"restart\"\nwithin = \"20s\"";

/// A proxy whose command runs for the backend `a`, and the process id of the command.
fn with_a_command(fleet: &Fleet) -> (Proxy, u32) {
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, REPAIR_WHEN_TOLD) + BRIEF)));
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    (proxy, fleet.pid("pid").unwrap())
}

#[test]
fn an_attempt_whose_strategy_is_removed_is_over_and_its_command_is_killed() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let (proxy, pid) = with_a_command(&fleet);
    let other = fleet.strategy(&format!("{RESTART}\nname = \"other\"\non = [\"high_latency\"]"), NOTE);
    assert_eq!(proxy.reload(&fleet.config(&(other + BRIEF))).status, 200);
    let gone = wait_for_outcome(&proxy, "gone");
    assert!(gone["lesson"].as_str().unwrap().contains("no strategy restart any more"), "{gone}");
    wait_until("its command is gone", || !lives(pid));
    assert_eq!(backend(&proxy, "a")["by"], "checks");
}

#[test]
fn an_attempt_whose_backend_is_removed_lets_its_command_end_and_is_over_as_gone() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let recovery = fleet.strategy("strategy = \"restart\"\nwithin = \"2s\"", REPAIR_WHEN_TOLD) + BRIEF;
    let proxy = Proxy::start(&fleet.config(&recovery));
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    assert_eq!(proxy.reload(&fleet.config_of(&["b", "c"], &recovery)).status, 200);
    assert_eq!(send(&proxy, 6), 0);
    assert!(lives(fleet.pid("pid").unwrap()), "what stops and starts a backend is not broken off between the two");
    fleet.let_go();
    let gone = wait_for_outcome(&proxy, "gone");
    assert_eq!((&gone["success"], &gone["act"]["ok"]), (&json!(null), &json!(true)), "{gone}");
}

#[test]
fn an_attempt_whose_service_is_removed_is_over_and_its_command_is_killed() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let (proxy, pid) = with_a_command(&fleet);
    let other =
        fleet.config("").replace("service.api", "service.web").replace("service = \"api\"", "service = \"web\"");
    assert_eq!(proxy.reload(&other).status, 200);
    wait_for_outcome(&proxy, "gone");
    wait_until("its command is gone", || !lives(pid));
    assert_eq!(get(&proxy, "/api/v1/recovery")["services"], json!({}));
}

#[test]
fn an_attempt_goes_on_when_its_strategy_is_changed() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let (proxy, _) = with_a_command(&fleet);
    assert_eq!(proxy.reload(&fleet.config(&(fleet.strategy(RESTART, NOTE) + BRIEF))).status, 200);
    fleet.let_go();
    let healed = wait_for_outcome(&proxy, "healed");
    assert_eq!((&healed["id"], &healed["act"]["ok"]), (&json!(1), &json!(true)), "{healed}");
    assert!(fleet.ran().is_empty(), "the other command is for the next attempt");
}

#[test]
fn recovery_comes_and_goes_with_a_reload() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let proxy = Proxy::start(&fleet.config(""));
    assert_eq!(get(&proxy, "/api/v1/recovery")["services"], json!({}));
    fleet.kill("a");
    wait_until("it is down", || backend(&proxy, "a")["state"] == "down");
    assert_eq!(proxy.reload(&fleet.config(&(fleet.strategy(RESTART, REPAIR) + BRIEF))).status, 200);
    wait_for_outcome(&proxy, "healed");
    assert_eq!(proxy.reload(&fleet.config("")).status, 200);
    fleet.kill("b");
    wait_until("it is down", || backend(&proxy, "b")["state"] == "down");
    assert_eq!((attempts(&proxy).len(), fleet.ran().len()), (1, 1), "what was done is still shown");
    assert_eq!(get(&proxy, "/api/v1/recovery")["services"], json!({}));
}

#[test]
fn what_was_only_watched_of_a_service_that_nobody_repairs_any_more_is_forgotten() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let dry = "[service.api.recovery]\ndry_run = true\n";
    let proxy = Proxy::start(&fleet.config(&(fleet.strategy(RESTART, NOTE) + dry)));
    fleet.kill("a");
    wait_for_event(&proxy, "recovery_began");
    fleet.revive("a");
    wait_until("it is kept how the fault went on", || learned(&proxy) == 1);
    assert_eq!(proxy.reload(&fleet.config("")).status, 200);
    wait_until("it is forgotten", || learned(&proxy) == 0);
}

/// How many kinds of faults of services the ledger has something of that was learned.
fn learned(proxy: &Proxy) -> i64 {
    let read_only = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let ledger = rusqlite::Connection::open_with_flags(proxy.path("state/ledger.sqlite"), read_only).unwrap();
    ledger.query_row("SELECT count(*) FROM kept WHERE room = 'learned'", [], |row| row.get(0)).unwrap()
}
