//! When a certificate is valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, UnixTime};

/// The first and the last moment at which a certificate is valid; `None` where webpki can't read it.
pub fn validity(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    // webpki tells the dates to whoever asks at a time outside of them, and it looks at them before anything else: nobody has to vouch for
    // the certificate
    let at = |seconds| {
        let (time, usage) = (UnixTime::since_unix_epoch(Duration::from_secs(seconds)), webpki::KeyUsage::server_auth());
        parsed.verify_for_usage(&[], &[], &[], time, usage, None, None).err()
    };
    let Some(webpki::Error::CertExpired { not_after, .. }) = at(u64::MAX) else { return None };
    let not_before = match at(0) {
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => not_before,
        _ => UnixTime::since_unix_epoch(Duration::ZERO),
    };
    let time = |time: UnixTime| UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    Some((time(not_before)?, time(not_after)?))
}

/// Completes the sentence "the certificate ..." where it is not valid at `now`.
pub fn not_valid(validity: Option<(SystemTime, SystemTime)>, now: SystemTime) -> Option<String> {
    let (from, to) = validity?;
    match () {
        () if now > to => Some(format!("expired on {}", httpdate::fmt_http_date(to))),
        () if now < from => Some(format!("is not valid before {}", httpdate::fmt_http_date(from))),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_certificate_tells_from_when_and_until_when_it_is_valid() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let day = |days: u64| UNIX_EPOCH + Duration::from_secs(days * 86_400);
        (params.not_before, params.not_after) = (day(10_000).into(), day(40_000).into());
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = validity(certificate.der());
        assert_eq!(read, Some((day(10_000), day(40_000))));
        assert_eq!(validity(&CertificateDer::from(vec![0x30, 0x80])), None);
        let said = [9_999, 10_000, 40_000, 40_001].map(|days| not_valid(read, day(days)));
        assert_eq!(said[1..3], [None, None]);
        assert!(
            said[0].as_ref().is_some_and(|said| said.starts_with("is not valid before Mon, 19 May 1997")),
            "{said:?}"
        );
        assert!(said[3].as_ref().is_some_and(|said| said.starts_with("expired on ")), "{said:?}");
    }
}
