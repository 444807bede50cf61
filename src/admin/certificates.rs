//! `GET /api/v1/certificates`: the certificates that listeners show to clients.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer};
use crate::clock::rfc3339;
use crate::tls::resolver::ShownCertificate;
use crate::tls::{Acceptor, describe};

/// All of them, in the order of the configuration.
pub(super) async fn certificates(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    let now = SystemTime::now();
    let listeners = shared.listeners.load();
    let with_tls =
        listeners.iter().filter_map(|listener| Some((&*listener.name, listener.acceptor.as_ref()?.certificates())));
    let all = with_tls.flat_map(|(name, all)| all.shown().map(|shown| to_json(name, &shown, now)).collect::<Vec<_>>());
    answer::json(&all.collect())
}

fn to_json(listener: &str, shown: &ShownCertificate<'_>, now: SystemTime) -> Value {
    let certificate = shown.certificate;
    let validity = shown.validity;
    json!({
        "listener": listener,
        "names": shown.names,
        "path": shown.path.display().to_string(),
        "subject": certificate.map(describe::subject),
        "issuer": certificate.and_then(describe::issuer),
        "not_before": validity.map(|(from, _)| rfc3339(from)),
        "not_after": validity.map(|(_, to)| rfc3339(to)),
        "days_left": validity.map(|(_, to)| days_left(to, now)),
        "fingerprint_sha256": certificate.map(describe::fingerprint),
        "stapled": shown.is_stapled,
        "default": shown.is_default,
    })
}

/// The certificate of a listener that expires first; null without TLS.
pub(super) fn first_to_expire(acceptor: Option<&Acceptor>, now: SystemTime) -> Value {
    let Some(certificates) = acceptor.map(Acceptor::certificates) else { return Value::Null };
    let dated = certificates.shown().filter_map(|shown| Some((shown.validity?.1, shown)));
    let first = dated.min_by_key(|(to, _)| *to);
    first.map_or(Value::Null, |(to, shown)| {
        let path = shown.path.display().to_string();
        json!({ "path": path, "names": shown.names, "not_after": rfc3339(to), "days_left": days_left(to, now), "hours_left": hours_left(to, now) })
    })
}

/// Whole days until then; negative when it is past.
fn days_left(to: SystemTime, now: SystemTime) -> i64 {
    let days = |time: Duration| i64::try_from(time.as_secs() / 86_400).unwrap_or(i64::MAX);
    to.duration_since(now).map_or_else(|past| -days(past.duration()) - 1, days)
}

/// Whole hours until then; 0 when it is past.
fn hours_left(to: SystemTime, now: SystemTime) -> u64 {
    to.duration_since(now).map_or(0, |left| left.as_secs() / 3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_whole_days_left_and_less_than_none_when_it_has_expired() {
        let at = |hours: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(hours * 3600);
        assert_eq!([50, 47, 24, 1, 0].map(|hours| days_left(at(hours), at(0))), [2, 1, 1, 0, 0]);
        assert_eq!([1, 25].map(|hours| days_left(at(0), at(hours))), [-1, -2]);
    }
}
