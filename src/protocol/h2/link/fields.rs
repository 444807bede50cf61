//! Writing the fields of responses and trailers.

use bytes::BytesMut;
use http::{HeaderMap, StatusCode, header};

use crate::protocol::h2::connection_fields::is_of_connection;
use crate::protocol::h2::hpack::encode;

/// Writes the head of a response.
pub(super) fn response(
    block: &mut BytesMut,
    status: StatusCode,
    headers: &HeaderMap,
    date: Option<&[u8]>,
    length: Option<u64>,
) {
    encode::status(block, status);
    let present = write(block, headers);
    if let Some(date) = date
        && !present.date
    {
        encode::field(block, &header::DATE, date, false);
    }
    if let Some(length) = length
        && !present.length
    {
        encode::field(block, &header::CONTENT_LENGTH, header::HeaderValue::from(length).as_bytes(), false);
    }
}

/// Which of the fields that we would add are already there.
#[derive(Debug, Default)]
pub(super) struct Present {
    date: bool,
    length: bool,
}

/// Writes fields, and returns which of those that we would add are among them.
pub(super) fn write(block: &mut BytesMut, headers: &HeaderMap) -> Present {
    let mut present = Present::default();
    for (name, value) in headers {
        // those of a backend were removed already, but a configuration may set some
        if is_of_connection(name) {
            continue;
        }
        present.date |= *name == header::DATE;
        present.length |= *name == header::CONTENT_LENGTH;
        encode::field(block, name, value.as_bytes(), value.is_sensitive());
    }
    present
}
