//! A new version that gets a growing share of the requests: one that is good, one that fails, one that is slow, and what people say of it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Origin, Proxy, wait_until};

/// A canary `next` of `stable` by this plan; who a client is, is told by a header.
fn toml(plan: &str, [stable, next]: [&Origin; 2]) -> String {
    let mut toml = format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\n[[listener.route]]\nsplit_by = \"header:x-user\"\n\
         canary = {{ service = \"next\", stable = \"stable\", {plan} }}\n"
    );
    for (name, origin) in [("stable", stable), ("next", next)] {
        let _ = write!(toml, "[[service.{name}.backend]]\naddress = \"{}\"\n", origin.address());
    }
    toml
}

/// The answers to requests of these users, in their order.
fn ask(client: &mut Client, users: impl Iterator<Item = usize>) -> Vec<(u16, String)> {
    let (users, mut answers): (Vec<usize>, _) = (users.collect(), Vec::new());
    for some in users.chunks(50) {
        // one after the other would take a wake-up of three processes for each
        let requests = some.iter().map(|user| format!("GET / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n"));
        client.send(requests.collect::<String>());
        answers.extend(some.iter().map(|_| {
            let answer = client.response();
            (answer.status, answer.text())
        }));
    }
    answers
}

fn canary(proxy: &Proxy) -> Value {
    serde_json::from_str(&proxy.admin("/api/v1/services/next/canary").unwrap().text()).unwrap()
}

