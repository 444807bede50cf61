//! Of several instances, one is elected to repair what they have in common.

use serde_json::{Value, json};

use crate::fleet::{BRIEF, Fleet, NOTE, REPAIR, lives};
use crate::support::{Etcd, Proxy};
use crate::{get, send, wait_for_attempt, wait_for_brake, wait_for_outcome, wait_until};

const RESTART: &str = "strategy = \"restart\"\nwithin = \"20s\"";

/// A command that notes its token, and hangs with a child.
const HANGS: &str = "echo $EVENKEEL_FENCING_TOKEN >> $DIR/ran; sleep 600 & echo $! > $DIR/child; echo $$ > $DIR/pid.new; \
    mv $DIR/pid.new $DIR/pid; trap '' TERM; wait; wait";

/// Leases that do not run out while a test lasts, however slow the machine is.
const LONG: &str = "60s";

/// Leases that a test waits for.
const SHORT: &str = "6s";

/// An instance in front of the fleet.
fn instance(name: &str, etcd: &Etcd, fleet: &Fleet, script: &str) -> Proxy {
    instance_with(LONG, name, etcd, fleet, script)
}

/// The same with leases of this time.
fn instance_with(ttl: &str, name: &str, etcd: &Etcd, fleet: &Fleet, script: &str) -> Proxy {
    Proxy::start(&(cluster(name, etcd, ttl) + &fleet.config(&(fleet.strategy(RESTART, script) + BRIEF))))
}

fn cluster(name: &str, etcd: &Etcd, ttl: &str) -> String {
    format!(
        "cluster = {{ name = \"{name}\", zone = \"z\", elect = {{ etcd = [\"{}\"], ttl = \"{ttl}\" }} }}\n",
        etcd.url()
    )
}

/// How the instance stands.
fn standing(proxy: &Proxy) -> Value {
    get(proxy, "/api/v1/cluster")
}

fn wait_until_it_leads(proxy: &Proxy) -> i64 {
    wait_until("it leads", || standing(proxy)["leader"] == true);
    standing(proxy)["token"].as_i64().unwrap()
}

/// How often the proxy has told this.
fn told(proxy: &Proxy, kind: &str) -> usize {
    let all = get(proxy, "/api/v1/events?limit=10000");
    all.as_array().unwrap().iter().filter(|event| event["kind"] == kind).count()
}

#[test]
fn only_the_leader_repairs_and_its_command_gets_the_fencing_token() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a", "b", "c"]));
    let script = format!("{REPAIR}; echo $EVENKEEL_FENCING_TOKEN > $DIR/token");
    let leader = instance("one", &etcd, &fleet, &script);
    let token = wait_until_it_leads(&leader);
    let follower = instance("two", &etcd, &fleet, NOTE);
    wait_until("it knows who leads", || standing(&follower)["leader_name"] == "one");
    fleet.kill("a");
    let brake = wait_for_brake(&follower, "not_leader");
    assert_eq!(brake["cause"]["why"], "restart: one is the leader");
    let done = wait_for_outcome(&leader, "healed");
    assert_eq!(fleet.ran(), ["restart a"], "{done}");
    wait_until("it has noted its token", || fleet.path("token").exists());
    assert_eq!(std::fs::read_to_string(fleet.path("token")).unwrap().trim(), token.to_string());
    assert_eq!(crate::attempts(&follower), Vec::<Value>::new());
    // the value says who it is, and the token is the revision at which the key was made
    let (value, created) = etcd.get("/evenkeel/leader").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&value).unwrap(), json!({ "name": "one", "zone": "z" }));
    assert_eq!(created, u64::try_from(token).unwrap());
    let shown = &leader.status()["cluster"];
    assert_eq!((&shown["name"], &shown["leader"], &shown["token"]), (&json!("one"), &json!(true), &json!(token)));
    assert!(shown["until_ms"].as_u64().unwrap() <= 48_000);
    assert_eq!((leader.metric("evenkeel_leader"), follower.metric("evenkeel_leader")), (1, 0));
    assert_eq!((told(&leader, "leadership_gained"), told(&follower, "leadership_gained")), (1, 0));
}

