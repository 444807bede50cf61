//! Others give way to a service whose error budget burns too fast.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Origin, Proxy, h2, wait_until};
use crate::{Backend, promising, wait_for_event};

/// The backends of a service, which nothing but the error budget is to take out.
fn service(name: &str, origins: &[&Origin], rest: &str) -> String {
    let mut text = format!("[service.{name}]\noutlier = {{ consecutive_failures = 0, error_rate = 0.0 }}\n{rest}\n");
    for origin in origins {
        let _ = write!(text, "[[service.{name}.backend]]\naddress = \"{}\"\n", origin.address());
    }
    text
}

/// The first listener leads to the service `api`, of which something is promised; the second one has this.
fn listeners(second: &str) -> String {
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\nservice = \"api\"\n\
         [[listener]]\nname = \"second\"\nbind = \"127.0.0.1:{{port2}}\"\n{second}\n"
    )
}

fn failing(body: &str) -> Origin {
    Origin::answering(format!("HTTP/1.1 503 Service Unavailable\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// Has the service behind the first listener fail until its budget burns too fast; gives back the event.
fn spend_the_budget(proxy: &Proxy) -> Value {
    (0..20).for_each(|_| _ = proxy.client().get("/x"));
    wait_for_event(proxy, "budget_protection_began")
}

/// What clients of the second listener are answered, half of them over HTTP/1, and half over HTTP/2.
fn ask(proxy: &Proxy, requests: usize) -> Vec<(u16, String)> {
    let mut client = Client::connect(proxy.second_address());
    let mut all: Vec<_> = (0..requests / 2).map(|_| client.get("/x")).map(|got| (got.status, got.text())).collect();
    all.extend(h2::run(async {
        let (client, mut all) = (h2::Client::connect(proxy.second_address()).await, Vec::new());
        for _ in 0..requests / 2 {
            let got = client.call(h2::get("http://a/x"), "").await;
            all.push((got.status, String::from_utf8(got.body.to_vec()).unwrap()));
        }
        all
    }));
    all
}

/// How many of these answers say this.
fn say(answers: &[(u16, String)], text: &str) -> usize {
    answers.iter().filter(|(_, answer)| answer == text).count()
}

/// Retries of the service `batch` with this outcome.
fn retries(proxy: &Proxy, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_retries_total{{service=\"batch\",outcome=\"{outcome}\"}}"))
}

/// Copies to the service `shadow` with this outcome.
fn copies(proxy: &Proxy, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_mirrored_total{{listener=\"second\",service=\"shadow\",outcome=\"{outcome}\"}}"))
}

#[test]
fn retries_of_a_service_without_a_promise_are_held_back_while_it_lasts() {
    let (one, other) = (failing("one"), failing("other"));
    let retry = "retry = { attempts = 1, on = [\"502\", \"503\"] }";
    let configuration = |protect: bool| {
        let both = [&one, &other];
        format!(
            "{}{}[service.api.sla]\nprotect = {protect}\n{}",
            listeners("service = \"batch\""),
            service("api", &both, retry),
            service("batch", &both, retry)
        )
    };
    let proxy = Proxy::start(&configuration(true));
    ask(&proxy, 2);
    assert_eq!(retries(&proxy, "held_back"), 0);
    let began = spend_the_budget(&proxy);
    assert_eq!((&began["service"], &began["cause"]["held_back"]), (&json!("api"), &json!(["batch"])));
    assert_eq!(began["text"], "the error budget burns too fast: retries are held back in batch");
    wait_until("retries are held back", || {
        ask(&proxy, 2);
        retries(&proxy, "held_back") > 0
    });
    // without the wish for it, nobody gives way
    assert_eq!(proxy.reload(&configuration(false)).status, 200);
    let ended = wait_for_event(&proxy, "budget_protection_ended");
    assert_eq!((&ended["cause"]["by"], &ended["service"]), (&json!("configuration"), &json!("api")));
    assert!(ended["cause"]["lasted_s"].as_f64().unwrap() > 0.0, "{ended}");
    assert!(
        ended["text"].as_str().unwrap().starts_with("`protect` is off since a reload: nobody gives way"),
        "{ended}"
    );
    let before = retries(&proxy, "held_back");
    ask(&proxy, 2);
    assert_eq!(retries(&proxy, "held_back"), before);
}

#[test]
fn copies_to_its_backends_are_held_back_and_who_never_retries_is_not_said_to_hold_back() {
    let (one, other) = (failing("one"), Origin::saying("other"));
    let route = "[[listener.route]]\npath_prefix = \"/\"\nservice = \"other\"\nmirror = { service = \"shadow\" }";
    let configuration = |promise: &str| {
        format!(
            "{}{}{promise}{}{}",
            listeners(route),
            service("api", &[&one], ""),
            service("other", &[&other], ""),
            service("shadow", &[&one], "")
        )
    };
    let proxy = Proxy::start(&configuration("[service.api.sla]\nprotect = true\n"));
    assert_eq!(say(&ask(&proxy, 4), "other"), 4);
    wait_until("copies are made", || copies(&proxy, "error") == 4);
    let began = spend_the_budget(&proxy);
    let cause = &began["cause"];
    assert_eq!(
        (&cause["mirrors"], &cause["held_back"], &cause["hedges"]),
        (&json!(["shadow"]), &json!([]), &json!([]))
    );
    assert_eq!(began["text"], "the error budget burns too fast: no copies of requests are sent to shadow");
    assert_eq!(say(&ask(&proxy, 10), "other"), 10);
    assert_eq!((copies(&proxy, "held_back"), copies(&proxy, "error")), (10, 4));
    // nothing is promised any more, so nobody has to give way
    assert_eq!(proxy.reload(&configuration("")).status, 200);
    let ended = wait_for_event(&proxy, "budget_protection_ended");
    assert!(ended["cause"]["reason"].as_str().unwrap().contains("nothing is promised"), "{ended}");
    ask(&proxy, 2);
    wait_until("copies are made again", || copies(&proxy, "error") == 6);
    assert_eq!(copies(&proxy, "held_back"), 10);
}

/// A split of the second listener, of which `api` has the smaller share.
fn split(stable: &Origin, drained: bool, promised: &Origin, promise: &str) -> String {
    let route = "[[listener.route]]\npath_prefix = \"/\"\n\
                 split = [{ service = \"api\", weight = 40 }, { service = \"stable\", weight = 60 }]";
    let stable = service("stable", &[stable], "") + if drained { "drain = true\n" } else { "" };
    format!("{}{stable}{}{promise}", listeners(route), service("api", &[promised], ""))
}

#[test]
fn a_split_goes_back_to_its_larger_side_and_comes_home_again() {
    let (stable, new) = (Origin::saying("stable"), failing("new"));
    let promise = "[service.api.sla]\nprotect = true\n";
    let proxy = Proxy::start(&split(&stable, false, &new, promise));
    let before = ask(&proxy, 100);
    assert!(say(&before, "new") > 0 && say(&before, "stable") > 0, "{before:?}");
    let began = spend_the_budget(&proxy);
    assert_eq!(began["cause"]["splits"], json!([{ "listener": "second", "route": 1, "to": "stable" }]));
    assert_eq!(
        began["text"],
        "the error budget burns too fast: route 1 of the listener second sends everything to stable"
    );
    assert_eq!(say(&ask(&proxy, 100), "stable"), 100);
    // its own listener is no split
    assert_eq!(proxy.client().get("/x").text(), "new");
    assert_eq!(proxy.reload(&split(&stable, false, &new, &promise.replace("true", "false"))).status, 200);
    wait_for_event(&proxy, "budget_protection_ended");
    assert!(say(&ask(&proxy, 100), "new") > 0, "home again");
}

#[test]
fn a_split_whose_larger_side_has_no_backend_stays_as_it_is() {
    let (stable, new) = (Origin::saying("stable"), failing("new"));
    let proxy = Proxy::start(&split(&stable, true, &new, "[service.api.sla]\nprotect = true\n"));
    let began = spend_the_budget(&proxy);
    assert_eq!(began["cause"]["splits"], json!([]));
    assert_eq!(began["text"], "the error budget burns too fast, and there is nothing that could give way");
    let answers = ask(&proxy, 100);
    assert!(say(&answers, "new") > 0 && say(&answers, "stable") == 0, "{answers:?}");
}

/// What is said of the canary `next`.
fn canary(proxy: &Proxy) -> Value {
    serde_json::from_str(&proxy.admin("/api/v1/services/next/canary").unwrap().text()).unwrap()
}

/// A canary whose version `slow` is slower than is promised of it; the first listener asks that one alone. It goes on in small steps, of which
/// none comes close to half of the requests.
fn with_canary(slow: &str, [stable, next]: [&Origin; 2]) -> String {
    let steps: Vec<String> = (20..40).map(|percent| format!("\"{percent}%\"")).collect();
    let route = format!(
        "[[listener.route]]\npath_prefix = \"/\"\ncanary = {{ service = \"next\", stable = \"stable\", steps = [{}], every = \"2s\", \
         stop_on = [\"errors\"], min_requests = 1 }}",
        steps.join(", ")
    );
    format!(
        "{}{}{}[service.{slow}.sla]\nlatency = \"1ms\"\nprotect = true\n",
        listeners(&route).replace("service = \"api\"", &format!("service = \"{slow}\"")),
        service("stable", &[stable], ""),
        service("next", &[next], "")
    )
}

#[test]
fn a_canary_waits_and_gets_nothing_where_it_is_the_one_whose_budget_burns() {
    for name in ["next", "stable"] {
        let (slow, fast) = (Origin::ok_after(Duration::from_millis(20)), Origin::saying("fast"));
        let origins = if name == "next" { [&fast, &slow] } else { [&slow, &fast] };
        let proxy = Proxy::start(&with_canary(name, origins));
        let began = spend_the_budget(&proxy);
        let back = json!([{ "listener": "second", "route": 1, "to": "stable" }]);
        let splits = if name == "next" { back } else { json!([]) };
        assert_eq!((&began["cause"]["canaries"], &began["cause"]["splits"]), (&json!(["next"]), &splits));
        // the larger side is the stable one in both
        let answers = ask(&proxy, 60);
        let from_stable = say(&answers, if name == "next" { "fast" } else { "ok" });
        assert!(if name == "next" { from_stable == 60 } else { from_stable < 60 }, "{name}: {from_stable}");
        let why = format!("the error budget of {name} burns too fast");
        wait_until("the canary waits", || {
            ask(&proxy, 2);
            canary(&proxy)["held"] == why
        });
        assert_eq!(canary(&proxy)["stage"], "stepping", "nothing is held against it");
    }
}

#[test]
fn nobody_gives_way_to_a_service_that_is_gone() {
    let one = failing("one");
    let gone = service("batch", &[&one], "");
    let listeners = listeners("service = \"batch\"");
    let proxy =
        Proxy::start(&format!("{listeners}{gone}{}[service.api.sla]\nprotect = true\n", service("api", &[&one], "")));
    spend_the_budget(&proxy);
    assert_eq!(proxy.reload(&(listeners.replace("\"api\"", "\"batch\"") + &gone)).status, 200);
    let ended = wait_for_event(&proxy, "budget_protection_ended");
    assert_eq!(ended["cause"]["reason"], "the service is gone since a reload");
}

#[test]
fn recovery_waits_less_between_two_attempts_while_it_lasts_and_says_why() {
    let [one, other] = [Backend::new(), Backend::new()];
    let recover = "[[service.api.recover]]\nstrategy = \"restart\"\nrun = [\"/bin/false\"]\nattempts = 20\ndelay = \"4s\"\n\
                   [service.api.recovery]\nmax_unhealthy = 1.0\nmax_disrupted = 1.0\nper_hour = 0\n";
    // so little of an hour may be lost that a second down is reason enough
    let sla = "tier = \"premium\"\nprotect = true\n";
    let proxy = Proxy::start(&format!("{}{recover}", promising(sla, &[&one, &other])));
    one.set_down(true);
    other.set_down(true);
    wait_for_event(&proxy, "budget_protection_began");
    wait_until("an attempt begins after a quarter of the pause", || {
        let attempts = proxy.admin("/api/v1/recoveries").unwrap();
        attempts.text().contains(" s at least (a quarter of the pause: the error budget burns too fast)")
    });
}
