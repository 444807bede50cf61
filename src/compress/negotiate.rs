//! What a request accepts: RFC 9110, section 12.5.3.

use http::header::{self, HeaderMap};

use super::Coding;
use crate::policy::compression::Algorithm;

/// The greatest weight, in thousandths.
const MOST: u16 = 1000;

/// What a request says of content codings in `Accept-Encoding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The weights of the codings in the order of [`Coding`], in thousandths; 0 = not accepted.
    weights: [u16; Coding::ALL.len()],
    /// The weight of content without a coding, where the request says one.
    identity: Option<u16>,
}

impl Accepted {
    /// What a request says that accepts nothing but content without a coding.
    pub const NOTHING: Self = Self { weights: [0; Coding::ALL.len()], identity: None };

    /// What the fields of a request say. Without the field a client may be sent anything, but none that can read a coding leaves it out: so it is
    /// sent none.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut said = [None; Coding::ALL.len()];
        let (mut identity, mut others) = (None, None);
        for line in headers.get_all(header::ACCEPT_ENCODING) {
            for (name, weight) in line.as_bytes().split(|byte| *byte == b',').filter_map(weighted) {
                match Coding::named(name) {
                    Some(coding) => said[coding as usize] = Some(weight),
                    None if name == b"*" => others = Some(weight),
                    None if name.eq_ignore_ascii_case(b"identity") => identity = Some(weight),
                    None => {}
                }
            }
        }
        // a star with a weight means what is not listed; `*;q=0` refuses content without a coding as well
        let identity = identity.or(others.filter(|weight| *weight == 0));
        Self { weights: said.map(|weight| weight.or(others).unwrap_or(0)), identity }
    }

    /// Whether the coding is accepted.
    pub fn takes(&self, coding: Coding) -> bool {
        self.weights[coding as usize] > 0
    }

    /// Whether content without a coding is refused (`identity;q=0`).
    pub fn refuses_identity(&self) -> bool {
        self.identity == Some(0)
    }

    /// The algorithm that the client likes best of these, which are in the order of our preference; `None` = it likes content without a coding better,
    /// or none of these at all.
    pub fn best(&self, of: &[Algorithm]) -> Option<Algorithm> {
        let weight = |algorithm: Algorithm| self.weights[Coding::of(algorithm) as usize];
        // the first of several with the same weight stays
        let best = of.iter().copied().reduce(|best, next| if weight(next) > weight(best) { next } else { best })?;
        let is_liked = weight(best) > 0 && weight(best) >= self.identity.unwrap_or(0);
        is_liked.then_some(best)
    }
}

/// A coding and its weight in thousandths; `None` = this is neither.
fn weighted(item: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().filter(|name| !name.is_empty())?;
    match (parts.next(), parts.next()) {
        (None, _) => Some((name, MOST)),
        (Some(weight), None) => Some((name, thousandths(weight)?)),
        _ => None,
    }
}

/// `q=0.5`, with three digits at most.
fn thousandths(weight: &[u8]) -> Option<u16> {
    let (b'q' | b'Q', rest) = weight.split_first()? else { return None };
    let number = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (whole, digits) = number.split_first()?;
    let digits = match digits {
        [] => digits,
        [b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let part = (0..3).fold(0, |sum, at| sum * 10 + digits.get(at).map_or(0, |digit| u16::from(digit - b'0')));
    match whole {
        b'0' => Some(part),
        b'1' if part == 0 => Some(MOST),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepted(lines: &[&str]) -> Accepted {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        Accepted::of(&headers)
    }

    fn best(line: &str) -> Option<&'static str> {
        accepted(&[line]).best(&Algorithm::ALL).map(Algorithm::name)
    }

    #[test]
    fn the_client_s_weights_come_first_and_our_order_after_them() {
        for (line, wanted) in [
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, br", Some("br")),
            ("gzip;q=1.0, br;q=0.9", Some("gzip")),
            ("br;q=0.001,gzip;q=0", Some("br")),
            ("GZIP ; Q = 0.5", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("*", Some("zstd")),
            ("zstd;q=0, *;q=0.3", Some("br")),
            ("*;q=0, gzip", Some("gzip")),
            ("identity;q=0, gzip;q=0.1", Some("gzip")),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some("gzip")),
            ("deflate, compress", None),
            ("gzip;q=0", None),
            ("*;q=0", None),
            ("", None),
            (",,", None),
            ("gzip;q=2", None),
            ("gzip;q=0.1234", None),
            ("gzip;level=9", None),
            ("gzip;q=1;x=y", None),
            ("gzip;q=", None),
        ] {
            assert_eq!(best(line), wanted, "{line:?}");
        }
        assert_eq!(accepted(&["deflate", "gzip"]).best(&Algorithm::ALL), Some(Algorithm::Gzip));
        assert_eq!(accepted(&[]), Accepted::NOTHING);
        assert_eq!(accepted(&["gzip"]).best(&[]), None);
    }

    #[test]
    fn content_without_a_coding_is_refused_in_two_ways() {
        for (line, refuses) in [
            ("identity;q=0", true),
            ("*;q=0", true),
            ("*;q=0, identity;q=0.1", false),
            ("*", false),
            ("gzip", false),
            ("identity;q=0.000", true),
        ] {
            assert_eq!(accepted(&[line]).refuses_identity(), refuses, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_there_is_read(line in "[ -~]{0,60}") {
            let accepted = accepted(&[&line]);
            if let Some(best) = accepted.best(&Algorithm::ALL) {
                proptest::prop_assert!(accepted.takes(Coding::of(best)));
            }
        }
    }
}
