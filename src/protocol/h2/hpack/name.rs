//! The names and values of fields, and the rules for them (RFC 9113, section 8.2.1).

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use super::{Field, Pseudo};

/// A decoded name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Pseudo(Pseudo),
    Plain(HeaderName),
    /// A name that no field may have.
    Malformed,
}

impl Name {
    pub(super) fn read(name: &[u8]) -> Self {
        if name.first() == Some(&b':') {
            return pseudo(name).map_or(Self::Malformed, Self::Pseudo);
        }
        match HeaderName::from_lowercase(name) {
            // `HeaderName` accepts a quote, which is not allowed in a token (RFC 9110, section 5.6.2)
            Ok(name) if !name.as_str().contains('"') => Self::Plain(name),
            _ => Self::Malformed,
        }
    }

    /// The field with this name and a value; malformed when either is.
    #[inline]
    pub(super) fn with(self, value: Option<HeaderValue>) -> Field {
        match (self, value) {
            (Self::Pseudo(pseudo), Some(value)) => Field::Pseudo(pseudo, value),
            (Self::Plain(name), Some(value)) => Field::Plain(name, value),
            _ => Field::Malformed,
        }
    }
}

fn pseudo(name: &[u8]) -> Option<Pseudo> {
    Some(match name {
        b":method" => Pseudo::Method,
        b":scheme" => Pseudo::Scheme,
        b":authority" => Pseudo::Authority,
        b":path" => Pseudo::Path,
        b":protocol" => Pseudo::Protocol,
        b":status" => Pseudo::Status,
        _ => return None,
    })
}

/// A value that has its own copy of these bytes; `None` when they are not valid.
pub(super) fn copied(value: &[u8]) -> Option<HeaderValue> {
    if has_blank_end(value) { None } else { HeaderValue::from_bytes(value).ok() }
}

/// A value that shares the memory of these bytes; `None` when they are not valid.
pub(super) fn shared(value: Bytes) -> Option<HeaderValue> {
    if has_blank_end(&value) { None } else { HeaderValue::from_maybe_shared(value).ok() }
}

fn has_blank_end(value: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_blank(value.first()) || is_blank(value.last())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Name, Pseudo, copied, shared};

    #[test]
    fn pseudo_header_fields_are_known_by_their_names() {
        assert_eq!(Name::read(b":protocol"), Name::Pseudo(Pseudo::Protocol));
        for name in [&b":"[..], b":Path", b":paths", b":pat", b"::path"] {
            assert_eq!(Name::read(name), Name::Malformed);
        }
    }

    /// RFC 9110, section 5.6.2, without what RFC 9113 takes from it: upper case.
    #[test]
    fn a_name_is_a_token_in_lower_case() {
        for byte in 0..=255_u8 {
            let is_token = b"!#$%&'*+-.^_`|~".contains(&byte) || byte.is_ascii_digit() || byte.is_ascii_lowercase();
            for name in [vec![b'a', byte], [vec![b'a'; 70], vec![byte]].concat()] {
                assert_eq!(matches!(Name::read(&name), Name::Plain(_)), is_token, "{name:?}");
            }
        }
        assert_eq!(Name::read(b""), Name::Malformed);
        assert_eq!(Name::read(&[b'a'; 70_000]), Name::Malformed, "longer than a name may be");
    }

    #[test]
    fn a_value_has_no_control_characters_and_no_blanks_at_its_ends() {
        for byte in 0..=255_u8 {
            let is_blank = matches!(byte, b' ' | b'\t');
            let is_control = byte.is_ascii_control() && !is_blank;
            for (value, is_valid) in [
                (vec![b'a', byte, b'a'], !is_control),
                (vec![byte, b'a'], !is_control && !is_blank),
                (vec![b'a', byte], !is_control && !is_blank),
                (vec![byte], !is_control && !is_blank),
            ] {
                assert_eq!(copied(&value).is_some(), is_valid, "{value:?}");
                assert_eq!(shared(Bytes::from(value.clone())).is_some(), is_valid, "{value:?}");
            }
        }
        assert_eq!(copied(b"").as_ref().map(|v| v.as_bytes()), Some(&b""[..]));
        assert_eq!(shared(Bytes::new()).as_ref().map(|v| v.as_bytes()), Some(&b""[..]));
    }
}