fn say(proxy: &Proxy, word: &str) -> Value {
    let answer = proxy.admin_call("POST", &format!("/api/v1/services/next/canary/{word}"), "").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

/// The kinds of events that tell of the canary.
fn told(proxy: &Proxy) -> Vec<String> {
    let text = proxy.admin("/api/v1/events").unwrap().text();
    let events: Value = serde_json::from_str(&text).unwrap();
    let events = events["events"].as_array().or(events.as_array()).unwrap();
    let kinds = events.iter().map(|event| event["kind"].as_str().unwrap().to_owned());
    kinds.filter(|kind| kind.starts_with("canary_")).collect()
}

/// Asks until the canary is back; gives back how many requests there were, and how many of them it answered.
fn until_back(proxy: &Proxy, is_its: impl Fn(&(u16, String)) -> bool) -> (usize, usize) {
    let (mut client, mut all, mut its) = (proxy.client(), 0, 0);
    wait_until("the canary is back", || {
        let answers = ask(&mut client, all..all + 20);
        all += answers.len();
        its += answers.iter().filter(|answer| is_its(answer)).count();
        canary(proxy)["stage"] == "back"
    });
    let after = ask(&mut client, 0..500);
    assert!(!after.iter().any(is_its), "it gets nothing any more");
    (all, its)
}

#[test]
fn a_canary_that_fails_is_sent_back_by_itself_and_costs_its_share_at_most() {
    let next = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nnext");
    let origins = [&Origin::saying("stable"), &next];
    let proxy = Proxy::start(&toml("steps = [\"5%\", \"100%\"], every = \"1h\"", origins));
    let (all, its) = until_back(&proxy, |(status, _)| *status == 500);
    // six standard deviations of as many draws
    let (due, most) = (all as f64 * 0.05, 6.0 * (all as f64 * 0.05 * 0.95).sqrt());
    assert!((its as f64) <= due + most, "{its} of {all}");
    let canary = canary(&proxy);
    assert_eq!((&canary["share"], &canary["steps"]), (&json!(0.0), &json!([0.05, 1.0])));
    assert!(canary["reason"].as_str().unwrap().contains("requests failed"), "{canary}");
    assert_eq!(told(&proxy), ["canary_step", "canary_back"]);
    assert_eq!(proxy.status()["services"]["next"]["canary"]["stage"], "back");
    assert_eq!(proxy.metric("evenkeel_canary_share{canary=\"next\",service=\"stable\"}"), 1);
    assert_eq!(proxy.metric("evenkeel_canary_share{canary=\"next\",service=\"next\"}"), 0);
}

#[test]
fn a_canary_that_is_slow_is_sent_back_by_itself() {
    let origins = [&Origin::saying("stable"), &Origin::ok_after(Duration::from_millis(60))];
    let proxy = Proxy::start(&toml("steps = [\"5%\"], every = \"1h\"", origins));
    until_back(&proxy, |(_, text)| text == "ok");
    assert!(canary(&proxy)["reason"].as_str().unwrap().contains("answers take"), "{}", canary(&proxy));
}

#[test]
fn a_canary_that_hangs_is_sent_back_by_itself() {
    let origins = [&Origin::saying("stable"), &Origin::silent()];
    let proxy = Proxy::start(&toml("steps = [\"20%\"], every = \"1h\", stop_on = [\"errors\"]", origins));
    // each on a connection of its own, as those that hang hold theirs up
    let mut asking: Vec<Client> = Vec::new();
    wait_until("the canary is back", || {
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-User: {}\r\n\r\n", asking.len()));
        asking.push(client);
        canary(&proxy)["stage"] == "back"
    });
    let mut client = proxy.client();
    assert!(ask(&mut client, 0..200).iter().all(|(status, text)| (*status, &**text) == (200, "stable")));
}

#[test]
fn a_good_canary_arrives_and_no_client_changes_sides_but_towards_it() {
    let origins = [&Origin::saying("stable"), &Origin::saying("next")];
    let plan = "steps = [\"10%\", \"50%\", \"100%\"], every = \"1500ms\", min_requests = 10, stop_on = [\"errors\"]";
    let proxy = Proxy::start(&toml(plan, origins));
    let (mut client, mut sides) = (proxy.client(), HashMap::new());
    let mut look = |client: &mut Client| {
        for (user, (status, side)) in ask(client, 0..300).into_iter().enumerate() {
            assert_eq!(status, 200);
            let before = sides.insert(user, side.clone());
            assert!(before.as_deref() != Some("next") || side == "next", "{user} has gone back");
        }
        sides.values().filter(|side| *side == "next").count()
    };
    wait_until("it has arrived", || {
        look(&mut client);
        canary(&proxy)["stage"] == "arrived"
    });
    assert_eq!(look(&mut client), 300);
    assert_eq!(told(&proxy), ["canary_step", "canary_step", "canary_step", "canary_arrived"]);
}

#[test]
fn what_a_person_says_of_a_canary_holds_over_reloads_and_restarts() {
    let origins = [&Origin::saying("stable"), &Origin::saying("next")];
    let plan = |step: &str| toml(&format!("steps = [\"{step}\", \"100%\"], every = \"1h\""), origins);
    let mut proxy = Proxy::start(&plan("50%"));
    let its = |proxy: &Proxy| ask(&mut proxy.client(), 0..200).iter().filter(|(_, text)| text == "next").count();
    assert!((50..150).contains(&its(&proxy)), "as of the first request");
    let target = "/api/v1/services/next/canary/back";
    assert_eq!(proxy.admin_call("POST", target, "{\"why\":\"x\"}").unwrap().status, 400);
    let answer = proxy.admin_call("POST", target, "{\"reason\":\"it looks odd\"}").unwrap();
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.starts_with("sent back by ") && reason.ends_with(" (it looks odd)"), "{reason}");
    assert_eq!((&answer["stage"], &answer["kept"]), (&json!("back"), &json!(true)));
    assert_eq!(its(&proxy), 0, "as of its answer");
    assert_eq!(proxy.reload(&(plan("50%") + "[service.next]\nbalance = \"round_robin\"\n")).status, 200);
    assert_eq!(its(&proxy), 0);
    proxy.kill_and_start();
    assert_eq!(its(&proxy), 0, "as of the first request");
    assert_eq!(say(&proxy, "start")["share"], 0.5);
    assert_eq!(say(&proxy, "promote")["stage"], "arrived");
    assert_eq!(its(&proxy), 200);
    assert_eq!(proxy.reload(&plan("1%")).status, 200);
    assert_eq!(
        (&canary(&proxy)["stage"], &canary(&proxy)["share"]),
        (&json!("stepping"), &json!(0.01)),
        "another plan"
    );
    let nothing = proxy.admin_call("POST", "/api/v1/services/stable/canary/back", "").unwrap();
    assert_eq!(nothing.status, 409);
    assert!(nothing.text().contains("no route has a canary"), "{}", nothing.text());
    assert_eq!(proxy.admin("/api/v1/services/x/canary").unwrap().status, 404);
}
