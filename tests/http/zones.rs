//! `zones = "prefer"`: what stays in this instance's zone, what spills over, and what becomes of requests when a zone is gone.

use std::collections::BTreeMap;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Origin, Proxy, backend, config, wait_until};

/// Three backends in each of the zones `a`, `b` and `c`, which say their zone; and a proxy in zone `a` with these keys of the listener and of the service.
struct Fleet {
    origins: BTreeMap<&'static str, Vec<Origin>>,
    listener: &'static str,
    keys: String,
}

const ZONES: [&str; 3] = ["a", "b", "c"];

impl Fleet {
    fn new(listener: &'static str, keys: &str) -> Self {
        let origins = ZONES.map(|zone| (zone, (0..3).map(|_| Origin::saying(zone)).collect::<Vec<_>>()));
        Self { origins: origins.into(), listener, keys: keys.to_owned() }
    }

    /// The configuration of an instance in this zone, to whose backends this is added by their names, such as `a0`.
    fn toml(&self, zone: &str, more: impl Fn(&str) -> &'static str) -> String {
        let named = |zone: &str, at: usize, origin: &Origin| {
            let (id, section) = (format!("{zone}{at}"), backend(origin.address()));
            format!("{section}id = \"{id}\"\nzone = \"{zone}\"\n{}\n", more(&id))
        };
        let each = self.origins.iter().flat_map(|(zone, all)| all.iter().enumerate().map(move |it| (*zone, it)));
        let backends: String = each.map(|(zone, (at, origin))| named(zone, at, origin)).collect();
        let service = format!("zones = \"prefer\"\n{}", self.keys);
        config(self.listener, &service, &[]) + &backends + &format!("[cluster]\nzone = \"{zone}\"\n")
    }

    fn start(&self) -> Proxy {
        Proxy::start(&self.toml("a", |_| ""))
    }
}

/// How many of so many requests, each on a connection of its own, each zone answers.
fn answers(proxy: &Proxy, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let answer = proxy.client().get("/x");
        assert_eq!(answer.status, 200);
        *counts.entry(answer.text()).or_default() += 1;
    }
    counts
}

fn of(counts: &BTreeMap<String, usize>, zone: &str) -> usize {
    counts.get(zone).copied().unwrap_or_default()
}

fn shares(proxy: &Proxy) -> Value {
    proxy.status()["services"]["api"]["zones"]["shares"].clone()
}

fn drain(proxy: &Proxy, ids: &[&str]) {
    ids.iter().for_each(|id| assert_eq!(proxy.command("drain", id), 200));
}

/// The sentences of `why`, about the service or one of its backends.
fn why(proxy: &Proxy, backend: &str) -> String {
    let text = proxy.admin(&format!("/api/v1/why?service=api{backend}")).unwrap().text();
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["text"].to_string()
}

#[test]
fn work_stays_in_the_zone_and_spills_over_as_far_as_that_is_weak_which_why_explains() {
    let fleet = Fleet::new("", "");
    let proxy = fleet.start();
    assert_eq!(of(&answers(&proxy, 60), "a"), 60);
    assert_eq!(shares(&proxy), json!({ "a": 1.0, "b": 0.0, "c": 0.0 }));
    assert!(why(&proxy, "").contains("All work stays in this instance's zone a"), "{}", why(&proxy, ""));
    let idle = why(&proxy, "&backend=b0");
    assert!(idle.contains("zone b gets 0 % of the work"), "{idle}");
    drain(&proxy, &["a0", "a1"]);
    // three sevenths of the work
    wait_until("it spills over", || shares(&proxy) == json!({ "a": 0.428, "b": 0.286, "c": 0.286 }));
    let counts = answers(&proxy, 400);
    // 171, 114 and 114 on average; each is off by five times its deviation at most
    assert!(of(&counts, "a").abs_diff(171) < 50, "{counts:?}");
    assert!(ZONES[1..].iter().all(|zone| of(&counts, zone).abs_diff(114) < 46), "{counts:?}");
    let said = why(&proxy, "");
    assert!(said.contains("This instance's zone a has 1 of 3 usable, less than its share: 43 %"), "{said}");
    assert!(said.contains("29 % to zone b (3 of 3 usable)"), "{said}");
    let spilled = why(&proxy, "&backend=b0");
    assert!(spilled.contains("zone b gets 29 % of the work"), "{spilled}");
    let picks = |zone: &str| proxy.metric(&format!("evenkeel_zone_picks_total{{service=\"api\",zone=\"{zone}\"}}"));
    assert_eq!(picks("same") + picks("other"), 460);
    assert!(picks("same") == 60 + of(&counts, "a") as u64, "{counts:?}");
}

