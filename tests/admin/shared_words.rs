//! What operators say to one instance holds at all of them.

use serde_json::{Value, json};

use crate::operators::{say, stands};
use crate::support::{Etcd, Origin, Proxy, backend, config, wait_until};

const KEY: &str = "/evenkeel/shared/words/backend/api/a";
const WEIGHT: &str = "/evenkeel/shared/words/weight/api/a";

struct Scene {
    etcd: Etcd,
    origins: [Origin; 2],
}

impl Scene {
    fn new() -> Self {
        Self { etcd: Etcd::start(), origins: [Origin::saying("a"), Origin::saying("b")] }
    }

    /// The configuration of an instance with these of the two backends.
    fn toml(&self, name: &str, ids: &[&str]) -> String {
        let named = |id: &&str| {
            let at = if *id == "a" { 0 } else { 1 };
            format!("{}id = \"{id}\"\n", backend(self.origins[at].address()))
        };
        let backends: String = ids.iter().map(named).collect();
        let cluster = format!(
            "[cluster]\nname = \"{name}\"\nshare = true\nelect = {{ etcd = [\"{}\"], ttl = \"6s\" }}\n",
            self.etcd.url()
        );
        let sla = "[service.api.sla]\ntier = \"standard\"\n";
        format!("[server]\nworkers = 1\n{}{backends}{sla}{cluster}", config("", "", &[]))
    }

    fn instance(&self, name: &str) -> Proxy {
        let proxy = Proxy::start(&self.toml(name, &["a", "b"]));
        wait_until("it has read what is shared", || cluster(&proxy)["shared"]["synced"] == true);
        proxy
    }
}

fn cluster(proxy: &Proxy) -> Value {
    serde_json::from_str(&proxy.admin("/api/v1/cluster").unwrap().text()).unwrap()
}

fn events(proxy: &Proxy, kind: &str) -> Vec<Value> {
    let all = proxy.admin(&format!("/api/v1/events?kind={kind}&limit=10000")).unwrap().text();
    serde_json::from_str::<Vec<Value>>(&all).unwrap()
}

fn state(proxy: &Proxy) -> String {
    stands(proxy).0
}

fn follows(proxy: &Proxy, wanted: &str) {
    wait_until(&format!("it stands as {wanted}"), || state(proxy) == wanted);
}

#[test]
fn what_is_said_to_one_holds_at_all_and_is_put_once() {
    let scene = Scene::new();
    let (one, two) = (scene.instance("one"), scene.instance("two"));
    let (status, answer) = say(&one, "/drain", &json!({ "reason": "a new disk" }));
    assert_eq!((status, &answer["shared"], &answer["kept"]), (200, &json!(true), &json!(true)), "{answer}");
    follows(&two, "draining");
    let reason = stands(&two).2;
    assert!(reason.starts_with("a new disk (by ") && reason.contains(" at one"), "{reason}");
    let told = &events(&two, "operator")[0]["cause"];
    assert_eq!(
        (&told["command"], &told["instance"], &told["reason"]),
        (&json!("drain"), &json!("one"), &json!("a new disk"))
    );
    let word = &cluster(&two)["words"][0];
    assert_eq!(
        (&word["backend"], &word["instance"], &word["known"]),
        (&json!("a"), &json!("one"), &json!(true)),
        "{word}"
    );
    assert_eq!(say(&two, "", &json!({ "weight": 7 })).1["shared"], true);
    wait_until("the weight is followed", || one.status()["services"]["api"]["backends"][0]["weight"] == 7);
    assert_eq!(say(&two, "/enable", &Value::Null).1["shared"], true);
    follows(&one, "up");
    assert!(scene.etcd.get(KEY).unwrap().0.contains("\"over\""));
    assert!(scene.etcd.get(WEIGHT).is_some());
    // nobody has put again what it has followed
    assert_eq!(scene.etcd.calls("/Txn") - leaders_calls(&scene), 3);
    assert_eq!(events(&one, "operator").len(), 3);
}

/// How often the election has asked for its key.
fn leaders_calls(scene: &Scene) -> usize {
    scene.etcd.takes()
}

#[test]
fn one_that_starts_later_reads_what_was_said_and_one_that_was_restarted_without_etcd_goes_on() {
    let scene = Scene::new();
    let one = scene.instance("one");
    say(&one, "/disable", &json!({ "reason": "smoke" }));
    let mut two = scene.instance("two");
    follows(&two, "disabled");
    wait_until("it is kept", || {
        std::fs::read_to_string(two.path("state/shared-words.json")).is_ok_and(|text| text.contains("smoke"))
    });
    scene.etcd.set_silent(true);
    two.kill_and_start();
    assert_eq!(state(&two), "disabled");
    let told = events(&two, "operator").len();
    scene.etcd.set_silent(false);
    wait_until("it has read what is shared", || cluster(&two)["shared"]["synced"] == true);
    assert_eq!((state(&two), events(&two, "operator").len()), ("disabled".to_owned(), told));
}

#[test]
fn a_word_without_etcd_holds_here_and_is_put_when_it_is_back_unless_a_later_one_is_there() {
    let scene = Scene::new();
    let (one, two) = (scene.instance("one"), scene.instance("two"));
    scene.etcd.set_silent(true);
    let (status, answer) = say(&one, "/drain", &Value::Null);
    assert_eq!((status, &answer["shared"]), (200, &json!(false)));
    assert!(answer["not_shared"].as_str().unwrap().starts_with("it holds at this instance only"), "{answer}");
    assert_eq!((state(&one), state(&two)), ("draining".to_owned(), "up".to_owned()));
    assert_eq!(events(&one, "word_not_shared").len(), 1);
    // the other one is told otherwise later, and that is what holds
    assert_eq!(say(&two, "/disable", &json!({ "reason": "smoke" })).1["shared"], false);
    scene.etcd.set_silent(false);
    follows(&one, "disabled");
    wait_until("nothing waits", || {
        [&one, &two]
            .iter()
            .all(|proxy| cluster(proxy)["shared"] == json!({ "synced": true, "error": null, "words": 1, "waiting": 0 }))
    });
    assert_eq!(state(&two), "disabled");
    assert!(scene.etcd.get(KEY).unwrap().0.contains("smoke"));
}

