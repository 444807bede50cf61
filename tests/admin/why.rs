//! Why a backend is in its state, or was; and what algorithms in the shadow would have picked.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Origin, Proxy, backend, config, wait_until};

/// Backends `a`, which fails everything, and `b`, with these keys of the service.
fn failing(keys: &str) -> ([Origin; 2], Proxy) {
    let fails = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    let origins = [Origin::answering(fails), Origin::saying("b")];
    let named = |(origin, id): (&Origin, &str)| format!("{}id = \"{id}\"\n", backend(origin.address()));
    let backends: String = origins.iter().zip(["a", "b"]).map(named).collect();
    let proxy = Proxy::start(&format!("{}{backends}", config("", keys, &[])));
    (origins, proxy)
}

/// Ejected after five failures in a row, and not for how it compares with its peers.
const EJECTS: &str =
    "retry = { attempts = 0 }\noutlier = { consecutive_failures = 5, latency_factor = 0.0, eject_for = \"60s\" }";

fn ask(proxy: &Proxy, query: &str) -> (u16, Value) {
    let answer = proxy.admin(&format!("/api/v1/why?{query}")).unwrap();
    (answer.status, serde_json::from_str(&answer.text()).unwrap())
}

fn why(proxy: &Proxy, query: &str) -> Value {
    let (status, answer) = ask(proxy, query);
    assert_eq!(status, 200, "{answer}");
    answer
}

fn row<'a>(list: &'a Value, name: &str, is: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|row| row[name] == is);
    found.unwrap_or_else(|| panic!("no {is} in {list}"))
}