#[test]
fn a_reload_can_move_the_instance_to_another_zone() {
    let fleet = Fleet::new("", "");
    let proxy = fleet.start();
    assert_eq!(of(&answers(&proxy, 10), "a"), 10);
    assert_eq!(proxy.reload(&fleet.toml("b", |_| "")).status, 200);
    wait_until("b is its own", || shares(&proxy)["b"] == 1.0);
    assert_eq!(of(&answers(&proxy, 10), "b"), 10);
    assert_eq!(proxy.reload(&fleet.toml("b", |_| "").replace("zones = \"prefer\"", "")).status, 200);
    wait_until("zones are ignored", || proxy.status()["services"]["api"]["zones"].is_null());
    assert_eq!(answers(&proxy, 90).len(), 3);
}

#[test]
fn a_backup_stands_in_only_when_no_zone_has_a_primary_left() {
    let fleet = Fleet::new("", "");
    let proxy = Proxy::start(&fleet.toml("a", |id| if id == "a0" { "backup = true" } else { "" }));
    drain(&proxy, &["a1", "a2"]);
    wait_until("its zone is gone", || shares(&proxy)["a"] == 0.0);
    assert_eq!(of(&answers(&proxy, 40), "a"), 0);
    drain(&proxy, &["b0", "b1", "b2", "c0", "c1", "c2"]);
    wait_until("all primaries are gone", || {
        let mut client = proxy.client();
        client.get("/x").text() == "a"
    });
    assert_eq!(of(&answers(&proxy, 20), "a"), 20);
}

/// One attempt more has to be enough, however many dead backends the zone has: checks that would take them out do not come in time.
const ONE_RETRY: &str =
    "retry = { attempts = 1 }\noutlier = { consecutive_failures = 0, error_rate = 0.0, latency_factor = 0.0 }";

#[test]
fn a_whole_zone_that_is_gone_costs_no_request_before_anybody_knows() {
    let mut fleet = Fleet::new("", ONE_RETRY);
    let proxy = fleet.start();
    fleet.origins.remove("a");
    let counts = answers(&proxy, 200);
    // not all of what leaves one zone falls upon the same other one
    assert!(of(&counts, "b") > 50 && of(&counts, "c") > 50, "{counts:?}");
}

#[test]
fn so_it_is_with_sessions_of_tcp() {
    let mut fleet = Fleet::new("protocol = \"tcp\"\n", ONE_RETRY);
    let proxy = fleet.start();
    assert_eq!(of(&answers(&proxy, 20), "a"), 20);
    let gone: Vec<String> = fleet.origins["a"].iter().map(|origin| origin.address().to_owned()).collect();
    fleet.origins.remove("a");
    // a connection that its kernel has accepted before that would be reset, and a session whose bytes were sent can't begin anew
    wait_until("they are gone", || gone.iter().all(|address| TcpStream::connect(address).is_err()));
    let counts = answers(&proxy, 100);
    assert!(of(&counts, "b") > 20 && of(&counts, "c") > 20, "{counts:?}");
}

#[test]
fn a_request_that_its_zone_has_no_place_for_goes_to_another_one() {
    let (held, cue) = Origin::answering_on_cue();
    let other = Origin::saying("b");
    let named =
        |origin: &Origin, zone: &str| format!("{}id = \"{zone}\"\nzone = \"{zone}\"\n", backend(origin.address()));
    let full = named(&held, "a") + "max_connections = 1\n";
    let toml = config("", "zones = \"prefer\"", &[]) + &full + &named(&other, "b") + "[cluster]\nzone = \"a\"\n";
    let proxy = Proxy::start(&toml);
    let mut first = proxy.client();
    first.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("its zone is full", || held.targets() == ["/held"]);
    assert_eq!(proxy.client().get("/x").text(), "b");
    cue.give();
    assert_eq!(first.response().status, 200);
}
