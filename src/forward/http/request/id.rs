//! Each request gets an id where its listener gives ids: a backend, the client and the access log are told the same one.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::forward::Worker;
use crate::protocol::http::Request;
use crate::protocol::http::fields::{self, Client};

/// The longest id that is taken from a trusted proxy, in bytes.
const LONGEST: usize = 128;

/// The id of a request, and the field that carries it.
#[derive(Debug)]
pub struct RequestId<'a> {
    name: &'a HeaderName,
    value: HeaderValue,
}

impl<'a> RequestId<'a> {
    /// Makes a new id.
    pub fn new(name: &'a HeaderName, worker: &Worker) -> Self {
        Self { name, value: worker.request_ids.next(&worker.timers, &mut worker.random.borrow_mut()) }
    }

    /// The id that a trusted proxy has given the request, or a new one, which replaces whatever else says that it is the id.
    pub fn assign(name: &'a HeaderName, request: &mut Request, client: &Client, worker: &Worker) -> Self {
        let given = if client.trusted { given(&request.headers, name) } else { None };
        let id = given.map_or_else(|| Self::new(name, worker), |value| Self { name, value });
        fields::remove_alike(&mut request.headers, name);
        id.put(&mut request.headers);
        id
    }

    /// The id.
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// Says it in the fields of a message, in place of what they say.
    pub fn put(&self, headers: &mut HeaderMap) {
        headers.insert(self.name.clone(), self.value.clone());
    }
}

/// The one id that the fields give, where it is a good one.
fn given(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut given = headers.get_all(name).iter();
    let id = given.next().filter(|id| is_good(id.as_bytes()))?;
    given.next().is_none().then(|| id.clone())
}

/// Whether it can stand in a log as it is.
fn is_good(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_as_it_is_or_not_at_all() {
        let name = HeaderName::from_static("x-request-id");
        let taken = |values: &[&[u8]]| {
            let values = values.iter().map(|value| (name.clone(), HeaderValue::from_bytes(value).unwrap()));
            given(&values.collect(), &name).map(|id| id.as_bytes().to_vec())
        };
        let (longest, longer) = ([b'x'; 128], [b'x'; 129]);
        for good in [&b"a"[..], b"~!\"$%&/()=", &longest] {
            assert_eq!(taken(&[good]).as_deref(), Some(good));
        }
        for bad in [&[&b""[..]][..], &[b"a b"], &[b"a\tb"], &[b"\xc3\xa9"], &[&longer], &[b"a", b"b"], &[]] {
            assert_eq!(taken(bad), None, "{bad:?}");
        }
    }
}
