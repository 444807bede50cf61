//! The answer to an exchange that failed. This is the only place where a failure gets a status code, and a new kind of error does not
//! compile until it has been given one.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::context::Values;
use super::error_page;
use crate::error::{Kind, Shortage};
use crate::policy::Fallback;
use crate::protocol::http::fields::PROXY_STATUS;
use crate::protocol::http::grpc::{self, Code};

/// Recovery has cut a path off.
const CUT_OFF: &str = "evenkeel; error=destination_unavailable; details=\"cut off by recovery\"";
/// Its clients are shown a page.
const MAINTENANCE: &str = "evenkeel; error=destination_unavailable; details=\"maintenance\"";
/// The service that says who may come in was not heard.
const UNDECIDED: &str = "evenkeel; error=destination_unavailable; details=\"authentication\"";

/// The status, and the error type of RFC 9209 that tells the answer from a backend's.
fn status(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        // RFC 9112, section 6.1, has 501 for a coding that is unknown, and section 6.3, rule 4, has 400 for a length that nobody
        // can tell, which is what is wrong here
        Kind::MalformedRequest | Kind::UnknownTransferCoding | Kind::PlainHttp => {
            (StatusCode::BAD_REQUEST, "evenkeel; error=http_request_error")
        }
        Kind::TargetTooLong => (StatusCode::URI_TOO_LONG, "evenkeel; error=http_request_error"),
        Kind::HeadersTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "evenkeel; error=http_request_error"),
        Kind::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "evenkeel; error=http_request_error"),
        // mostly nobody reads this, and the record has no answer. But a client that only ended its side is told that its request is not whole
        // (RFC 9112, section 8)
        Kind::ClientGone => (StatusCode::BAD_REQUEST, "evenkeel; error=http_request_error"),
        Kind::SlowRequest => (StatusCode::REQUEST_TIMEOUT, "evenkeel; error=http_request_error"),
        Kind::UnsupportedVersion => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "evenkeel; error=http_request_error"),
        Kind::UnknownExpectation => (StatusCode::EXPECTATION_FAILED, "evenkeel; error=http_request_error"),
        Kind::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "evenkeel; error=http_request_error"),
        Kind::Denied => (StatusCode::FORBIDDEN, "evenkeel; error=http_request_denied"),
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "evenkeel; error=http_request_denied"),
        Kind::Undecided => (StatusCode::SERVICE_UNAVAILABLE, UNDECIDED),
        Kind::NotUpgraded => (StatusCode::BAD_GATEWAY, "evenkeel; error=http_upgrade_failed"),
        Kind::NoRoute => (StatusCode::NOT_FOUND, "evenkeel; error=destination_not_found"),
        Kind::NoBackend => (StatusCode::SERVICE_UNAVAILABLE, "evenkeel; error=destination_unavailable"),
        Kind::CutOff(_) => (StatusCode::SERVICE_UNAVAILABLE, CUT_OFF),
        // the configuration may have another one (`maintenance.status`)
        Kind::Maintenance => (StatusCode::SERVICE_UNAVAILABLE, MAINTENANCE),
        Kind::RateLimited(_) | Kind::ClientLimit => (StatusCode::TOO_MANY_REQUESTS, limited(kind)),
        Kind::Overload => (StatusCode::SERVICE_UNAVAILABLE, "evenkeel; error=connection_limit_reached"),
        Kind::Shed => {
            (StatusCode::SERVICE_UNAVAILABLE, "evenkeel; error=connection_limit_reached; details=\"overload\"")
        }
        Kind::Shortage(lack) => (StatusCode::SERVICE_UNAVAILABLE, lacking(lack)),
        Kind::Connect => (StatusCode::BAD_GATEWAY, "evenkeel; error=connection_refused"),
        Kind::Unreachable => (StatusCode::BAD_GATEWAY, "evenkeel; error=destination_ip_unroutable"),
        Kind::ConnectTimeout => (StatusCode::GATEWAY_TIMEOUT, "evenkeel; error=connection_timeout"),
        Kind::NoStream => {
            (StatusCode::GATEWAY_TIMEOUT, "evenkeel; error=connection_timeout; details=\"it takes no more streams\"")
        }
        Kind::UpstreamTls => (StatusCode::BAD_GATEWAY, "evenkeel; error=tls_protocol_error"),
        Kind::UpstreamCertificate => (StatusCode::BAD_GATEWAY, "evenkeel; error=tls_certificate_error"),
        Kind::UpstreamClosed => (StatusCode::BAD_GATEWAY, "evenkeel; error=connection_terminated"),
        // nothing was executed: the client may send it again, as where no backend was found
        Kind::UpstreamRefused => (StatusCode::SERVICE_UNAVAILABLE, "evenkeel; error=destination_unavailable"),
        Kind::UpstreamReset => (StatusCode::BAD_GATEWAY, "evenkeel; error=http_response_incomplete"),
        Kind::UpstreamProtocol => {
            (StatusCode::BAD_GATEWAY, "evenkeel; error=http_protocol_error; details=\"HTTP/2 connection error\"")
        }
        Kind::UpstreamMalformed => (StatusCode::BAD_GATEWAY, "evenkeel; error=http_protocol_error"),
        Kind::UpstreamHeadersTooLarge => (StatusCode::BAD_GATEWAY, "evenkeel; error=http_response_header_section_size"),
        Kind::UpstreamTrailersTooLarge => {
            (StatusCode::BAD_GATEWAY, "evenkeel; error=http_response_trailer_section_size")
        }
        Kind::UpstreamTimeout | Kind::UpstreamHung => {
            (StatusCode::GATEWAY_TIMEOUT, "evenkeel; error=http_response_timeout")
        }
        // nobody reads this: the connection is cut off as well
        Kind::DrainOver => (StatusCode::SERVICE_UNAVAILABLE, "evenkeel; error=connection_terminated"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "evenkeel; error=proxy_internal_error"),
    }
}

