//! W3C Trace Context, level 1 (w3.org/TR/trace-context-1): the fields by which a trace is passed from hop to hop.

use std::fmt;

use http::header::{HeaderMap, HeaderName};

use super::hex;

/// `traceparent`: the trace, the span that asks, and whether it is recorded.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `tracestate`: what makers of tracing systems add for themselves.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of `traceparent` in version 00.
const LENGTH: usize = 55;
/// The flag that the caller may have recorded its part of the trace (section 3.2.2.5.1).
const SAMPLED: u8 = 1;

/// The number of a trace; not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub u128);

/// What a valid `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: TraceId,
    /// The span that asks; not 0.
    pub span: u64,
    /// It may be recorded by the caller.
    pub sampled: bool,
}

/// The value of `traceparent` that goes to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent([u8; LENGTH]);

impl Parent {
    /// Reads a value of `traceparent` (section 3.2.2). A version that is not known yet is read as version 00, whatever follows behind a dash
    /// (section 3.2.4); version ff is none.
    pub fn read(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let version = hex::read(&known[..2])?;
        let ends_well = rest.is_empty() || (version != 0 && rest[0] == b'-');
        let are_dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        if version == 0xff || !ends_well || !are_dashes {
            return None;
        }
        let (trace, span, flags) = (hex::read(&known[3..35])?, hex::read(&known[36..52])?, hex::read(&known[53..])?);
        if trace == 0 || span == 0 {
            return None;
        }
        Some(Self { trace: TraceId(trace), span: span as u64, sampled: flags as u8 & SAMPLED != 0 })
    }

    /// What a request's fields say. More than one `traceparent` is as good as none.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let only = values.next().filter(|_| values.next().is_none())?;
        Self::read(only.as_bytes())
    }
}

impl Traceparent {
    /// For a span of a trace. Flags beside `sampled` are 0 in level 1.
    pub fn new(trace: TraceId, span: u64, sampled: bool) -> Self {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..19].copy_from_slice(&hex::sixteen((trace.0 >> 64) as u64));
        text[19..35].copy_from_slice(&hex::sixteen(trace.0 as u64));
        text[36..52].copy_from_slice(&hex::sixteen(span));
        text[54] += u8::from(sampled) * SAMPLED;
        Self(text)
    }

    /// As it is sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parent(sampled: bool) -> Option<Parent> {
        let trace = TraceId(u128::from_str_radix(TRACE, 16).unwrap());
        Some(Parent { trace, span: 0x00f0_67aa_0ba9_02b7, sampled })
    }

    #[test]
    fn what_the_specification_calls_valid_is_read() {
        assert_eq!(Parent::read(GOOD.as_bytes()), parent(true));
        for (flags, sampled) in [("00", false), ("02", false), ("03", true), ("ff", true), ("fe", false)] {
            assert_eq!(Parent::read(format!("{}{flags}", &GOOD[..53]).as_bytes()), parent(sampled), "{flags}");
        }
        // later versions, with and without more behind the flags
        for later in ["01", "cc", "fe"] {
            for more in ["", "-", "-what-comes-later", "-\u{e9}"] {
                let text = format!("{later}{}{more}", &GOOD[2..]);
                assert_eq!(Parent::read(text.as_bytes()), parent(true), "{text}");
            }
        }
    }

    #[test]
    fn what_the_specification_calls_invalid_is_none() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            "00".to_owned(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-"),
            format!("{GOOD}-00"),
            format!("{GOOD}0"),
            format!(" {GOOD}"),
            format!("{GOOD} "),
            format!("01{}0", &GOOD[2..]),
            format!("ff{}", &GOOD[2..]),
            format!("0x{}", &GOOD[2..]),
            GOOD.to_uppercase(),
            GOOD.replace("4bf", "4BF"),
            GOOD.replace("-01", "-0A"),
            GOOD.replace(TRACE, &zeros),
            GOOD.replace("00f067aa0ba902b7", &zeros[..16]),
            GOOD.replace('-', "_"),
            GOOD.replacen('-', "0", 1),
            GOOD.replace("4bf", "4b."),
            GOOD.replace("-01", "-0g"),
        ] {
            assert_eq!(Parent::read(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn two_fields_are_none_even_where_they_are_the_same() {
        let mut headers = HeaderMap::new();
        assert_eq!(Parent::of(&headers), None);
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert_eq!(Parent::of(&headers), parent(true));
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert_eq!(Parent::of(&headers), None);
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_back(trace in 1_u128.., span in 1_u64.., sampled: bool) {
            let sent = Traceparent::new(TraceId(trace), span, sampled);
            prop_assert_eq!(Parent::read(sent.as_bytes()), Some(Parent { trace: TraceId(trace), span, sampled }));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, version in "[0-9a-f]{2}") {
            let _ = Parent::read(&bytes);
            let _ = Parent::read(format!("{version}{}", &GOOD[2..]).as_bytes());
        }
    }
}
