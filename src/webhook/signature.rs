//! The fields of a call by which the receiver knows that it is ours, and when it was made.

use std::time::SystemTime;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::HEXLOWER;

/// The field with the body's signature: `sha256=` and HMAC-SHA256 of the body in hexadecimal digits.
pub(super) const SIGNATURE: &str = "x-evenkeel-signature";

/// The field with the time of sending, in seconds since 1970. The body has the same in `sent`, where the signature covers it.
pub(super) const TIMESTAMP: &str = "x-evenkeel-timestamp";

/// A time in seconds since 1970.
pub fn timestamp(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The value of [`SIGNATURE`].
pub(super) fn signature(secret: &[u8], body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, secret), body);
    format!("sha256={}", HEXLOWER.encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn the_signature_is_hmac_sha256_in_lower_case_hexadecimal_digits() {
        assert_eq!(
            signature(b"Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