/// Which limit of a client's requests is reached: how many it sends in a time, or has in flight.
fn limited(kind: Kind) -> &'static str {
    match kind {
        Kind::RateLimited(_) => "evenkeel; error=http_request_denied; details=\"rate limit\"",
        _ => "evenkeel; error=http_request_denied; details=\"client limit\"",
    }
}

/// What this machine lacks: the error type of RFC 9209 that comes nearest, with details in words.
fn lacking(lack: Shortage) -> &'static str {
    match lack {
        Shortage::Ports => "evenkeel; error=connection_limit_reached; details=\"no local port is free\"",
        Shortage::Descriptors => "evenkeel; error=connection_limit_reached; details=\"no file descriptor is free\"",
        Shortage::Memory => "evenkeel; error=connection_limit_reached; details=\"no memory for a socket\"",
        Shortage::Route => "evenkeel; error=destination_ip_unroutable; details=\"no route from here\"",
        Shortage::Permission => "evenkeel; error=destination_ip_prohibited; details=\"not allowed from here\"",
    }
}

/// The answer that the configuration has for a service without a backend that can be used, or that is cut off; `None` when the failure is another one.
fn fallback(kind: Kind, fallback: &Fallback, values: &Values<'_, '_>) -> Option<Response<Bytes>> {
    if !matches!(kind, Kind::NoBackend | Kind::CutOff(_) | Kind::Overload | Kind::Shed | Kind::Shortage(_)) {
        return None;
    }
    let mut response = Response::new(values.body(&fallback.body));
    *response.status_mut() = fallback.status;
    let headers = response.headers_mut();
    headers.insert(PROXY_STATUS, HeaderValue::from_static(status(kind).1));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !fallback.body.is_empty() {
        headers.insert(header::CONTENT_TYPE, fallback.content_type.clone());
    }
    if let Some(seconds) = fallback.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Some(response)
}