fn text(answer: &Value) -> String {
    answer["text"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Sends requests until `a` is ejected.
fn eject(proxy: &Proxy) {
    let mut client = proxy.client();
    wait_until("a is ejected", || {
        client.get("/x");
        why(proxy, "service=api&backend=a")["state"] == "ejected"
    });
}

#[test]
fn an_ejected_backend_says_by_which_figures_and_what_other_rules_would_have_done() {
    let (_origins, proxy) = failing(EJECTS);
    let before = why(&proxy, "service=api&backend=a");
    assert_eq!((&before["state"], &before["by"]), (&json!("up"), &json!("configuration")));
    assert!(text(&before).contains("no rule speaks against it"), "{before}");
    eject(&proxy);
    let answer = why(&proxy, "service=api&backend=a");
    assert_eq!(
        (&answer["by"], &answer["backend"], &answer["service"]),
        (&json!("outlier"), &json!("a"), &json!("api"))
    );
    let rules = &answer["rules"];
    let in_a_row = row(rules, "rule", "failures_in_a_row");
    let figure: u32 = in_a_row["figure"].as_str().unwrap().parse().unwrap();
    assert!(figure >= 5, "{in_a_row}");
    assert_eq!(
        (&in_a_row["threshold"], &in_a_row["would"], &in_a_row["holds"]),
        (&json!("5"), &json!("eject"), &json!(true))
    );
    assert_eq!(row(rules, "rule", "checks")["threshold"], "off");
    assert_eq!(row(rules, "rule", "operator")["holds"], false);
    assert!(
        row(rules, "rule", "error_rate")["text"].as_str().unwrap().contains("better ones of its peers fail 0 %"),
        "{rules}"
    );
    let said = text(&answer);
    assert!(said.starts_with("api/a is ejected since "), "{said}");
    assert!(said.contains("What has decided it: failures in a row ("), "{said}");
    assert!(said.contains("No other rule would have taken it out."), "{said}");
    assert!(said.contains("It comes back after "), "{said}");
    assert!(answer["timeline"][0]["kind"].as_str().unwrap().starts_with("backend_ejected"), "{answer}");
    let algorithms = answer["algorithms"].as_array().unwrap();
    assert_eq!(algorithms.len(), 8);
    assert!(algorithms.iter().all(|algorithm| algorithm["share"] == 0.0), "{algorithms:?}");
    let other = why(&proxy, "service=api&backend=b");
    assert_eq!(row(&other["algorithms"], "algorithm", "round_robin")["share"], 1.0, "{other}");
    assert!(row(&other["algorithms"], "algorithm", "consistent_hash")["share"].is_null(), "{other}");
}

#[test]
fn a_time_of_the_past_has_the_record_that_was_in_force() {
    let (_origins, proxy) = failing(EJECTS);
    let start = why(&proxy, "service=api&backend=b")["at"].as_str().unwrap().to_owned();
    eject(&proxy);
    let ejected = why(&proxy, "service=api&backend=a");
    assert_eq!(proxy.command("disable", "a"), 200);
    wait_until("the change is recorded", || {
        let now = why(&proxy, "service=api&backend=a")["at"].as_str().unwrap().to_owned();
        why(&proxy, &format!("service=api&backend=a&at={now}"))["by"] == "operator"
    });
    let since = ejected["since"].as_str().unwrap();
    let then = why(&proxy, &format!("service=api&backend=a&at={since}"));
    assert_eq!((&then["state"], &then["by"]), (&json!("ejected"), &json!("outlier")));
    let in_a_row = row(&then["rules"], "rule", "failures_in_a_row");
    assert!(
        in_a_row["holds"] == true && in_a_row["figure"].as_str().unwrap().parse::<u32>().unwrap() >= 5,
        "{in_a_row}"
    );
    assert!(text(&then).contains("The figures are those of "), "{then}");
    assert_eq!(row(&then["timeline"], "kind", "backend_ejected")["backend"], "a");
    let before = why(&proxy, &format!("service=api&backend=a&at={start}"));
    assert_eq!((&before["state"], &before["rules"]), (&json!("up"), &json!([])), "{before}");
    let unchanged = why(&proxy, &format!("service=api&backend=b&at={start}"));
    assert!(
        unchanged["state"] == "up" && text(&unchanged).contains("Nothing about it has changed since"),
        "{unchanged}"
    );
    let (status, unknown) = ask(&proxy, "service=api&backend=a&at=1970-01-02T00:00:00Z");
    assert!(
        status == 404 && unknown["begins"].is_string() && unknown["detail"].as_str().unwrap().contains("not known"),
        "{unknown}"
    );
    let service = why(&proxy, &format!("service=api&at={since}"));
    assert_eq!(row(&service["backends"], "backend", "a")["state"], "ejected", "{service}");
}

#[test]
fn an_operators_word_is_told_with_who_gave_it_and_that_it_would_be_out_all_the_same() {
    let (_origins, proxy) = failing(EJECTS);
    eject(&proxy);
    let body = r#"{ "reason": "a new disk" }"#;
    assert_eq!(proxy.admin_call("POST", "/api/v1/services/api/backends/a/drain", body).unwrap().status, 200);
    let answer = why(&proxy, "service=api&backend=a");
    assert_eq!((&answer["state"], &answer["by"]), (&json!("draining"), &json!("operator")));
    let said = text(&answer);
    assert!(said.contains("a new disk (by 127.0.0.1"), "{said}");
    assert!(said.contains("Without that, it would be out all the same: ejection ("), "{said}");
    assert!(said.contains("until the command is taken back"), "{said}");
}

#[test]
fn a_service_says_how_many_can_be_used_with_a_sentence_for_each_backend() {
    let (_origins, proxy) = failing(EJECTS);
    eject(&proxy);
    let answer = why(&proxy, "service=api");
    assert_eq!((&answer["state"], &answer["healthy"], &answer["total"]), (&json!("degraded"), &json!(1), &json!(2)));
    assert!(
        row(&answer["backends"], "backend", "a")["text"].as_str().unwrap().starts_with("api/a is ejected since "),
        "{answer}"
    );
}

#[test]
fn who_is_unknown_is_a_404_with_the_nearest_name() {
    let (_origins, proxy) = failing("");
    let (status, answer) = ask(&proxy, "service=apo");
    assert_eq!((status, &answer["nearest"]), (404, &json!("api")));
    assert!(ask(&proxy, "service=api&backend=zzz").1["detail"].as_str().unwrap().contains("has no backend"));
    assert_eq!(ask(&proxy, "service=elsewhere").0, 404);
    for wrong in ["", "service=api&at=soon", "service=api&at=2100-01-01T00:00:00Z", "service=api&since=3"] {
        assert_eq!(ask(&proxy, wrong).0, 400, "{wrong}");
    }
}

#[test]
fn the_command_line_says_the_same_in_sentences_and_tables() {
    let (_origins, proxy) = failing(EJECTS);
    eject(&proxy);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("why").args(arguments).arg("--admin").arg(format!("http://{}", proxy.admin_address()));
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, shown, _) = run(&["api/a"]);
    assert_eq!(code, Some(0));
    assert!(shown.starts_with("api/a is ejected since "), "{shown}");
    for piece in
        ["\nrules\n", "failures in a row  ", "\nalgorithms: the share of the next picks\n", "events, the newest first"]
    {
        assert!(shown.contains(piece), "{piece}: {shown}");
    }
    let (code, shown, _) = run(&["api/a", "--at", "-0s", "--json"]);
    let json: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &json["state"]), (Some(0), &json!("ejected")));
    let (code, shown, _) = run(&["api"]);
    assert!(code == Some(0) && shown.contains("api is degraded: 1 of 2 backends can be used."), "{shown}");
    let (code, _, said) = run(&["apo/a"]);
    assert!(code == Some(1) && said.contains("is \"api\" meant?"), "{said}");
    let (code, _, said) = run(&["api/a", "--at", "soon"]);
    assert!(code == Some(1) && said.contains("14:02:30"), "{said}");
}

