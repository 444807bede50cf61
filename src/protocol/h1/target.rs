//! Parses the target of a request line: RFC 9112, section 3.2.

use bytes::Bytes;
use http::Method;
use http::uri::{PathAndQuery, Uri};

use super::malformed;
use crate::error::{Error, Kind, Result};
use crate::protocol::http::target::{MAX_TARGET, objection};

/// Parses the origin, absolute and asterisk forms of RFC 9112, section 3.2. The fourth, the authority form, is for CONNECT, which
/// a reverse proxy does not serve.
pub(super) fn parse(head: &Bytes, target: &[u8], method: &Method, encoded_controls: bool) -> Result<Uri> {
    if target.len() > MAX_TARGET {
        return Err(Error::new(Kind::TargetTooLong, "the target is longer than 65,534 bytes"));
    }
    if *method == Method::CONNECT {
        return Err(malformed("CONNECT is not served"));
    }
    if target.iter().any(|&b| b <= b' ' || b == b'#' || b == 0x7f) {
        return Err(malformed("a fragment or a control character in the target"));
    }
    if let Some(objection) = objection(path_of(target), encoded_controls) {
        return Err(malformed(objection));
    }
    let bytes = head.slice_ref(target);
    let target_error = |_| malformed("the target is malformed");
    if target.starts_with(b"/") {
        let path = PathAndQuery::from_maybe_shared(bytes).map_err(target_error)?;
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(path);
        return Uri::from_parts(parts).map_err(|_| malformed("the target is malformed"));
    }
    let uri = Uri::from_maybe_shared(bytes).map_err(target_error)?;
    let absolute = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty());
    match absolute {
        true => with_path(uri, target, method),
        false if target == b"*" && *method == Method::OPTIONS => Ok(uri),
        false => Err(malformed("the target is neither a path nor an http URI")),
    }
}

/// Gives an absolute URI with an empty path the path `/`, or the `*` of an OPTIONS for the whole server (sections 3.2.1 and
/// 3.2.4). An [`Uri`] shows an empty path as `/` except before a query, so the two can't be told apart without the text.
fn with_path(uri: Uri, target: &[u8], method: &Method) -> Result<Uri> {
    let length = |part: Option<&str>| part.map_or(0, str::len);
    let before = length(uri.scheme_str()) + b"://".len() + length(uri.authority().map(|authority| authority.as_str()));
    let path = match target.get(before..).unwrap_or_default() {
        [] if *method == Method::OPTIONS => Ok(PathAndQuery::from_static("*")),
        query @ [b'?', ..] => PathAndQuery::from_maybe_shared(Bytes::from([b"/", query].concat())),
        _ => return Ok(uri),
    };
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path.map_err(|_| malformed("the target is malformed"))?);
    Uri::from_parts(parts).map_err(|_| malformed("the target is malformed"))
}

/// The path and query of a target; in an absolute one that is what follows the authority.
fn path_of(target: &[u8]) -> &[u8] {
    if target.starts_with(b"/") {
        return target;
    }
    let authority = memchr::memmem::find(target, b"://").map_or(0, |at| at + b"://".len());
    let ends = |&b: &u8| matches!(b, b'/' | b'?' | b'\\');
    target[authority..].iter().position(ends).map_or(&[], |at| &target[authority + at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_absolute_target_is_behind_its_authority() {
        for (target, path) in [
            ("/a://b", "/a://b"),
            ("http://a", ""),
            ("http://a/b?c", "/b?c"),
            ("http://a?c", "?c"),
            ("http://a\\b", "\\b"),
            ("*", ""),
        ] {
            assert_eq!(path_of(target.as_bytes()), path.as_bytes(), "{target}");
        }
    }
}