/// The answer to an exchange that failed, in the form that its client prefers: what its service has for such times, a page of the configuration,
/// text, or problem details.
pub fn explain<'a>(
    kind: Kind,
    of_service: Option<&Fallback>,
    values: &Values<'_, '_>,
    accept: impl Iterator<Item = &'a [u8]>,
) -> Response<Bytes> {
    if let Some(mut answer) = of_service.and_then(|own| fallback(kind, own, values)) {
        if answer.body().is_empty() {
            error_page::tell_by_page(&mut answer, values, accept);
        }
        return answer;
    }
    let mut answer = head(kind);
    let maintenance = values.maintenance().filter(|_| kind == Kind::Maintenance);
    if let Some(maintenance) = maintenance {
        *answer.status_mut() = maintenance.status;
        let seconds = maintenance.retry_after(SystemTime::now());
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let page = maintenance.and_then(|maintenance| maintenance.page.as_ref());
    error_page::tell(&mut answer, page, detail(kind), values, accept);
    answer
}

/// The answer to an exchange that failed, of which nothing more is known.
pub fn answer(kind: Kind) -> Response<Bytes> {
    let mut response = head(kind);
    error_page::text(&mut response, detail(kind));
    response
}

/// What there is to say beyond the status.
fn detail(kind: Kind) -> Option<&'static str> {
    // somebody has written http:// for https://, and sees nothing but this text
    (kind == Kind::PlainHttp).then_some("The plain HTTP request was sent to HTTPS port")
}

/// The answer to an exchange that failed, without its body.
fn head(kind: Kind) -> Response<Bytes> {
    let (status, proxy_status) = status(kind);
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(PROXY_STATUS, HeaderValue::from_static(proxy_status));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        let seconds = if let Kind::CutOff(seconds) | Kind::RateLimited(seconds) = kind { seconds } else { 1 };
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The answer to a gRPC call that failed, whose content type was this: its status is in the head, as where a server has nothing else to
/// say ("Trailers-Only"), which gRPC-Web takes as well.
pub fn grpc(kind: Kind, form: HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, form);
    headers.insert(grpc::STATUS, HeaderValue::from(grpc_code(kind) as u16));
    headers.insert(grpc::MESSAGE, grpc::message(kind.as_str()));
    headers.insert(PROXY_STATUS, HeaderValue::from_static(status(kind).1));
    response
}

/// What a failure is called in gRPC, as its own libraries call it (`statuscodes.md`): a connection that breaks is `UNAVAILABLE`, whatever
/// was sent on it.
pub fn grpc_code(kind: Kind) -> Code {
    match kind {
        Kind::NoRoute => Code::Unimplemented,
        Kind::Denied => Code::PermissionDenied,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::HeadersTooLarge | Kind::TargetTooLong | Kind::BodyTooLarge | Kind::RateLimited(_) | Kind::ClientLimit => {
            Code::ResourceExhausted
        }
        Kind::MalformedRequest
        | Kind::UnknownTransferCoding
        | Kind::UnsupportedVersion
        | Kind::UnknownExpectation
        | Kind::Misdirected
        | Kind::PlainHttp
        | Kind::NotUpgraded
        | Kind::UpstreamReset
        | Kind::UpstreamProtocol
        | Kind::UpstreamMalformed
        | Kind::UpstreamHeadersTooLarge
        | Kind::UpstreamTrailersTooLarge
        | Kind::Internal => Code::Internal,
        Kind::ClientGone => Code::Cancelled,
        Kind::SlowRequest | Kind::UpstreamTimeout | Kind::UpstreamHung => Code::DeadlineExceeded,
        Kind::NoBackend
        | Kind::CutOff(_)
        | Kind::Overload
        | Kind::Shed
        | Kind::Maintenance
        | Kind::Shortage(_)
        | Kind::Undecided
        | Kind::DrainOver
        | Kind::Connect
        | Kind::Unreachable
        | Kind::ConnectTimeout
        | Kind::NoStream
        | Kind::UpstreamTls
        | Kind::UpstreamCertificate
        | Kind::UpstreamClosed
        | Kind::UpstreamRefused => Code::Unavailable,
    }
}
