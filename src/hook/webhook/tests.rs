use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::config::model::{Authorities, Means, NotifySecret, SystemAuthorities};
use crate::hook::Hooks;

const TAKEN: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 7\r\n\r\ndone\x1b[m";

fn call() -> Call {
    Call {
        service: "api".to_owned(),
        backend: Some("a/b".to_owned()),
        fault: "unresponsive".to_owned(),
        attempt: 7,
        number: 2,
        token: Some(9),
        run: 9,
        role: "act",
        strategy: "restart".to_owned(),
        ..Call::default()
    }
}

/// Reads one request: its head and its body.
async fn read_request(from: &mut TcpStream) -> (String, Value) {
    let mut read = Vec::new();
    loop {
        from.read_buf(&mut read).await.unwrap();
        let text = String::from_utf8(read.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_str(body) {
            return (head.to_lowercase(), body);
        }
    }
}

/// Calls a receiver that gives these answers, one on each connection (an empty one closes it without a word), and then none; what the call came
/// to, and the requests.
async fn called(answers: &[&str], time_out: Duration) -> (ActReport, Vec<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/x/${{backend}}?f=${{fault}}", listener.local_addr().unwrap()).parse().unwrap();
    let secret = Some(NotifySecret::new(b"secret"));
    let ca = Authorities::System(Arc::new(SystemAuthorities::default()));
    let means = Means::Webhook { uri, time_out, secret, ca };
    let mut requests = Vec::new();
    let receiver = async {
        let mut answers = answers.iter();
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            requests.push(read_request(&mut from).await);
            match answers.next() {
                Some(answer) => from.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
        }
    };
    let hooks = Hooks { instance: "edge-1".to_owned(), ..Hooks::new(None) };
    let (_keep, cancel) = oneshot::channel();
    let call = call();
    let report = tokio::select! {
        report = hooks.run(&means, &call, None, cancel) => report,
        () = receiver => unreachable!(),
    };
    (report, requests)
}

#[tokio::test]
async fn a_call_is_signed_json_that_says_for_what_it_is_made() {
    let (report, requests) = called(&[TAKEN], Duration::from_secs(60)).await;
    assert!(report.ok, "{report:?}");
    assert_eq!((report.code, report.output.as_str(), report.left_out), (Some(202), "done\u{fffd}[m", 0));
    assert!(report.what.starts_with("POST http://127.0.0.1:") && report.what.ends_with("/x/a%2Fb"), "{}", report.what);
    let (head, body) = &requests[0];
    assert!(head.starts_with("post /x/a%2fb?f=unresponsive http/1.1\r\n"), "{head}");
    for field in ["idempotency-key: edge-1-7-act-9", "content-type: application/json", "x-evenkeel-signature: sha256="]
    {
        assert!(head.contains(field), "{field} is not in {head}");
    }
    assert!(head.contains(&format!("x-evenkeel-timestamp: {}", body["sent"])), "{head}");
    let expected = json!({
        "type": "recovery", "sent": body["sent"], "idempotency_key": "edge-1-7-act-9", "attempt": 7, "number": 2, "token": 9, "fencing_token": 9,
        "role": "act", "service": "api", "backend": "a/b", "address": null, "fault": "unresponsive", "strategy": "restart",
    });
    assert_eq!(*body, expected);
}

#[tokio::test]
async fn a_call_is_made_again_with_the_same_key_until_it_is_taken() {
    let too_early = "HTTP/1.1 425 Too Early\r\nContent-Length: 0\r\n\r\n";
    let (report, requests) = called(&["", too_early, TAKEN], Duration::from_secs(60)).await;
    assert!(report.ok && report.error.is_empty(), "{report:?}");
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|(head, _)| head.contains("idempotency-key: edge-1-7-act-9")));
}

#[tokio::test]
async fn a_call_that_is_refused_is_made_once() {
    let (report, requests) =
        called(&["HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nwhat?"], Duration::from_secs(60)).await;
    assert_eq!((report.ok, report.code, report.output.as_str()), (false, Some(404), "what?"));
    assert_eq!((report.error.as_str(), requests.len()), ("it answered 404 Not Found", 1));
}

#[tokio::test]
async fn a_pause_that_is_longer_than_the_time_left_is_not_waited_for() {
    let busy = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n";
    let (report, _) = called(&[busy], Duration::from_secs(60)).await;
    assert_eq!(report.error, "not taken within 60 s (tries: 1); last: it answered 429 Too Many Requests");
    assert!(!report.ok && report.took_ms < 60_000, "{report:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_at_the_time_out() {
    let (report, _) = called(&[], Duration::from_millis(300)).await;
    assert_eq!((report.ok, report.error.as_str()), (false, "no answer within 0.3 s"));
}

#[tokio::test]
async fn of_a_long_answer_the_begin_is_kept_and_the_rest_counted() {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000));
    let (report, _) = called(&[&answer], Duration::from_secs(60)).await;
    assert!(report.ok);
    assert_eq!((report.output.len(), report.left_out), (KEPT, 100_000 - KEPT as u64));
}

#[tokio::test]
async fn a_call_that_is_told_to_end_is_given_up() {
    let means = Means::Webhook {
        uri: "http://127.0.0.1:1/".parse().unwrap(),
        time_out: Duration::from_secs(60),
        secret: None,
        ca: Authorities::File(Arc::default()),
    };
    let (tell, cancel) = oneshot::channel();
    drop(tell);
    let report = Hooks::new(None).run(&means, &call(), None, cancel).await;
    assert!(report.error.starts_with("given up: it was told to end"), "{}", report.error);
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let shown = |uri: &str| in_words(&uri.parse().unwrap());
    assert_eq!(shown("https://user:word@h:8443/a?token=x"), "POST https://h:8443/a");
    assert_eq!(shown("http://[::1]"), "POST http://[::1]/");
}