#[test]
fn another_leads_with_a_higher_token_when_the_leader_is_killed_and_repairs_what_it_left() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a", "b", "c"]));
    let mut leader = instance_with(SHORT, "one", &etcd, &fleet, HANGS);
    let token = wait_until_it_leads(&leader);
    let follower = instance_with(SHORT, "two", &etcd, &fleet, REPAIR);
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    leader.signal("KILL");
    leader.wait();
    let next = wait_until_it_leads(&follower);
    assert!(next > token, "{next} after {token}");
    wait_for_outcome(&follower, "healed");
    assert!(!lives(fleet.pid("child").unwrap()));
}

#[test]
fn a_leader_that_is_told_to_end_gives_its_leadership_back() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a", "b", "c"]));
    let mut leader = instance("one", &etcd, &fleet, NOTE);
    wait_until_it_leads(&leader);
    let follower = instance("two", &etcd, &fleet, NOTE);
    wait_until("it knows who leads", || standing(&follower)["leader_name"] == "one");
    leader.signal("TERM");
    assert!(leader.wait().success());
    wait_until_it_leads(&follower);
    assert_eq!(etcd.calls("/LeaseRevoke"), 1);
}

#[test]
fn a_leader_that_was_stopped_has_its_command_killed_meanwhile_and_does_nothing_when_it_wakes() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a", "b", "c"]));
    let leader = instance_with(SHORT, "one", &etcd, &fleet, HANGS);
    let token = wait_until_it_leads(&leader);
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    leader.signal("STOP");
    for name in ["pid", "child"] {
        let pid = fleet.pid(name).unwrap();
        wait_until(&format!("{name} is killed while the proxy is stopped"), || !lives(pid));
    }
    assert!(etcd.get("/evenkeel/leader").is_some(), "the lease has not run out yet");
    let other = instance_with(SHORT, "two", &etcd, &fleet, NOTE);
    let next = wait_until_it_leads(&other);
    assert!(next > token);
    let acts = || fleet.ran().into_iter().filter(|line| *line == token.to_string()).count();
    let before = acts();
    leader.signal("CONT");
    let unknown = wait_for_outcome(&leader, "unknown");
    assert!(unknown["lesson"].as_str().unwrap().contains("leadership was lost"), "{unknown}");
    wait_until("it knows who leads", || standing(&leader)["leader_name"] == "two");
    wait_for_brake(&leader, "not_leader");
    wait_until("the other one repairs", || fleet.ran().iter().any(|line| line == "restart a"));
    assert_eq!(acts(), before, "it has done nothing since it woke");
    assert!(told(&leader, "leadership_lost") > 0);
}

#[test]
fn without_etcd_the_traffic_goes_on_and_nothing_is_repaired_and_that_is_told_once() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a", "b", "c"]));
    let leader = instance_with(SHORT, "one", &etcd, &fleet, HANGS);
    wait_until_it_leads(&leader);
    fleet.kill("a");
    wait_until("its command runs", || fleet.pid("pid").is_some());
    let told_before = told(&leader, "election_failed");
    etcd.set_silent(true);
    let unknown = wait_for_outcome(&leader, "unknown");
    // the kernel may take a moment to end what it was told to kill
    let pid = fleet.pid("pid").unwrap();
    wait_until(&format!("the command is dead: {unknown}"), || !lives(pid));
    wait_for_brake(&leader, "not_leader");
    wait_until("it is told", || told(&leader, "election_failed") > told_before);
    assert_eq!(send(&leader, 20), 0);
    assert!(standing(&leader)["why_not"].as_str().unwrap().contains("etcd does not answer"));
    let (ran, calls) = (fleet.ran().len(), etcd.calls("/Range"));
    wait_until("it asks again and again", || etcd.calls("/Range") > calls + 3);
    assert_eq!(
        (told(&leader, "election_failed"), fleet.ran().len()),
        (told_before + 1, ran),
        "once, and nothing is done"
    );
    etcd.set_silent(false);
    wait_until_it_leads(&leader);
    wait_until("it is told", || told(&leader, "election_recovered") > 0);
    wait_until("it repairs again", || fleet.ran().len() > ran);
}

