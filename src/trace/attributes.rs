//! Attributes of spans, of resources and of points in time series: `KeyValue`s of OTLP (opentelemetry/proto/common/v1/common.proto).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::protobuf::Writer;

/// The longest text, in bytes. A client may make its path as long as the head of a request, and what is exported should not depend on that.
const MOST_TEXT: usize = 1024;

/// The fields of `AnyValue`.
mod kind {
    pub const TEXT: u32 = 1;
    pub const INTEGER: u32 = 3;
    pub const DOUBLE: u32 = 4;
}

/// Writes attributes as entries of a repeated field.
#[derive(Debug)]
pub struct Attributes<'w> {
    writer: &'w mut Writer,
    /// The number of that field.
    field: u32,
}

impl<'w> Attributes<'w> {
    /// They are entries of this field of the message that `writer` writes.
    pub fn new(writer: &'w mut Writer, field: u32) -> Self {
        Self { writer, field }
    }

    /// A text; where it is too long, its begin.
    pub fn text(&mut self, key: &str, value: &str) {
        let value = &value[..value.floor_char_boundary(MOST_TEXT)];
        self.write(key, |any| any.bytes_of_kind(kind::TEXT, value.as_bytes()));
    }

    /// A text, where there is one.
    pub fn text_of(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A whole number.
    pub fn integer(&mut self, key: &str, value: u64) {
        self.write(key, |any| any.varint_of_kind(kind::INTEGER, value));
    }

    /// A number.
    pub fn double(&mut self, key: &str, value: f64) {
        self.write(key, |any| any.double(kind::DOUBLE, value));
    }

    fn write(&mut self, key: &str, value: impl FnOnce(&mut Writer)) {
        self.writer.message(self.field, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, value);
        });
    }
}

/// Parameters whose values sign requests or stand for who asks, so that who has them may ask the same: those of OpenTelemetry's conventions for
/// `url.query`, those of AWS's Signature Version 4, and the token of RFC 6750.
const SECRETS: [&str; 8] = [
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Goog-Signature",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Credential",
    "access_token",
];

/// Whether this is the name of a secret, however it is written: servers decode names, and some don't care for case.
fn is_secret(name: &str) -> bool {
    let name = Cow::from(percent_decode_str(name));
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

/// A query as it is exported: secrets are left out.
pub(super) fn scrubbed(query: &str) -> Cow<'_, str> {
    let has_secret = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| is_secret(name));
    if !query.split('&').any(has_secret) {
        return Cow::Borrowed(query);
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}=REDACTED"),
        _ => pair.to_owned(),
    });
    Cow::Owned(pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_query_are_not_exported() {
        for (query, exported) in [
            ("", ""),
            ("a=1&b", "a=1&b"),
            ("a=1&sig=xyz&b=2", "a=1&sig=REDACTED&b=2"),
            ("Signature=", "Signature=REDACTED"),
            ("X-Goog-Signature=a=b&AWSAccessKeyId=c", "X-Goog-Signature=REDACTED&AWSAccessKeyId=REDACTED"),
            ("design=1&sig", "design=1&sig"),
            ("x-amz-signature=a&X-Amz-Date=b", "x-amz-signature=REDACTED&X-Amz-Date=b"),
            ("X-Amz-Credential=a&X-Amz-Security-Token=b", "X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED"),
            (
                "ACCESS_TOKEN=a&access%5Ftoken=b&%61ccess_token=c",
                "ACCESS_TOKEN=REDACTED&access%5Ftoken=REDACTED&%61ccess_token=REDACTED",
            ),
            ("my_access_token=a&100%=b", "my_access_token=a&100%=b"),
        ] {
            assert_eq!(scrubbed(query), exported);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let mut writer = Writer::default();
        Attributes::new(&mut writer, 1).text("k", &"ü".repeat(1000));
        let mut short = Writer::default();
        Attributes::new(&mut short, 1).text("k", &"ü".repeat(512));
        assert_eq!(writer.into_bytes(), short.into_bytes());
    }
}
