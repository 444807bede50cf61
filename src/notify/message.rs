//! The body of a message to a webhook.

use std::sync::Arc;

use serde_json::json;

use crate::event::{Event, Subject};

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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde_json::Value;

    use super::*;
    use crate::clock::Moment;
    use crate::event::Kind;

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