#[test]
fn what_was_changed_while_the_watch_was_broken_or_compacted_is_followed() {
    let scene = Scene::new();
    let one = scene.instance("one");
    let value =
        |command: &str, at: u32| format!(r#"{{"command":"{command}","who":"ops","instance":"x","at_ms":{at}}}"#);
    scene.etcd.put(KEY, &value("drain", 1));
    follows(&one, "draining");
    scene.etcd.end_watches();
    scene.etcd.put(KEY, &value("disable", 2));
    scene.etcd.compact();
    follows(&one, "disabled");
    scene.etcd.delete(KEY);
    follows(&one, "up");
    let last = events(&one, "operator").into_iter().max_by_key(|event| event["seq"].as_u64()).unwrap();
    assert_eq!(last["cause"]["command"], "enable", "{last}");
}

#[test]
fn what_can_not_be_read_is_told_once_and_ignored() {
    let scene = Scene::new();
    scene.etcd.put(KEY, "{");
    scene.etcd.put("/evenkeel/shared/words/nonsense", "1");
    let one = scene.instance("one");
    scene.etcd.put(KEY, r#"{"command":"sell","who":"ops","instance":"x","at_ms":1}"#);
    wait_until("it is told", || events(&one, "word_unreadable").len() == 3);
    scene.etcd.end_watches();
    assert_eq!(say(&one, "/drain", &Value::Null).1["shared"], true, "it can be replaced");
    assert!(scene.etcd.get(KEY).unwrap().0.contains("drain"));
    assert_eq!(events(&one, "word_unreadable").len(), 3);
}

#[test]
fn a_word_about_a_backend_that_is_not_here_waits_for_it() {
    let scene = Scene::new();
    let one = scene.instance("one");
    let two = Proxy::start(&scene.toml("two", &["b"]));
    say(&one, "/drain", &Value::Null);
    wait_until("the word is known", || cluster(&two)["words"].as_array().is_some_and(|words| words.len() == 1));
    assert_eq!(cluster(&two)["words"][0]["known"], false);
    assert_eq!(two.reload(&scene.toml("two", &["a", "b"])).status, 200);
    assert_eq!(state(&two), "draining");
}

#[test]
fn maintenance_follows_and_ends_everywhere() {
    let scene = Scene::new();
    let (one, two) = (scene.instance("one"), scene.instance("two"));
    let path = "/api/v1/services/api/maintenance";
    let shown = |proxy: &Proxy| serde_json::from_str::<Value>(&proxy.admin(path).unwrap().text()).unwrap();
    let answer = one.admin_call("POST", path, r#"{ "minutes": 30, "reason": "new disks" }"#).unwrap().text();
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["shared"], true, "{answer}");
    wait_until("it has begun", || shown(&two)["reason"] == "new disks");
    assert_eq!(shown(&two)["until"], shown(&one)["until"]);
    assert_eq!(two.admin_call("DELETE", path, "").unwrap().status, 200);
    wait_until("it has ended", || shown(&one).is_null());
}

#[test]
fn a_backend_that_the_leader_repairs_gets_no_work_from_the_others_until_its_lease_ends() {
    let scene = Scene::new();
    let one = scene.instance("one");
    let by = |name: &str, token: u32, backend: &str| {
        let repair = json!({ "service": "api", "backend": backend, "reason": "restart: attempt 1" });
        scene.etcd.put(
            &format!("/evenkeel/shared/instances/{name}"),
            &json!({ "token": token, "repairs": [repair] }).to_string(),
        );
    };
    by("two", 7, "a");
    wait_until("it gets no work", || stands(&one).0 == "draining" && stands(&one).1 == "recovery");
    assert_eq!(stands(&one).2, "restart: attempt 1, by two");
    by("three", 9, "b");
    follows(&one, "up");
    scene.etcd.delete("/evenkeel/shared/instances/three");
    follows(&one, "draining");
    scene.etcd.delete("/evenkeel/shared/instances/two");
    follows(&one, "up");
}

#[test]
fn a_suspicion_of_others_is_shown_and_nothing_is_done_for_it() {
    let scene = Scene::new();
    let one = scene.instance("one");
    let verdict = json!({ "service": "api", "backend": "a", "fault": "unresponsive", "confidence": 1.0, "since": "2026-01-01T00:00:00.000Z" });
    for name in ["two", "three", "four"] {
        let said = json!({ "verdicts": [verdict] }).to_string();
        scene.etcd.put(&format!("/evenkeel/shared/instances/{name}"), &said);
    }
    wait_until("it is shown", || cluster(&one)["instances"].as_array().unwrap().len() == 3);
    assert_eq!(cluster(&one)["instances"][0]["verdicts"][0]["fault"], "unresponsive");
    // a word that comes behind them has been followed: they have been heard for long
    scene.etcd.put(WEIGHT, r#"{"command":"weight","weight":3,"who":"ops","instance":"x","at_ms":1}"#);
    wait_until("the weight is followed", || one.status()["services"]["api"]["backends"][0]["weight"] == 3);
    assert_eq!(state(&one), "up");
    assert_eq!(events(&one, "fault_raised").len(), 0);
}
