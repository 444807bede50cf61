//! Fields of answers and trailers, as they are written.

use bytes::BytesMut;
use http::{HeaderMap, StatusCode, header};

use crate::protocol::h2::connection_fields::is_of_connection;
use crate::protocol::h2::hpack::encode;

/// Writes the head of an answer.
pub(super) fn answer(
    block: &mut BytesMut,
    status: StatusCode,
    headers: &HeaderMap,
    date: Option<&[u8]>,
    length: Option<u64>,
) {
    encode::status(block, status);
    let said = all(block, headers);
    if let Some(date) = date
        && !said.date
    {
        encode::field(block, &header::DATE, date, false);
    }
    if let Some(length) = length
        && !said.length
    {
        encode::field(block, &header::CONTENT_LENGTH, header::HeaderValue::from(length).as_bytes(), false);
    }
}

/// Which of the fields that we add are there already.
#[derive(Debug, Default)]
pub(super) struct Said {
    date: bool,
    length: bool,
}

/// Writes fields; gives back which of ours are among them.
pub(super) fn all(block: &mut BytesMut, headers: &HeaderMap) -> Said {
    let mut said = Said::default();
    for (name, value) in headers {
        // no backend's, for those are gone, but a configuration may set some
        if is_of_connection(name) {
            continue;
        }
        said.date |= *name == header::DATE;
        said.length |= *name == header::CONTENT_LENGTH;
        encode::field(block, name, value.as_bytes(), value.is_sensitive());
    }
    said
}