#[test]
fn an_algorithm_in_the_shadow_is_counted_over_reloads_and_changes_nothing() {
    let origins = [Origin::saying("a"), Origin::saying("b")];
    let named = |(origin, id): (&Origin, &str)| {
        format!("{}id = \"{id}\"\nweight = {}\n", backend(origin.address()), if id == "a" { 3 } else { 1 })
    };
    let backends: String = origins.iter().zip(["a", "b"]).map(named).collect();
    let toml = |keys: &str| format!("[server]\nworkers = 1\n{}{backends}", config("", keys, &[]));
    let proxy = Proxy::start(&toml("shadow = [\"weighted_round_robin\"]"));
    let mut client = proxy.client();
    let sent = 1600;
    let to_a = (0..sent).filter(|_| client.get("/x").text() == "a").count();
    assert_eq!(to_a, sent / 2, "the one that decides goes on in turn");
    let shadow = || proxy.status()["services"]["api"]["shadow"].clone();
    let shown = shadow();
    let picks = |shown: &Value| shown["algorithms"]["weighted_round_robin"]["picks"].as_u64().unwrap();
    // a hundred on average; fewer than 40 or more than 200 come about less often than once in a billion
    assert!((40..200).contains(&picks(&shown)), "{shown}");
    assert_eq!(shown["real"]["picks"].as_u64(), Some(picks(&shown)));
    let share = shown["backends"]["a"]["shares"]["weighted_round_robin"].as_f64().unwrap();
    assert!((0.7..=0.8).contains(&share), "three of four by the weights: {shown}");
    assert!(shown["algorithms"]["weighted_round_robin"]["mean_ms"].is_number(), "{shown}");
    let series = "evenkeel_shadow_picks_total{service=\"api\",algorithm=\"weighted_round_robin\",backend=\"a\"}";
    assert!(proxy.metric(series) > 0);
    let answer = why(&proxy, "service=api&backend=a");
    let algorithm = row(&answer["algorithms"], "algorithm", "weighted_round_robin");
    assert!(algorithm["text"].as_str().unwrap().contains("measured in shadow: "), "{algorithm}");

    assert_eq!(
        proxy.reload(&toml("slow_start = \"1ms\"\nshadow = [\"weighted_round_robin\", \"power_of_two\"]")).status,
        200
    );
    let more = shadow();
    assert_eq!((picks(&more), &more["algorithms"]["power_of_two"]["picks"]), (picks(&shown), &json!(0)));
    assert_eq!(proxy.reload(&toml("")).status, 200);
    assert!(shadow().is_null());
}
