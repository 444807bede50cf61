//! Middlewares about how backends are asked, and those that are not there.

use std::time::Duration;

use super::{At, Chain};
use crate::convert::document::Node;
use crate::convert::output::{Output, Table, Value};
use crate::convert::{text, units};

/// `retry` and `circuitBreaker`
pub fn add(out: &mut Output, kind: &str, at: &At<'_>, chain: &mut Chain) {
    if kind == "retry" { retry(out, at, chain) } else { breaker(out, at, chain) }
}

fn retry(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let attempts = at.node.text("attempts").and_then(|text| text.parse::<i64>().ok()).unwrap_or(1);
    chain.service.push((vec!["retry", "attempts"], (attempts - 1).max(0).into(), at.place.clone()));
    if let Some(interval) = at.node.get("initialInterval")
        && let Some(time) = interval.scalar().and_then(|text| text::go_duration(text, Duration::from_secs(1)))
        && !time.is_zero()
    {
        chain.service.push((vec!["retry", "back_off"], text::duration(time).into(), interval.place.clone()));
    }
    let mut on = vec!["connect".to_owned(), "reset".to_owned()];
    if at.node.flag("disableRetryOnNetworkError") {
        on.clear();
    }
    for status in at.node.texts("status") {
        match status.split_once('-') {
            Some((from, to)) => {
                let range = from.parse::<u16>().ok().zip(to.parse::<u16>().ok());
                let (from, to) = range.unwrap_or((0, 0));
                on.extend(
                    (from..=to.min(599)).take(100).filter(|status| *status >= 400).map(|status| status.to_string()),
                );
            }
            None => on.push(status.to_owned()),
        }
    }
    chain.service.push((vec!["retry", "on"], on.into(), at.place.clone()));
    for key in ["timeout", "maxRequestBodyBytes"] {
        at.node.get(key);
    }
    if let Some(node) = at.node.get("retryNonIdempotentMethod").filter(|node| node.scalar() == Some("true")) {
        let why = "a POST is never executed twice: only what has not reached a backend is sent again";
        out.findings.warning(&node.place, format!("{}.retryNonIdempotentMethod", at.what), why, "");
    }
    let why = "what is sent again is bound by a budget (a fifth of the recent requests), and goes to another backend where there is one";
    out.findings.note(&at.place, &at.what, why, "");
}

fn breaker(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let expression = at.node.text("expression").unwrap_or_default();
    let what = format!("{}.expression", at.what);
    let mut share: Option<f64> = None;
    let mut other = false;
    for part in expression.split("||").map(str::trim) {
        let found =
            part.rsplit_once('>').and_then(|(_, number)| number.trim_start_matches('=').trim().parse::<f64>().ok());
        let known = part.starts_with("NetworkErrorRatio()")
            || part.starts_with("ResponseCodeRatio(500, 600,")
            || part.starts_with("ResponseCodeRatio(500,600,");
        match found.filter(|number| known && !part.contains("&&") && *number > 0.0 && *number <= 1.0) {
            Some(number) => share = Some(share.map_or(number, |known| known.min(number))),
            None => other = true,
        }
    }
    if other {
        let why = "of the conditions only shares of failures are there (NetworkErrorRatio, ResponseCodeRatio of 5xx): the others are left out";
        let advice =
            "a backend that is slower than its peers is taken out by `[service.NAME.outlier]`, which is on by default";
        out.findings.warning(&at.place, &what, why, advice);
    }
    if let Some(share) = share {
        chain.service.push((vec!["circuit_breaker", "error_rate"], share.into(), at.place.clone()));
        let open =
            at.node.get("fallbackDuration").and_then(|node| text::go_duration(node.scalar()?, Duration::from_secs(1)));
        let open = open.filter(|open| !open.is_zero()).unwrap_or(Duration::from_secs(10));
        chain.service.push((vec!["circuit_breaker", "open_for"], text::duration(open).into(), at.place.clone()));
        out.findings.note(
            &at.place,
            &at.what,
            "each backend has a breaker of its own, which five failures in a row open as well",
            "",
        );
    }
    for key in ["checkPeriod", "fallbackDuration", "recoveryDuration"] {
        at.node.get(key);
    }
    if let Some(code) = at.node.get("responseCode") {
        out.findings.warning(
            &code.place,
            format!("{}.responseCode", at.what),
            "the answer is 503",
            "`fallback` of the service",
        );
    }
}

/// `compress`
pub fn compress(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let mut compress = Table::default();
    if let Some(encodings) = at.node.get("encodings") {
        let known: Vec<&str> =
            at.node.texts("encodings").into_iter().filter(|one| matches!(*one, "gzip" | "br" | "zstd")).collect();
        compress.put(&["algorithms"], known, &encodings.place);
    }
    if let Some(types) = at.node.get("includedContentTypes") {
        compress.put(&["types"], at.node.texts("includedContentTypes"), &types.place);
    }
    if let Some(least) = at.node.get("minResponseBodyBytes")
        && let Some(bytes) = least.scalar().and_then(|text| text.parse::<u64>().ok()).filter(|bytes| *bytes > 0)
    {
        compress.put(&["min_size"], units::size(bytes), &least.place);
    }
    at.node.get("defaultEncoding");
    // streams of events are never held up, and gRPC is never touched
    let others = |name: &&str| !matches!(*name, "text/event-stream" | "application/grpc");
    if let Some(types) = at.node.get("excludedContentTypes")
        && at.node.texts("excludedContentTypes").iter().any(others)
    {
        let why = "types that are not compressed can't be named: those are that `types` names";
        out.findings.warning(&types.place, format!("{}.excludedContentTypes", at.what), why, "docs/compression.md");
    }
    let place = at.place.clone();
    let value: Value = if compress.is_empty() { true.into() } else { compress.into() };
    chain.change(at, move |treatment| treatment.table.put(&["compress"], value.clone(), &place));
}

/// Those that nothing here is like.
pub fn left_out(out: &mut Output, kind: &str, at: &At<'_>, _chain: &mut Chain) {
    at.node.seen();
    let Node { place, .. } = at.node;
    let (why, advice) = match kind {
        "errors" => (
            "pages of errors don't come from another service",
            "`error_pages` of the route or the service, from files: docs/error-pages.md",
        ),
        "contenttype" => {
            out.findings.note(place, &at.what, "a Content-Type is never made up", "");
            return;
        }
        "passtlsclientcert" => (
            "backends are not told of the client's certificate in X-Forwarded-Tls-Client-Cert; what clients say there is dropped",
            "`client_cert_header = \"certificate\"` in `[listener.tls]` tells it in Client-Cert (RFC 9440); a route can ask for names by `auth = { client_cert = { names = [...] } }`",
        ),
        "grpcweb" => ("gRPC-Web is not translated: it is passed on as it is", "have the backends speak gRPC-Web"),
        _ => (
            "which characters may be encoded is said by the listener",
            "`ambiguous_paths` and `limits.allow_encoded_controls` of the listener: docs/routing.md",
        ),
    };
    out.findings.warning(place, &at.what, why, advice);
}
