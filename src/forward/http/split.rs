//! On which side of a split a request goes, and the cookie that keeps a client there.
//!
//! The cookie holds one of 65,536 points. It says nothing about who the client is, because many share each point, and it needs no signature:
//! who makes one up only chooses a side that others are on as well. All splits share it, since the sides draw their numbers from it by their
//! names.

use std::cell::Cell;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};

use super::Connection;
use crate::affinity::cookie;
use crate::forward::placement::keys;
use crate::policy::SplitBy;
use crate::protocol::http::Request;
use crate::snapshot::{Listener, Point, Split};

const COOKIE: &str = "evenkeel_split";
/// The longest that browsers keep a cookie: 400 days, in seconds (draft-ietf-httpbis-rfc6265bis, section 5.5).
const MAX_AGE: u32 = 400 * 24 * 60 * 60;
/// How many cookies of the name are looked at. A browser has two where a parent domain has set one as well.
const MOST: usize = 4;

/// What decides on which side a request goes. A client that has nothing to be told apart by goes where chance has it. One that has no cookie yet
/// gets a `new_point`.
pub fn point(
    split: &Split,
    request: &Request,
    (connection, listener): (&Connection, &Listener),
    new_point: &Cell<Option<u16>>,
) -> Point {
    let random = || connection.worker.random.borrow_mut().u32(..);
    match split.by() {
        None => Point::Random(random()),
        Some(SplitBy::Key(key)) => {
            let sender = || connection.sender(listener, request);
            keys::find(key, request, sender).map_or_else(|| Point::Random(random()), Point::Client)
        }
        Some(SplitBy::Cookie) => {
            let point = read(&request.headers).unwrap_or_else(|| {
                let point = (random() >> 16) as u16;
                new_point.set(Some(point));
                point
            });
            Point::Client(u64::from(point))
        }
    }
}

/// The first valid point in a request's cookies.
fn read(headers: &HeaderMap) -> Option<u16> {
    let fields = headers.get_all(header::COOKIE).into_iter();
    let mut values = fields.flat_map(|field| cookie::values(field.as_bytes(), COOKIE)).take(MOST);
    values.find_map(|value| {
        let is_ours = value.len() == 4 && value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u16::from_str_radix(str::from_utf8(value).ok().filter(|_| is_ours)?, 16).ok()
    })
}

/// Has the client keep its point.
pub fn put(headers: &mut HeaderMap, point: u16, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={point:04x}; Path=/; Max-Age={MAX_AGE}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
        headers.append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_as_it_was_written() {
        for (cookie, point) in [
            ("evenkeel_split=00ff", Some(0xff)),
            ("a=b; evenkeel_split=\"beef\"", Some(0xbeef)),
            ("evenkeel_split=x; evenkeel_split=0001", Some(1)),
            ("evenkeel_split=+0ff", None),
            ("evenkeel_split=00FF", None),
            ("evenkeel_split=0ff", None),
            ("evenkeel_splitx=00ff", None),
        ] {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(cookie))]);
            assert_eq!(read(&headers), point, "{cookie}");
        }
    }
}
