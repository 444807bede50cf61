//! Parses the first line of a message: RFC 9112, sections 3 and 4.

use bytes::Bytes;
use http::uri::Uri;
use http::{Method, StatusCode, Version};

use super::{malformed, target};
use crate::error::{Error, Kind, Result};
use crate::protocol::http::Leniency;
use crate::protocol::http::target::MAX_METHOD;

/// Parses `method SP request-target SP HTTP-version`, with exactly one space between the parts.
pub(super) fn request(head: &Bytes, line: &[u8], leniency: Leniency) -> Result<(Method, Uri, Version)> {
    let mut parts = line.splitn(3, |&b| b == b' ');
    let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong_version(line));
    };
    let version = known_version(version).ok_or_else(|| wrong_version(line))?;
    if method.len() > MAX_METHOD {
        return Err(malformed("the method is too long"));
    }
    let method = Method::from_bytes(method).map_err(|_| malformed("the method is malformed"))?;
    let uri = target::parse(head, target, &method, leniency.encoded_controls)?;
    Ok((method, uri, version))
}

/// Parses `HTTP-version SP status-code [ SP [ reason-phrase ] ]`. The second space is required by the grammar, but so often
/// missing that we don't insist on it.
pub(super) fn status(line: &[u8]) -> Option<(StatusCode, Version)> {
    let (version, rest) = line.split_at_checked(b"HTTP/1.1".len())?;
    let version = known_version(version)?;
    let (status, reason) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let fits = |&b: &u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    let well_formed = matches!(reason, [] | [b' ', ..]) && reason.iter().all(fits);
    StatusCode::from_bytes(status).ok().filter(|_| well_formed).map(|status| (status, version))
}

/// `HTTP/1.` and a digit. An unknown minor version is handled as the highest one that we know: RFC 9110, section 2.5.
fn known_version(version: &[u8]) -> Option<Version> {
    match version.strip_prefix(b"HTTP/1.")? {
        b"0" => Some(Version::HTTP_10),
        [b'1'..=b'9'] => Some(Version::HTTP_11),
        _ => None,
    }
}

/// The error for a request line without a version that we speak: 505 when the version is well-formed, otherwise malformed
/// (HTTP/0.9 has no version at all).
fn wrong_version(line: &[u8]) -> Error {
    let version = line.rsplit(|&b| b == b' ').next().unwrap_or_default();
    match version {
        // the version is right, so something before it is wrong
        ours if known_version(ours).is_some() => malformed("the request line is malformed"),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Error::new(Kind::UnsupportedVersion, "only HTTP/1.0, 1.1 and 2 are spoken")
        }
        _ => malformed("the request line has no HTTP version"),
    }
}
