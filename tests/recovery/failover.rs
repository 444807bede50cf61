//! Work that is sent elsewhere and comes home again, and paths that are cut off.

use crate::fleet::{BRIEF, Fleet};
use crate::support::{Origin, Proxy};
use crate::{attempts, backend, command_line, is_kept, kinds, send, wait_for_attempt, wait_for_event, wait_until};

/// With few requests it takes as long to see whether a failover has helped.
const WITHIN: &str = "within = \"3s\"\n";

/// A failover to the backups, which lasts until those that failed have been well for so long.
fn to_backups(back_after: &str) -> String {
    format!("[[service.api.recover]]\nstrategy = \"failover\"\nback_after = \"{back_after}\"\n{WITHIN}{BRIEF}")
}

fn status(proxy: &Proxy) -> serde_json::Value {
    proxy.status()["services"]["api"].clone()
}

/// Sends requests until ten in a row were all served by primaries; how many were lost meanwhile.
///
/// Each worker learns of the end of a failover a moment after it is told, so the first of them may still go to the
/// backup.
fn lost_until_home(fleet: &Fleet, proxy: &Proxy) -> usize {
    let mut lost = 0;
    wait_until("the backup gets no more work", || {
        let before = fleet.work_of("backup");
        lost += send(proxy, 10);
        fleet.work_of("backup") == before
    });
    lost
}

/// A service with a backup whose primaries have died, and whose work the failover has sent to the backup.
fn failed_over(fleet: &Fleet, back_after: &str) -> Proxy {
    let proxy = Proxy::start(&fleet.config(&to_backups(back_after)));
    assert_eq!((send(&proxy, 4), fleet.work_of("backup")), (0, 0));
    fleet.kill("a");
    fleet.kill("b");
    wait_for_attempt(&proxy, "it is in force", |attempt| attempt["in_force"] == true);
    proxy
}

#[test]
fn the_work_of_primaries_that_have_died_is_done_by_the_backups_until_they_have_been_well_for_a_while() {
    let fleet = Fleet::of(&["a", "b", "backup"]);
    let proxy = failed_over(&fleet, "300ms");
    let attempt = &attempts(&proxy)[0];
    // the fault of the first that died or that of the service: whichever was old enough first
    assert_eq!(attempt["strategy"], "failover", "{attempt}");
    assert_eq!(status(&proxy)["detour"]["to"], "backups", "{}", status(&proxy));
    assert_eq!(send(&proxy, 10), 0);
    let in_force = "evenkeel_recovery_in_force{service=\"api\",strategy=\"failover\"}";
    proxy.wait_for_metrics(&format!("{in_force} 1"));
    fleet.revive("a");
    fleet.revive("b");
    let mut lost = 0;
    wait_until("all of it is home", || {
        lost += send(&proxy, 1);
        status(&proxy)["detour"].is_null()
    });
    wait_for_event(&proxy, "recovery_released");
    assert_eq!((lost, lost_until_home(&fleet, &proxy)), (0, 0));
    proxy.wait_for_metrics(&format!("{in_force} 0"));
}

#[test]
fn a_failover_goes_on_after_a_crash_and_an_operator_can_take_it_back() {
    let fleet = Fleet::of(&["a", "b", "backup"]);
    let mut proxy = failed_over(&fleet, "1h");
    wait_until("it is on the disk", || is_kept(&proxy, "in_force = 1"));
    proxy.kill_and_start();
    wait_until("it is in force", || status(&proxy)["detour"]["to"] == "backups");
    assert_eq!(send(&proxy, 10), 0);
    let id = attempts(&proxy)[0]["id"].to_string();
    fleet.revive("a");
    fleet.revive("b");
    wait_until("the primaries are well", || ["a", "b"].iter().all(|id| backend(&proxy, id)["state"] == "up"));
    assert_eq!(command_line(&proxy, &["undo", &id]).0, Some(0));
    wait_for_event(&proxy, "recovery_undone");
    assert!(status(&proxy)["detour"].is_null(), "{}", status(&proxy));
    assert_eq!(lost_until_home(&fleet, &proxy), 0);
}

#[test]
fn the_work_goes_to_another_service_that_has_a_usable_backend() {
    let (fleet, other) = (Fleet::of(&["a"]), Origin::saying("other"));
    let to_other = format!(
        "[[service.api.recover]]\nstrategy = \"failover\"\nto = \"service:other\"\nback_after = \"300ms\"\n{WITHIN}{BRIEF}\
         [service.other]\n[[service.other.backend]]\naddress = \"{}\"\n",
        other.address()
    );
    let proxy = Proxy::start(&fleet.config(&to_other));
    assert_eq!(proxy.client().get("/x").text(), "ok");
    fleet.kill("a");
    wait_for_attempt(&proxy, "it is in force", |attempt| attempt["in_force"] == true);
    assert_eq!(status(&proxy)["detour"]["to"], "service:other", "{}", status(&proxy));
    assert_eq!(proxy.client().get("/x").text(), "other");
    fleet.revive("a");
    wait_until("some of it comes home", || proxy.client().get("/x").text() == "ok");
}

#[test]
fn no_request_is_lost_when_an_operator_disables_all_primaries_and_nothing_is_repaired() {
    let fleet = Fleet::of(&["a", "b", "backup"]);
    let proxy = Proxy::start(&fleet.config(&to_backups("1h")));
    assert_eq!(send(&proxy, 4), 0);
    for id in ["a", "b"] {
        assert_eq!(proxy.command("disable", id), 200);
        assert_eq!(send(&proxy, 5), 0);
    }
    wait_until("the backup does the work", || send(&proxy, 1) == 0 && fleet.work_of("backup") > 0);
    assert!(attempts(&proxy).is_empty());
}

#[test]
fn a_path_that_is_cut_off_is_answered_at_once_for_a_while_and_nothing_else_is() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let cut = "[[service.api.recover]]\nstrategy = \"circuit_break\"\non = [\"unresponsive\"]\npath = \"/search/\"\n\
               open_for = \"3s\"\nattempts = 1\n";
    let proxy = Proxy::start(&fleet.config(&(cut.to_owned() + BRIEF)));
    assert_eq!(proxy.client().get("/search/x").status, 200);
    fleet.kill("a");
    wait_for_event(&proxy, "recovery_acted");
    // workers learn of it a moment after it is told
    wait_until("it is in force", || proxy.client().get("/search/x").status == 503);
    let sent = fleet.work_of("b") + fleet.work_of("c");
    let answer = proxy.client().get("/search/x");
    assert!(answer.field("retry-after").unwrap().parse::<u64>().unwrap() <= 3);
    let proxy_status = answer.field("proxy-status").unwrap();
    assert!(proxy_status.contains("destination_unavailable"), "{proxy_status}");
    assert_eq!(status(&proxy)["cuts"][0]["path"], "/search/", "{}", status(&proxy));
    assert_eq!(fleet.work_of("b") + fleet.work_of("c"), sent);
    assert_eq!((proxy.client().get("/x").status, proxy.client().get("/searches").status), (200, 200));
    fleet.revive("a");
    wait_until("it is over", || proxy.client().get("/search/x").status == 200);
    assert!(status(&proxy)["cuts"].as_array().unwrap().is_empty());
    assert_eq!(kinds(&proxy)[..2], ["recovery_began", "recovery_acted"]);
}
