//! Outages, and what is known of them afterwards.

use serde_json::json;

use crate::support::{LOG, Proxy, wait_until};
use crate::{Backend, events, promising, send, sla, wait_for_event, wait_for_requests};

#[test]
fn an_outage_of_all_backends_is_one_incident_that_has_lost_what_its_clients_have_lost() {
    let (one, other) = (Backend::new(), Backend::new());
    let proxy = Proxy::start(&(promising("rto = \"1ms\"", &[&one, &other]) + LOG));
    assert_eq!(send(&proxy, 50), 0);
    [&one, &other].iter().for_each(|backend| backend.set_down(true));
    let mut lost = send(&proxy, 50);
    wait_for_event(&proxy, "incident_began");
    lost += send(&proxy, 30);
    assert!(lost > 30, "{lost}");
    let late = wait_for_event(&proxy, "rto_exceeded");
    assert_eq!((&late["level"], &late["service"]), (&json!("error"), &json!("api")));
    assert_eq!(sla(&proxy)["state"], "down");
    [&one, &other].iter().for_each(|backend| backend.set_down(false));
    wait_for_event(&proxy, "service_up");
    let lost_later = send(&proxy, 50);
    let ended = wait_for_event(&proxy, "incident_ended");
    let incident = &ended["cause"];
    assert_eq!(incident["requests_lost"], lost + lost_later);
    assert_eq!((&incident["incident"], &incident["within_rto"]), (&json!(1), &json!(false)));
    assert!(["verdict", "check"].iter().any(|kind| incident["cause"]["kind"] == *kind), "{incident}");
    assert_eq!(incident["backends"].as_array().unwrap().len(), 2, "{incident}");
    wait_for_requests(&proxy, 180 - lost - lost_later, lost + lost_later);
    wait_until("the end is on the disk", || sla(&proxy)["incidents"][0]["ended"].is_string());
    let sla = sla(&proxy);
    assert_eq!((&sla["failures"], &sla["recoveries"], &sla["rto_violations"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(sla["incidents"][0]["requests_lost"], incident["requests_lost"]);
    assert_eq!(sla["incidents"][0]["down_s"], incident["down_s"]);
    assert_eq!((&sla["state"], &sla["compliant"]), (&json!("up"), &json!(false)));
    assert_eq!(events(&proxy, "incident_began").len(), 1);
    assert_eq!(
        proxy.metric("evenkeel_sla_requests_total{service=\"api\",outcome=\"failed\"}"),
        (lost + lost_later) as u64
    );
}

#[test]
fn each_line_of_the_access_log_says_how_it_was_counted() {
    let backend = Backend::new();
    let proxy = Proxy::start(&(promising("", &[&backend]) + LOG));
    assert_eq!(send(&proxy, 20), 0);
    backend.set_down(true);
    let lost = send(&proxy, 20);
    backend.set_down(false);
    // a mistake of the client: what it asks for has no host
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\n\r\n");
    assert_eq!(client.response().status, 400);
    wait_for_requests(&proxy, 40 - lost, lost);
    wait_until("all lines are written", || proxy.log().len() >= 41);
    let lines: Vec<serde_json::Value> = proxy.log().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let counted = |word: &str| lines.iter().filter(|line| line["sla"] == word).count();
    assert_eq!((counted("good"), counted("failed")), (40 - lost, lost));
    // it went to no service, of which anything could be promised
    assert!(lines.iter().any(|line| line["status"] == 400 && line.get("sla").is_none()), "{lines:?}");
}

#[test]
fn a_budget_that_burns_too_fast_is_told_once() {
    let backend = Backend::new();
    let proxy = Proxy::start(&promising("tier = \"premium\"", &[&backend]));
    assert_eq!(send(&proxy, 20), 0);
    backend.set_down(true);
    send(&proxy, 20);
    // a ticket may come before: it takes fewer failures
    let page = |event: &serde_json::Value| event["cause"]["severity"] == "page";
    wait_until("a page", || events(&proxy, "budget_alert_raised").iter().any(page));
    wait_for_event(&proxy, "budget_spent");
    assert!(sla(&proxy)["error_budget_left"].as_f64().unwrap() < 0.0);
    assert_eq!(proxy.metric("evenkeel_budget_alerts_total{service=\"api\",severity=\"page\"}"), 1);
    let pages: Vec<_> = events(&proxy, "budget_alert_raised").into_iter().filter(page).collect();
    assert_eq!((pages.len(), &pages[0]["level"]), (1, &json!("error")));
}

#[test]
fn a_promise_that_is_taken_back_and_made_again_in_an_outage_makes_no_second_failure_of_it() {
    let backend = Backend::new();
    let promised = promising("", &[&backend]);
    let proxy = Proxy::start(&promised);
    assert_eq!(send(&proxy, 20), 0);
    backend.set_down(true);
    wait_for_event(&proxy, "incident_began");
    assert_eq!(proxy.reload(&promised.replace("[service.api.sla]\n", "")).status, 200);
    wait_for_event(&proxy, "incident_ended");
    assert_eq!(proxy.reload(&promised).status, 200);
    wait_until("it is under way again", || sla(&proxy)["incident"] == 1);
    backend.set_down(false);
    wait_until("it has ended again", || events(&proxy, "incident_ended").len() == 2);
    wait_until("the end is on the disk", || sla(&proxy)["incidents"][0]["ended"].is_string());
    let sla = sla(&proxy);
    assert_eq!((&sla["failures"], sla["incidents"].as_array().unwrap().len()), (&json!(1), 1), "{sla}");
    assert_eq!(events(&proxy, "incident_began").len(), 1);
}
