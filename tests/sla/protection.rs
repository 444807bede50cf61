//! Others give way to a service whose error budget burns too fast.

use serde_json::json;

use crate::support::{Origin, Proxy, wait_until};
use crate::{Backend, promising, wait_for_event};

/// A listener for each of two services that have the same backends, and a split between them on a third.
fn configuration(one: &Origin, other: &Origin, protect: bool) -> String {
    let backends = |name: &str| {
        let each = |origin: &Origin| format!("[[service.{name}.backend]]\naddress = \"{}\"\n", origin.address());
        format!("{}{}", each(one), each(other))
    };
    let retry =
        "retry = { attempts = 1, on = [\"502\", \"503\"] }\noutlier = { consecutive_failures = 0, error_rate = 0.0 }\n";
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\nservice = \"api\"\n\
         [[listener]]\nname = \"batch\"\nbind = \"127.0.0.1:{{port2}}\"\nservice = \"batch\"\n\
         [service.api]\n{retry}{}[service.api.sla]\nprotect = {protect}\n\
         [service.batch]\n{retry}{}",
        backends("api"),
        backends("batch")
    )
}

/// Retries of the service `batch` with this outcome.
fn retries(proxy: &Proxy, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_retries_total{{service=\"batch\",outcome=\"{outcome}\"}}"))
}

fn send_to_batch(proxy: &Proxy) {
    let mut client = crate::support::Client::connect(proxy.second_address());
    client.get("/x");
}

#[test]
fn retries_of_a_service_without_a_promise_are_held_back_while_it_lasts() {
    let failing = || Origin::answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let (one, other) = (failing(), failing());
    let proxy = Proxy::start(&configuration(&one, &other, true));
    send_to_batch(&proxy);
    assert_eq!(retries(&proxy, "held_back"), 0);
    (0..20).for_each(|_| assert_eq!(proxy.client().get("/x").status, 503));
    let began = wait_for_event(&proxy, "budget_protection_began");
    assert_eq!((&began["service"], &began["cause"]["held_back"]), (&json!("api"), &json!(["batch"])));
    wait_until("retries are held back", || {
        send_to_batch(&proxy);
        retries(&proxy, "held_back") > 0
    });
    // without the wish for it, nobody gives way
    assert_eq!(proxy.reload(&configuration(&one, &other, false)).status, 200);
    wait_for_event(&proxy, "budget_protection_ended");
    let before = retries(&proxy, "held_back");
    send_to_batch(&proxy);
    assert_eq!(retries(&proxy, "held_back"), before);
}

#[test]
fn recovery_waits_less_between_two_attempts_while_it_lasts_and_says_why() {
    let [one, other] = [Backend::new(), Backend::new()];
    let recover = "[[service.api.recover]]\nstrategy = \"restart\"\nrun = [\"/bin/false\"]\nattempts = 20\ndelay = \"4s\"\n\
                   [service.api.recovery]\nmax_unhealthy = 1.0\nmax_disrupted = 1.0\nper_hour = 0\n";
    let proxy = Proxy::start(&format!("{}{recover}", promising("protect = true\n", &[&one, &other])));
    one.set_down(true);
    other.set_down(true);
    wait_for_event(&proxy, "budget_protection_began");
    wait_until("an attempt begins after a quarter of the pause", || {
        let attempts = proxy.admin("/api/v1/recoveries").unwrap();
        attempts.text().contains(" s at least (a quarter of the pause: the error budget burns too fast)")
    });
}
