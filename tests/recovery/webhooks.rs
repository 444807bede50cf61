//! Webhooks that repair.

use serde_json::{Value, json};

use crate::fleet::{BRIEF, Fleet};
use crate::support::{Conn, OK, Origin, Proxy, Request};
use crate::{attempts, wait_for_outcome};

/// A receiver that has no time for the first call and repairs the backend `a` at the second.
fn receiver(fleet: &Fleet) -> Origin {
    let state = fleet.path("state.a");
    let calls = std::sync::atomic::AtomicUsize::new(0);
    Origin::script(move |conn: &mut Conn| {
        while conn.request().is_ok() {
            let is_first = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            if !is_first {
                std::fs::remove_file(&state).unwrap();
            }
            let busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
            if !conn.send(if is_first { busy } else { OK }) {
                return;
            }
        }
    })
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn a_webhook_is_posted_signed_json_and_asked_again_with_the_same_key() {
    let fleet = Fleet::of(&["a", "b", "c"]);
    let receiver = receiver(&fleet);
    let secret = fleet.dir.file("secret", "Jefe\n");
    let webhook = format!(
        "[[service.api.recover]]\nstrategy = \"restart\"\nwithin = \"20s\"\nsecret_file = {secret:?}\n\
         webhook = \"http://{}/restart/${{backend}}?fault=${{fault}}\"\n{BRIEF}",
        receiver.address()
    );
    let proxy = Proxy::start(&fleet.config(&webhook));
    fleet.kill("a");
    let healed = wait_for_outcome(&proxy, "healed");
    assert_eq!((&healed["act"]["code"], &healed["act"]["output"]), (&json!(200), &json!("ok")), "{healed}");
    let calls = receiver.requests();
    assert_eq!((calls.len(), attempts(&proxy).len()), (2, 1));
    let (first, second) = (body(&calls[0]), body(&calls[1]));
    for (call, said) in calls.iter().zip([&first, &second]) {
        assert_eq!((call.method(), call.target()), ("POST", "/restart/a?fault=unresponsive"));
        assert_eq!(call.field("content-type"), Some("application/json"));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"Jefe");
        let tag = aws_lc_rs::hmac::sign(&key, &call.body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(call.field("x-evenkeel-signature").unwrap(), format!("sha256={hex}"));
        let expected = json!({ "attempt": 1, "number": 1, "role": "act", "service": "api", "backend": "a" });
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&said[member], value, "{member}: {said}");
        }
        assert_eq!(said["address"], fleet.origin("a").address());
        assert_eq!(call.field("idempotency-key"), said["idempotency_key"].as_str());
    }
    assert_eq!((&first["idempotency_key"], &first["token"]), (&second["idempotency_key"], &second["token"]));
}
