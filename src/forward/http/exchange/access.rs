//! What the access log says of a request: of one that was read, and of one that was refused.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

use crate::error::Error;
use crate::protocol::http::partial::Partial;
use crate::protocol::http::{ClientBody, Request, RequestBody};
use crate::record::access::{AttemptLog, Chosen, ExchangeEntry, FirstLine, Lines};

/// Bytes of each piece of what was refused: a client may make a target, or a field, as long as a head.
const MOST_OF_REFUSED: usize = 1024;

/// What a PROXY header said of a client beyond its address.
type ProxyHeader = Vec<(Box<str>, Box<str>)>;

/// Of this request. `client` is the address of who sent it. Where lines say how long its body is, the body is counted from here on.
pub fn of(request: &mut Request, lines: Lines, client: Option<IpAddr>, proxy_header: ProxyHeader) -> ExchangeEntry {
    ExchangeEntry {
        client,
        line: FirstLine::Read(request.method.clone(), request.uri.clone(), request.version),
        attempts: AttemptLog::default(),
        proxy_header,
        host: request.host.clone(),
        referer: request.headers.get(header::REFERER).cloned(),
        user_agent: request.headers.get(header::USER_AGENT).cloned(),
        request_id: None,
        trace_id: None,
        chosen: Chosen {
            request_headers: values(&lines.request_headers, &request.headers),
            bytes_in: if lines.wants.bytes_in { count(&mut request.body) } else { None },
            ..Chosen::default()
        },
        lines,
    }
}

/// Of what did not become a request. `what` is known of it.
pub fn of_refused(
    what: &Partial<'_>,
    lines: Lines,
    client: Option<IpAddr>,
    proxy_header: ProxyHeader,
) -> ExchangeEntry {
    let bounded = |piece: Option<&[u8]>| piece.map(|piece| piece[..piece.len().min(MOST_OF_REFUSED)].to_vec());
    let text = |piece| bounded(piece).map(|piece| String::from_utf8_lossy(&piece).into());
    let value = |piece| bounded(piece).and_then(|piece| HeaderValue::try_from(piece).ok());
    ExchangeEntry {
        lines,
        client,
        line: FirstLine::Refused([what.method, what.target, what.protocol].map(text)),
        attempts: AttemptLog::default(),
        proxy_header,
        host: value(what.host),
        referer: value(what.referer),
        user_agent: value(what.user_agent),
        request_id: None,
        trace_id: None,
        chosen: Chosen::default(),
    }
}

/// Notes the fields of the answer that lines say.
pub fn note_answer(entry: &mut ExchangeEntry, headers: &HeaderMap) {
    entry.chosen.response_headers = values(&entry.lines.response_headers, headers);
}

/// The values of these fields; all lines of one field are joined.
fn values(names: &[HeaderName], headers: &HeaderMap) -> Vec<Option<HeaderValue>> {
    names.iter().map(|name| value(name, headers)).collect()
}

fn value(name: &HeaderName, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let Some(second) = lines.next() else { return Some(first.clone()) };
    let mut all = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        all.extend_from_slice(b", ");
        all.extend_from_slice(line.as_bytes());
    }
    HeaderValue::try_from(all).ok()
}

/// Counts the bytes of a body as they are read; `None` = there are none.
fn count(body: &mut RequestBody) -> Option<Rc<Cell<u64>>> {
    match std::mem::take(body) {
        RequestBody::Client(inner) => {
            let bytes = Rc::default();
            *body = RequestBody::Client(Box::new(CountedBody { inner, bytes: Rc::clone(&bytes) }));
            Some(bytes)
        }
        other => {
            *body = other;
            None
        }
    }
}

/// A body whose bytes are counted.
#[derive(Debug)]
struct CountedBody {
    inner: Box<dyn ClientBody>,
    bytes: Rc<Cell<u64>>,
}

impl ClientBody for CountedBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = self.inner.poll(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.bytes.set(self.bytes.get() + data.len() as u64);
        }
        polled
    }

    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_begun(cx)
    }

    fn refuse_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        self.inner.refuse_in_trailers(fields);
    }

    fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    fn is_held(&self) -> bool {
        self.inner.is_held()
    }

    fn remaining(&self) -> Option<u64> {
        self.inner.remaining()
    }
}
