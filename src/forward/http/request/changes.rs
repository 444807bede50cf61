//! What the configuration changes in a message on its way: fields, and where a path begins.

use bytes::Bytes;
use http::Uri;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;

use crate::error::{Error, Kind, Result};
use crate::policy::template::{FieldValue, Template};
use crate::policy::{HeaderChanges, Rewrite};
use crate::protocol::http::fields::PROXY_STATUS;
use crate::route::meaning::Meaning;

/// What a message is, as far as it decides what may be changed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A request, the answer of a backend, or one that the configuration has for a route.
    Regular,
    /// The answer to an exchange that failed.
    Error,
}

/// Fields that say how a message is framed, or that are of one hop: no configuration may write them.
fn is_ours(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING || *name == header::CONNECTION
}

/// Fields that say something about the content of an answer. What the configuration says of a good answer does not hold for an error, which must
/// not be cached, for instance.
fn is_of_content(name: &HeaderName) -> bool {
    const OF_CONTENT: [HeaderName; 11] = [
        header::AGE,
        header::CACHE_CONTROL,
        header::CONTENT_DISPOSITION,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_TYPE,
        header::ETAG,
        header::EXPIRES,
        header::LAST_MODIFIED,
        header::LOCATION,
        header::RETRY_AFTER,
    ];
    OF_CONTENT.contains(name) || *name == PROXY_STATUS || name.as_str().starts_with("grpc-")
}

/// Removes, sets and adds fields, and then adds those that are missing. A value that comes out empty is not written: what is set is removed
/// then. `fill_in` gives the value of a template, or `None` for an empty one.
pub fn change(
    headers: &mut HeaderMap,
    changes: &HeaderChanges,
    message: Message,
    fill_in: impl Fn(&Template) -> Option<HeaderValue>,
) {
    let may_change = |name: &HeaderName| !is_ours(name) && (message == Message::Regular || !is_of_content(name));
    for name in changes.remove.iter().filter(|name| may_change(name)) {
        headers.remove(name);
    }
    let value = |value: &FieldValue| match value {
        FieldValue::Fixed(value) => Some(value.clone()),
        FieldValue::Template(template) => fill_in(template),
    };
    for (name, text) in changes.set.iter().filter(|(name, _)| may_change(name)) {
        match value(text) {
            Some(value) => _ = headers.insert(name.clone(), value),
            None => _ = headers.remove(name),
        }
    }
    for (name, text) in changes.add.iter().filter(|(name, _)| may_change(name)) {
        if let Some(value) = value(text) {
            headers.append(name.clone(), value);
        }
    }
    for (name, text) in changes.default.iter().filter(|(name, _)| may_change(name)) {
        if !headers.contains_key(name)
            && let Some(value) = value(text)
        {
            headers.insert(name.clone(), value);
        }
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
