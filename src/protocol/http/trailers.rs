//! The fields that are allowed in a trailer section.

use http::header::{self, HeaderMap, HeaderName};

use super::fields;

/// Drops the fields that are not allowed in a trailer section.
pub fn as_trailers(fields: HeaderMap) -> HeaderMap {
    if fields.keys().all(allowed_in_trailer) {
        return fields;
    }
    let allowed = fields.iter().filter(|(name, _)| allowed_in_trailer(name));
    allowed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether a field is allowed in a trailer section. RFC 9110, section 6.5.1, rules out fields for framing, routing,
/// authentication and the like. We also drop variant spellings of them (see [`fields::alike`]), and fields that say where a
/// request came from.
pub fn allowed_in_trailer(name: &HeaderName) -> bool {
    const REFUSED: [HeaderName; 16] = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::FORWARDED,
        header::HOST,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::VIA,
    ];
    let stands_for = || REFUSED.iter().any(|refused| fields::alike(name.as_str(), refused.as_str()));
    !REFUSED.contains(name) && !(fields::is_suspect(name) && (fields::is_x_forwarded(name) || stands_for()))
}
