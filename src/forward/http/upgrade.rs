//! A request for another protocol on the same connection, mostly WebSocket, where the client and the backend may speak different versions
//! of HTTP: HTTP/1.1 asks by the field `Upgrade` and is answered 101, HTTP/2 asks by extended CONNECT and is answered 200 (RFC 8441).

use std::cell::RefCell;

use data_encoding::BASE64;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};

use super::body::Content;
use crate::error::{Error, Kind, Result};
use crate::protocol::http::length::Length;
use crate::protocol::http::{Request, RequestLine, Upgrade};
use crate::snapshot::Service;
use crate::upstream::Answer;

/// Makes a handshake of HTTP/1.1 out of extended CONNECT, which has neither its method nor its key (RFC 8441, section 5).
pub fn complete_handshake(request: &mut Request, random: &RefCell<fastrand::Rng>) {
    if let Some(Upgrade::Connect(_)) = &request.upgrade {
        request.method = Method::GET;
        request.headers.insert(header::SEC_WEBSOCKET_KEY, new_key(&mut random.borrow_mut()));
    }
}

/// 16 random bytes in base64, as RFC 6455, section 4.1, asks. The last of 22 characters holds two bits.
fn new_key(random: &mut fastrand::Rng) -> HeaderValue {
    const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut key: String = (0..21).map(|_| char::from(BASE64[random.usize(..64)])).collect();
    key.push(char::from(b"AQgw"[random.usize(..4)]));
    key.push_str("==");
    HeaderValue::try_from(key).unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// The protocol that a backend is asked to speak. A server may ignore an `Upgrade` (RFC 9110, section 7.8). Over HTTP/2 only a WebSocket's
/// handshake has a form (RFC 8441, section 5): whatever else comes with that field is an ordinary request there.
pub fn to_ask_for<'r>(request: &'r Request, service: &Service) -> Option<&'r HeaderValue> {
    match request.upgrade.as_ref()? {
        Upgrade::Connect(protocol) => Some(protocol),
        Upgrade::Field(protocol) => {
            let is_handshake = request.method == Method::GET
                && request.length == Length::Fixed(0)
                && protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
            (is_handshake || !service.is_multiplexed()).then_some(protocol)
        }
    }
}

/// RFC 6455, section 4.2.1: where the backend speaks HTTP/2, it is we who finish the handshake of HTTP/1.1, and so look at its key.
///
/// # Errors
///
/// When the key is not what it has to be.
pub fn check_key(line: &RequestLine<'_>, headers: &HeaderMap, service: &Service) -> Result<()> {
    if line.upgrade.is_some() && service.is_multiplexed() && !has_key(headers) {
        return Err(Error::new(Kind::MalformedRequest, "Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    Ok(())
}

fn has_key(headers: &HeaderMap) -> bool {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let is_key = |key: &HeaderValue| BASE64.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16);
    keys.next().is_some_and(is_key) && keys.next().is_none()
}

/// RFC 8441, section 5: to a client that asked for another protocol over HTTP/2, any 2xx says that the stream speaks it from here on. An
/// HTTP/1 backend that answers 200 has only ignored what it was asked for.
///
/// # Errors
///
/// When the client would take the answer for a tunnel that is none.
pub fn check_answer(answer: &Answer<Content>, upgrade: Option<&Upgrade>) -> Result<()> {
    let asked = matches!(upgrade, Some(Upgrade::Connect(_)));
    if asked && answer.status.is_success() && !matches!(answer.body, Content::Tunnel(_)) {
        return Err(Error::new(Kind::NotUpgraded, ""));
    }
    Ok(())
}

/// RFC 8441, section 5: to extended CONNECT a 200 says what 101 says in HTTP/1.1.
pub fn answer_connect(response: &mut Response<Content>, upgrade: Option<&Upgrade>) {
    if matches!((response.body(), upgrade), (Content::Tunnel(_), Some(Upgrade::Connect(_)))) {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(header::UPGRADE);
        response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
    }
}
