//! `[[notify]]`: webhooks hear of events, whatever becomes of them in between.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::configured;
use crate::support::{Origin, Proxy, Request, Scratch, wait_until};

pub const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A configuration with a webhook.
pub fn to(webhook: &Origin, keys: &str) -> String {
    format!(
        "{}\n[[notify]]\nname = \"oncall\"\nwebhook = \"http://{}/hook?a=b\"\n{keys}\n",
        configured(""),
        webhook.address()
    )
}

/// A webhook that answers with each of these once, and then with 204. An empty answer closes the connection.
fn answering(answers: &'static [&'static str]) -> Origin {
    let asked = AtomicUsize::new(0);
    Origin::script(move |conn| {
        if conn.request().is_ok() {
            conn.send(answers.get(asked.fetch_add(1, Ordering::SeqCst)).unwrap_or(&OK));
        }
    })
}

pub fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// The kinds of all events that were posted, tries that failed included.
pub fn kinds(webhook: &Origin) -> Vec<String> {
    let requests = webhook.requests();
    let events = requests.iter().flat_map(|request| body(request)["events"].as_array().unwrap().clone());
    events.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

pub fn sent(proxy: &Proxy, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_notifications_total{{name=\"oncall\",outcome=\"{outcome}\"}}"))
}

#[test]
fn a_webhook_hears_of_the_events_that_it_wants_in_signed_messages() {
    let dir = Scratch::new();
    dir.file("key", "Jefe\n");
    let webhook = answering(&[]);
    let keys = format!("on = [\"operator\"]\nsecret_file = {:?}", dir.path().join("key"));
    let proxy = Proxy::start(&to(&webhook, &keys));
    assert_eq!(proxy.command("drain", "a"), 200);
    wait_until("the operator's word to be told", || kinds(&webhook) == ["operator"]);
    let request = webhook.request();
    assert_eq!((request.method(), request.target()), ("POST", "/hook?a=b"));
    assert_eq!(request.field("content-type"), Some("application/json"));
    let message = body(&request);
    assert_eq!(message["name"], "oncall");
    assert_eq!(request.field("x-evenkeel-timestamp").unwrap(), message["sent"].to_string());
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"Jefe");
    let tag = aws_lc_rs::hmac::sign(&key, &request.body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(request.field("x-evenkeel-signature").unwrap(), format!("sha256={hex}"));
    wait_until("it to be counted", || sent(&proxy, "sent") == 1);
    assert!(!proxy.admin("/api/v1/config").unwrap().text().contains("Jefe"));
}

#[test]
fn what_fails_for_now_is_sent_again_and_nothing_overtakes_it() {
    let webhook = answering(&[
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "",
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    ]);
    let proxy = Proxy::start(&to(&webhook, "on = [\"operator\"]"));
    assert_eq!((proxy.command("drain", "a"), proxy.command("enable", "a")), (200, 200));
    wait_until("both to be taken", || sent(&proxy, "sent") == 2);
    assert_eq!(sent(&proxy, "failed"), 3);
    let first: Vec<Value> = webhook.requests()[..4].iter().map(|request| body(request)["events"].clone()).collect();
    assert!(first.iter().all(|events| *events == first[0]), "{first:?}");
}

#[test]
fn what_is_refused_is_dropped_and_the_next_message_says_how_many() {
    let webhook = answering(&["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]);
    let proxy = Proxy::start(&to(&webhook, "on = [\"operator\"]"));
    assert_eq!(proxy.command("drain", "a"), 200);
    wait_until("it to be dropped", || proxy.metrics().contains("name=\"oncall\",outcome=\"dropped\"} 1"));
    assert_eq!(proxy.command("enable", "a"), 200);
    wait_until("the next one to be taken", || webhook.requests().len() == 2);
    assert_eq!(body(&webhook.requests()[1])["missed"], 1);
    assert!(proxy.stderr().contains("a webhook refused events"), "{}", proxy.stderr());
}

#[test]
fn webhooks_come_and_go_with_a_reload_and_one_that_hangs_holds_up_nobody() {
    let (hanging, webhook) = (Origin::silent(), answering(&[]));
    let proxy = Proxy::start(&to(&hanging, "on = [\"operator\"]"));
    assert_eq!(proxy.command("drain", "a"), 200);
    // what the first receiver has not taken is for the second
    assert_eq!(proxy.reload(&to(&webhook, "on = [\"operator\"]")).status, 200);
    wait_until("the other webhook to hear of it", || kinds(&webhook) == ["operator"]);
    assert_eq!(proxy.reload(&configured("")).status, 200);
    assert_eq!(proxy.command("enable", "a"), 200);
    assert!(!proxy.metrics().contains("name=\"oncall\""));
}
