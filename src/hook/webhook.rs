//! Webhooks that are to repair something: one signed POST, made again until it was taken, refused, or its time is over.

use std::time::{Duration, SystemTime};

use http::{StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::text::readable;
use super::{Call, millis, seconds};
use crate::lead::Fence;
use crate::recover::attempt::ActReport;
use crate::webhook::{Answer, Handling, Pauses, WebhookClient, asked, handling, timestamp};

/// The pauses between tries. They are short: somebody waits for the repair.
const PAUSES: Pauses = Pauses { first: Duration::from_millis(250), longest: Duration::from_secs(10) };

/// The bytes of an answer's body that are kept.
const KEPT: usize = 4 << 10;

/// What is replaced in a path or a query is encoded but for the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Calls the webhook until it takes or refuses the call, for `time_out` at most.
pub(super) async fn run(
    client: &WebhookClient,
    time_out: Duration,
    call: &Call,
    fence: Option<&Fence>,
    instance: &str,
) -> ActReport {
    let (started, deadline) = (Instant::now(), Instant::now() + time_out);
    // with the number of the run, since numbers of attempts begin anew when the history is lost
    let key = format!("{instance}-{}-{}-{}", call.attempt, call.role, call.run);
    let token = call.token();
    let mut report = ActReport::default();
    for failures in 1.. {
        let now = SystemTime::now();
        let sent = timestamp(now);
        let fields = [("idempotency-key", key.as_str()), ("x-evenkeel-fencing-token", token.as_str())];
        // each try is an act of its own
        if fence.is_some_and(|fence| !fence.holds()) {
            report.error = format!("given up: leadership was lost{}", before(&report.error));
            break;
        }
        let asked = match timeout_at(deadline, client.post(body(call, &key, sent), &fields, sent, KEPT)).await {
            Ok(Ok(answer)) => match take(&mut report, &answer, now) {
                Some(asked) => asked,
                None => break,
            },
            Ok(Err(error)) => {
                report = ActReport { error, ..ActReport::default() };
                Duration::ZERO
            }
            Err(_) => {
                report.error = format!("no answer within {}{}", seconds(time_out), before(&report.error));
                break;
            }
        };
        let pause = PAUSES.after(failures, asked, fastrand::f64());
        if Instant::now() + pause >= deadline {
            let last = before(&report.error);
            report.error = format!("not taken within {} (tries: {failures}){last}", seconds(time_out));
            break;
        }
        sleep(pause).await;
    }
    ActReport { took_ms: millis(started.elapsed()), ..report }
}

/// Enters an answer into the report. If the call is to be made again: after what time at the earliest.
fn take(report: &mut ActReport, answer: &Answer, now: SystemTime) -> Option<Duration> {
    let status = answer.head.status;
    let meaning = match status {
        // too early (RFC 8470): the same call, later, is welcome
        StatusCode::TOO_EARLY => Handling::Later(asked(&answer.head.headers, now)),
        status => handling(status, &answer.head.headers, now),
    };
    let output = readable(&answer.body);
    let ok = meaning == Handling::Sent;
    let error = if ok { String::new() } else { format!("it answered {status}") };
    *report = ActReport {
        ok,
        code: Some(i32::from(status.as_u16())),
        error,
        output,
        left_out: answer.left_out,
        ..ActReport::default()
    };
    match meaning {
        Handling::Later(asked) => Some(asked),
        Handling::Sent | Handling::Refused => None,
    }
}

/// What went wrong before, if something did, as the end of a sentence.
fn before(error: &str) -> String {
    if error.is_empty() { String::new() } else { format!("; last: {error}") }
}

fn body(call: &Call, key: &str, sent: u64) -> String {
    json!({
        "type": "recovery",
        "sent": sent,
        "idempotency_key": key,
        "attempt": call.attempt,
        "number": call.number,
        "token": call.token,
        "fencing_token": call.token,
        "role": call.role,
        "service": call.service,
        "backend": call.backend,
        "address": call.address,
        "fault": call.fault,
        "strategy": call.strategy,
    })
    .to_string()
}

/// The address with what is to be replaced in its path and query.
///
/// # Errors
///
/// A sentence for people, when that makes no address.
pub(super) fn address(uri: &Uri, call: &Call) -> Result<Uri, String> {
    let Some(target) = uri.path_and_query() else { return Ok(uri.clone()) };
    let target = call.fill(target.as_str(), |value| utf8_percent_encode(value, RESERVED).to_string());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().map_err(|error| format!("`{target}` is no target: {error}"))?);
    Uri::from_parts(parts).map_err(|error| error.to_string())
}

/// What is called, without what may be secret in it: the query, and a user with a password.
pub(super) fn in_words(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("POST {scheme}://{host}{}", uri.path())
}

#[cfg(test)]
mod tests;
