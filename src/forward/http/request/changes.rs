//! What the configuration changes in a message on its way: fields, and where a path begins.

use bytes::Bytes;
use http::Uri;
use http::header::{self, HeaderMap, HeaderName};
use http::uri::PathAndQuery;

use crate::error::{Error, Kind, Result};
use crate::policy::{HeaderChanges, Rewrite};
use crate::route::meaning::Meaning;

/// Fields that say how a message is framed, or that are of one hop: no configuration may write them.
fn is_ours(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING || *name == header::CONNECTION
}

/// Removes, sets and adds fields.
pub fn change(headers: &mut HeaderMap, changes: &HeaderChanges) {
    for name in changes.remove.iter().filter(|name| !is_ours(name)) {
        headers.remove(name);
    }
    for (name, value) in changes.set.iter().filter(|(name, _)| !is_ours(name)) {
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in changes.add.iter().filter(|(name, _)| !is_ours(name)) {
        headers.append(name.clone(), value.clone());
    }
}

/// Replaces the part of the path that the route matched by `rewrite.prefix`. `meaning`: what the path means, where it has other spellings.
pub fn rewrite_path(uri: &mut Uri, rewrite: &Rewrite, matched: Option<usize>, meaning: Option<&Meaning>) -> Result<()> {
    let (Some(prefix), Some(matched)) = (&rewrite.prefix, matched) else { return Ok(()) };
    let rest = match meaning {
        Some(meaning) => meaning.rest(matched),
        None => uri.path().get(matched..).unwrap_or_default(),
    };
    let mut path = prefix.clone();
    // "/v1/" -> "/" and "/v1" -> "/" both leave one slash between the two parts
    match (path.ends_with('/'), rest.starts_with('/')) {
        (true, true) => path.push_str(&rest[1..]),
        (false, false) if !rest.is_empty() && !path.is_empty() => {
            path.push('/');
            path.push_str(rest);
        }
        _ => path.push_str(rest),
    }
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    put_path(uri, path)
}

/// Replaces the path, and leaves the query.
pub fn put_path(uri: &mut Uri, mut path: String) -> Result<()> {
    let malformed = |_| Error::new(Kind::MalformedRequest, "its path can't be rewritten");
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(path)).map_err(malformed)?);
    *uri = Uri::from_parts(parts).map_err(|_| Error::new(Kind::MalformedRequest, "its path can't be rewritten"))?;
    Ok(())
}