#[test]
fn a_reload_takes_the_election_away_and_brings_it_back() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a", "b", "c"]));
    let plain = fleet.config(&(fleet.strategy(RESTART, REPAIR) + BRIEF));
    let proxy = Proxy::start(&plain);
    assert_eq!((standing(&proxy)["elected"].clone(), standing(&proxy)["leader"].clone()), (json!(false), json!(true)));
    assert_eq!(proxy.reload(&(cluster("one", &etcd, LONG) + &plain)).status, 200);
    let token = wait_until_it_leads(&proxy);
    assert!(token > 0);
    // the same section again changes nothing
    assert_eq!(proxy.reload(&(cluster("one", &etcd, LONG) + &plain + "\n[metrics]\nmax_backends = 7\n")).status, 200);
    assert_eq!((standing(&proxy)["token"].as_i64(), etcd.calls("/LeaseGrant")), (Some(token), 1));
    assert_eq!(proxy.reload(&plain).status, 200);
    assert_eq!(standing(&proxy)["elected"], false);
    wait_until("the key is given back", || etcd.get("/evenkeel/leader").is_none());
    fleet.kill("a");
    wait_for_attempt(&proxy, "it repairs", |attempt| attempt["outcome"] == "healed");
}

#[test]
fn a_password_is_shown_where_etcd_asks_for_it() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a"]));
    etcd.set_password("edge", "s3cret");
    fleet.dir.file("password", "s3cret\n");
    let elect = format!("etcd = [\"{}\"], user = \"edge\", password_file = {:?}", etcd.url(), fleet.path("password"));
    let proxy = Proxy::start(&(format!("cluster.elect = {{ {elect} }}\n") + &fleet.config("")));
    wait_until_it_leads(&proxy);
    assert_eq!(etcd.calls("/Authenticate"), 1);
    assert!(!get(&proxy, "/api/v1/config").to_string().contains("s3cret"));
}

#[test]
fn the_next_member_is_asked_when_one_does_not_answer() {
    let (gone, etcd, fleet) = (Etcd::start(), Etcd::start(), Fleet::of(&["a"]));
    gone.set_silent(true);
    let elect = format!("etcd = [\"{}\", \"{}\"], ttl = \"6s\"", gone.url(), etcd.url());
    let proxy = Proxy::start(&(format!("cluster.elect = {{ {elect} }}\n") + &fleet.config("")));
    wait_until_it_leads(&proxy);
}

/// An instance that shows this password.
fn instance_with_password(etcd: &Etcd, fleet: &Fleet) -> Proxy {
    fleet.dir.file("password", "s3cret\n");
    let elect = format!("etcd = [\"{}\"], user = \"edge\", password_file = {:?}", etcd.url(), fleet.path("password"));
    Proxy::start(&(format!("cluster.elect = {{ {elect}, ttl = \"3s\" }}\n") + &fleet.config("")))
}

#[test]
fn a_token_that_is_no_good_any_more_is_replaced_whatever_etcd_says_of_it() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a"]));
    etcd.set_password("edge", "s3cret");
    let proxy = instance_with_password(&etcd, &fleet);
    wait_until_it_leads(&proxy);
    for (status, words) in [
        // a member that was started anew, or five minutes without a call
        (16, "etcdserver: invalid auth token"),
        // a token of the kind JWT, after a user or a role was changed
        (3, "etcdserver: revision of auth store is old"),
    ] {
        let (kept, shown) = (etcd.calls("/LeaseKeepAlive"), etcd.calls("/Authenticate"));
        etcd.forget_tokens(status, words);
        wait_until(words, || etcd.calls("/LeaseKeepAlive") > kept + 3);
        assert_eq!(etcd.calls("/Authenticate"), shown + 1, "{words}");
        wait_until_it_leads(&proxy);
    }
}

