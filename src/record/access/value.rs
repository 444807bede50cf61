//! What a field says in one line, before it is written in the way of a format.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;

use crate::policy::access_log::Field;

/// What a field says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// Nothing: it does not apply.
    Absent,
    /// Nothing: it applies and is not known.
    Null,
    /// Text, which should be UTF-8 and need not be: it may be a client's.
    Text(&'a [u8]),
    /// Text as [`Text`](Self::Text), without quotes around it in lines of text: what would end a word there is escaped as well.
    Word(&'a [u8]),
    /// Text of printable ASCII without quotes and backslashes, which stands for itself however lines are written.
    Plain(&'a [u8]),
    /// A whole number.
    Number(u64),
    /// A time in milliseconds, to the microsecond.
    Millis(Duration),
    /// Yes or no.
    Flag(bool),
    /// An address.
    Address(IpAddr),
    /// Names.
    List(&'a [Arc<str>]),
    /// Names with values.
    Pairs(&'a [(Box<str>, Box<str>)]),
    /// A share, from 0 to 1.
    Share(f64),
    /// The id of a trace: 16 bytes.
    Trace(u128),
}

/// Whatever a line is written of.
pub(super) trait Facts {
    /// What this field says.
    fn value(&self, field: Field) -> Value<'_>;
}

impl<'a> Value<'a> {
    /// Text that is known or not.
    pub(super) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.as_bytes()))
    }

    /// The value of a header that is there or not.
    pub(super) fn header(value: Option<&'a HeaderValue>) -> Self {
        value.map_or(Self::Null, |value| Self::Text(value.as_bytes()))
    }

    /// A time that is known or not.
    pub(super) fn millis(time: Option<Duration>) -> Self {
        time.map_or(Self::Null, Self::Millis)
    }

    /// A number that applies or does not.
    pub(super) fn number_if(number: Option<u64>) -> Self {
        number.map_or(Self::Absent, Self::Number)
    }

    /// Text that applies or does not.
    pub(super) fn text_if(text: Option<&'a [u8]>) -> Self {
        text.map_or(Self::Absent, Self::Text)
    }
}
