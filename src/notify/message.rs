//! The message to a webhook: its body, and the fields by which the receiver knows that it is ours.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::HEXLOWER;
use serde_json::json;

use crate::event::{Event, Subject};

/// The field with the body's signature: `sha256=` and HMAC-SHA256 of the body in hexadecimal digits.
pub(super) const SIGNATURE: &str = "x-evenkeel-signature";

/// The field with the time of sending, in seconds since 1970. The body has the same in `sent`, where the signature covers it.
pub(super) const TIMESTAMP: &str = "x-evenkeel-timestamp";

/// A time in seconds since 1970.
pub(super) fn timestamp(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The body of a message about these events. Its `text` has a line for each of them: a relay to a chat shows only that.
pub(super) fn body(name: &str, instance: &str, events: &[Arc<Event>], missed: u64, sent: u64) -> String {
    let lines: Vec<String> = events.iter().map(|event| line(event)).collect();
    let events: Vec<_> = events.iter().map(|event| event.to_json()).collect();
    let text = lines.join("\n");
    json!({ "name": name, "instance": instance, "sent": sent, "missed": missed, "text": text, "events": events })
        .to_string()
}

fn line(event: &Event) -> String {
    let Subject { service, backend, listener } = &event.subject;
    let subject = match (service, backend, listener) {
        (Some(service), Some(backend), _) => format!("{service}/{backend}: "),
        (Some(name), None, _) | (None, _, Some(name)) => format!("{name}: "),
        (None, _, None) => String::new(),
    };
    format!("[{}] {subject}{}", event.kind.level().as_str(), event.kind.text())
}

/// The value of [`SIGNATURE`].
pub(super) fn signature(secret: &[u8], body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, secret), body);
    format!("sha256={}", HEXLOWER.encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::clock::Moment;
    use crate::event::Kind;

    /// RFC 4231, test case 2.
    #[test]
    fn the_signature_is_hmac_sha256_in_lower_case_hexadecimal_digits() {
        assert_eq!(
            signature(b"Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_message_says_who_sends_what_and_how_many_were_missed() {
        let subject = Subject::service(&"api".into());
        let kind = Kind::ServiceDown { total: 2 };
        let event = Arc::new(Event { id: 7, time: SystemTime::UNIX_EPOCH, moment: Moment::NEVER, subject, kind });
        let body: Value = serde_json::from_str(&body("oncall", "edge-1", &[Arc::clone(&event)], 3, 9)).unwrap();
        assert_eq!(body["events"], json!([event.to_json()]));
        assert_eq!((&body["name"], &body["instance"]), (&json!("oncall"), &json!("edge-1")));
        assert_eq!((&body["missed"], &body["sent"]), (&json!(3), &json!(9)));
        assert_eq!(body["text"], json!(format!("[error] api: {}", event.kind.text())));
    }
}