#[test]
fn users_may_be_turned_on_and_off_in_etcd() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a"]));
    let proxy = instance_with_password(&etcd, &fleet);
    wait_until_it_leads(&proxy);
    etcd.set_password("edge", "s3cret");
    let kept = etcd.calls("/LeaseKeepAlive");
    wait_until("it shows its password", || etcd.calls("/LeaseKeepAlive") > kept + 3);
    wait_until_it_leads(&proxy);
    etcd.disable_users();
    etcd.forget_tokens(16, "etcdserver: invalid auth token");
    let kept = etcd.calls("/LeaseKeepAlive");
    wait_until("it goes on", || etcd.calls("/LeaseKeepAlive") > kept + 3);
    wait_until_it_leads(&proxy);
}

#[test]
fn a_member_that_can_not_do_it_is_left_for_the_next_one() {
    for (status, words) in [
        (9, "etcdserver: rpc not supported for learner"),
        (12, "unknown service etcdserverpb.KV"),
        (15, "etcdserver: corrupt cluster"),
    ] {
        let (learner, etcd, fleet) = (Etcd::start(), Etcd::start(), Fleet::of(&["a"]));
        learner.refuse(status, words);
        let elect = format!("etcd = [\"{}\", \"{}\"], ttl = \"6s\"", learner.url(), etcd.url());
        let proxy = Proxy::start(&(format!("cluster.elect = {{ {elect} }}\n") + &fleet.config("")));
        wait_until_it_leads(&proxy);
        assert!(etcd.get("/evenkeel/leader").is_some(), "{words}");
    }
}

#[test]
fn a_watch_that_etcd_ends_is_not_asked_for_again_and_again() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a"]));
    etcd.refuse_watches();
    let proxy = Proxy::start(&(cluster("one", &etcd, SHORT) + &fleet.config("")));
    wait_until_it_leads(&proxy);
    wait_until("it has renewed its lease", || etcd.calls("/LeaseKeepAlive") > 1);
    let (watches, renewals) = (etcd.calls("/Watch"), etcd.calls("/LeaseKeepAlive"));
    // with pauses that grow to a sixth of the lease there are seven at first, and then two for each renewal
    assert!(watches <= 7 + 3 * renewals, "{watches} watches during {renewals} renewals");
}

#[test]
fn an_etcd_that_was_restored_from_an_old_copy_makes_nobody_act_with_a_lower_token() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a"]));
    etcd.go_to_revision(1_000);
    let proxy = Proxy::start(&(cluster("one", &etcd, SHORT) + &fleet.config("")));
    assert!(wait_until_it_leads(&proxy) > 1_000);
    etcd.go_to_revision(7);
    etcd.delete("/evenkeel/leader");
    wait_until("it says why", || {
        standing(&proxy)["why_not"].as_str().is_some_and(|why| why.contains("revisions have gone back"))
    });
    assert_eq!(standing(&proxy)["leader"], false);
    etcd.go_to_revision(2_000);
    assert!(wait_until_it_leads(&proxy) > 2_000);
}

#[test]
fn a_key_that_somebody_has_put_without_a_lease_is_said_to_be_nobodys() {
    let (etcd, fleet) = (Etcd::start(), Fleet::of(&["a"]));
    etcd.put("/evenkeel/leader", "{\"name\":\"ops\"}");
    let proxy = Proxy::start(&(cluster("one", &etcd, SHORT) + &fleet.config("")));
    wait_until("it says so", || {
        standing(&proxy)["leader_name"].as_str().is_some_and(|name| name.contains("without a lease"))
    });
    etcd.delete("/evenkeel/leader");
    wait_until_it_leads(&proxy);
}
