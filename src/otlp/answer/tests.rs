//! Answers as collectors give them.

use http::HeaderValue;

use super::*;
use crate::protobuf::Writer;

fn http(status: u16, fields: &[(&'static str, &str)], body: Vec<u8>) -> Handling {
    let headers = fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
    let (status, headers) = (StatusCode::from_u16(status).unwrap(), headers.collect());
    Answer { status, headers, body, trailers: HeaderMap::new() }.of_http(SystemTime::now())
}

fn grpc(trailers: &[(&'static str, &str)], message: &[u8]) -> Handling {
    let trailers = trailers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
    let body = [&[0, 0, 0, 0, message.len() as u8][..], message].concat();
    Answer { status: StatusCode::OK, headers: HeaderMap::new(), body, trailers: trailers.collect() }.of_grpc()
}

/// `ExportTraceServiceResponse { partial_success { rejected_spans, error_message } }`
fn partial(rejected: u64, why: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(1, |partial| {
        partial.varint(1, rejected);
        partial.bytes(2, why.as_bytes());
    });
    writer.into_bytes()
}

/// `google.rpc.Status` with `RetryInfo`, in base64 without padding.
fn retry_info(seconds: u64, nanos: u64) -> String {
    let mut status = Writer::default();
    status.varint(1, 8);
    status.message(3, |any| {
        any.bytes(1, b"type.googleapis.com/google.rpc.DebugInfo");
        any.bytes(2, b"\x0a\x01x");
    });
    status.message(3, |any| {
        any.bytes(1, b"type.googleapis.com/google.rpc.RetryInfo");
        any.message(2, |info| {
            info.message(1, |delay| {
                delay.varint(1, seconds);
                delay.varint(2, nanos);
            });
        });
    });
    BASE64_NOPAD.encode(&status.into_bytes())
}

fn later(answer: &Handling) -> Option<Duration> {
    match answer {
        Handling::Later(pause, _) => Some(*pause),
        Handling::Taken(..) | Handling::Refused(_) => None,
    }
}

#[test]
fn over_http_what_is_busy_is_asked_again_and_what_refuses_is_not() {
    assert_eq!(http(200, &[], Vec::new()), Handling::Taken(0, String::new()));
    assert_eq!(http(200, &[], partial(3, "too old")), Handling::Taken(3, "too old".to_owned()));
    for status in [429, 502, 503, 504] {
        assert_eq!(later(&http(status, &[], Vec::new())), Some(Duration::ZERO), "{status}");
        assert_eq!(later(&http(status, &[("retry-after", "7")], Vec::new())), Some(Duration::from_secs(7)));
    }
    for status in [301, 400, 401, 404, 408, 413, 500, 501] {
        assert_eq!(http(status, &[], Vec::new()), Handling::Refused(format!("status {status}")));
    }
    assert_eq!(later(&http(503, &[("retry-after", "99999")], Vec::new())), Some(LONGEST_PAUSE));
    let mut status = Writer::default();
    status.varint(1, 3);
    status.bytes(2, "no\nroom".as_bytes());
    let kind = [("content-type", "application/x-protobuf")];
    assert_eq!(http(400, &kind, status.into_bytes()), Handling::Refused("status 400: no room".to_owned()));
}

#[test]
fn over_grpc_the_status_decides() {
    assert_eq!(grpc(&[("grpc-status", "0")], b""), Handling::Taken(0, String::new()));
    assert_eq!(grpc(&[("grpc-status", "0")], &partial(2, "x")), Handling::Taken(2, "x".to_owned()));
    for code in ["1", "4", "10", "11", "14", "15"] {
        assert_eq!(later(&grpc(&[("grpc-status", code)], b"")), Some(Duration::ZERO), "{code}");
    }
    for code in ["2", "3", "5", "6", "7", "8", "9", "12", "13", "16", "99"] {
        assert_eq!(grpc(&[("grpc-status", code)], b""), Handling::Refused(format!("gRPC status {code}")));
    }
    let told = grpc(&[("grpc-status", "16"), ("grpc-message", "no%20token")], b"");
    assert_eq!(told, Handling::Refused("gRPC status 16: no token".to_owned()));
}

#[test]
fn a_collector_says_by_retry_info_when_it_takes_more() {
    for padding in ["", "=", "=="] {
        let details = format!("{}{padding}", retry_info(2, 500_000_000));
        for code in ["8", "14"] {
            let answer = grpc(&[("grpc-status", code), ("grpc-status-details-bin", &details)], b"");
            assert_eq!(later(&answer), Some(Duration::from_millis(2500)), "{code}");
        }
    }
    let long = retry_info(1_000_000, 0);
    assert_eq!(later(&grpc(&[("grpc-status", "8"), ("grpc-status-details-bin", &long)], b"")), Some(LONGEST_PAUSE));
    for broken in ["", "!", "AAAA", &retry_info(1, 0)[..20]] {
        let answer = grpc(&[("grpc-status", "8"), ("grpc-status-details-bin", broken)], b"");
        assert!(matches!(answer, Handling::Refused(_)), "{broken}: {answer:?}");
    }
}

#[test]
fn whoever_stands_between_and_knows_no_grpc_is_understood() {
    let answer = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: Vec::new(), trailers: HeaderMap::new() }.of_grpc()
    };
    assert_eq!(later(&answer(503)), Some(Duration::ZERO));
    assert!(matches!(answer(404), Handling::Refused(_)) && matches!(answer(200), Handling::Refused(_)));
    // an error without a body has its status in the head
    let headers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("14"))]);
    let only = Answer { status: StatusCode::OK, headers, body: Vec::new(), trailers: HeaderMap::new() };
    assert_eq!(later(&only.of_grpc()), Some(Duration::ZERO));
}
