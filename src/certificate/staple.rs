//! OCSP responses (RFC 6960) that a file holds, to be stapled to the certificate that they are about (RFC 6066, section 8).
//!
//! Whether the response is about that certificate, says that it is good, and is not over is looked at here, so that a client never gets one that it has to refuse for
//! these reasons. Its signature is the client's to verify.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use xxhash_rust::xxh3::xxh3_64;

use super::Certificate;
use super::der::{
    CONTEXT_0, CONTEXT_1, ENUMERATED, GENERALIZED_TIME, INTEGER, OBJECT_ID, OCTET_STRING, Reader, SEQUENCE, wrapped,
};
use super::read::{self, Reading};
use super::unusable::{Part, Unusable};

/// 1.3.6.1.5.5.7.48.1.1 (id-pkix-ocsp-basic)
const BASIC: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// 1.3.14.3.2.26
const OID_SHA1: &[u8] = &[0x2B, 0x0E, 0x03, 0x02, 0x1A];
/// 2.16.840.1.101.3.4.2, of which 1, 2 and 3 are SHA-256, SHA-384 and SHA-512.
const OID_SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

/// How much the clock of whoever signed it may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(300);

/// A response that says of one certificate that it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staple {
    /// The whole response, in DER.
    pub response: Vec<u8>,
    /// The certificate's serial number.
    serial: Vec<u8>,
    /// Until when it may be sent; `None` = it does not say.
    until: Option<SystemTime>,
}

impl Staple {
    /// Whether it is about this certificate, and not over at `now`.
    pub fn is_for(&self, certificate: &Certificate, now: SystemTime) -> bool {
        !self.is_over(now) && certificate.leaf().is_some_and(|leaf| number(leaf.serial()) == self.serial)
    }

    /// Whether its time is over at `now`.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// The response that is stapled to this certificate, where one is.
pub fn stapled_to(certificate: &Certificate) -> Option<Staple> {
    let response = certificate.certified.ocsp.as_ref()?;
    let leaf = certificate.leaf()?;
    let single = single(basic(response)?.ok()?, number(leaf.serial()), leaf.issuer())??;
    Some(Staple { response: response.clone(), serial: number(leaf.serial()).to_vec(), until: single.until })
}

/// Reads the response about this certificate.
pub fn read(path: &Path, certificate: &Certificate, now: SystemTime) -> Reading<Staple> {
    let bytes = read::bytes(Part::Ocsp, path);
    let content = bytes.as_ref().map_or(0, |bytes| xxh3_64(bytes));
    let result = bytes.and_then(|bytes| {
        parse(bytes, certificate, now).map_err(|reason| {
            let message = format!("the OCSP response in `{}` is not sent to clients: {reason}", path.display());
            Unusable::new(Part::Ocsp, path, message)
        })
    });
    Reading { content, result }
}

fn parse(response: Vec<u8>, certificate: &Certificate, now: SystemTime) -> Result<Staple, String> {
    let unreadable = "it is none in DER";
    let basic = basic(&response).ok_or(unreadable)??;
    let leaf = certificate.leaf().ok_or("the certificate can't be read")?;
    let found = single(basic, number(leaf.serial()), leaf.issuer()).ok_or(unreadable)?;
    let Single { status, from, until } = found.ok_or("it is about another certificate")?;
    let date = |time: SystemTime| httpdate::fmt_http_date(time);
    match () {
        () if status == CONTEXT_1 => Err("it says that the certificate is revoked".to_owned()),
        () if status != GOOD => Err("it says that the certificate is not known".to_owned()),
        () if now + AHEAD < from => Err(format!("it is good only from {} on", date(from))),
        () if until.is_some_and(|until| now >= until) => {
            Err(format!("it was good until {}", until.map(date).unwrap_or_default()))
        }
        () => Ok(Staple { serial: number(leaf.serial()).to_vec(), response, until }),
    }
}

/// `[0] IMPLICIT NULL`: the certificate is good.
const GOOD: u8 = 0x80;

/// What is said of one certificate.
struct Single {
    /// The tag of the choice.
    status: u8,
    from: SystemTime,
    until: Option<SystemTime>,
}

/// The BasicOCSPResponse within (section 4.2.1); `None` where it is no OCSPResponse, and an error where the responder refused.
fn basic(response: &[u8]) -> Option<Result<&[u8], String>> {
    let mut whole = Reader(Reader(response).take(SEQUENCE)?);
    match whole.take(ENUMERATED)? {
        [0] => {}
        [status] => return Some(Err(format!("the responder gave none (status {status})"))),
        _ => return None,
    }
    let mut bytes = Reader(Reader(whole.take(CONTEXT_0)?).take(SEQUENCE)?);
    let kind = bytes.take(OBJECT_ID)?;
    (kind == BASIC).then_some(())?;
    Some(Ok(bytes.take(OCTET_STRING)?))
}

/// What the response says of the certificate of this serial number and issuer; the inner `None` = nothing.
fn single(basic: &[u8], serial: &[u8], issuer: &[u8]) -> Option<Option<Single>> {
    let mut data = Reader(Reader(Reader(basic).take(SEQUENCE)?).take(SEQUENCE)?);
    data.skip_if(CONTEXT_0);
    // the responder's name or the hash of its key
    data.any()?;
    data.take(GENERALIZED_TIME)?;
    let mut all = Reader(data.take(SEQUENCE)?);
    while !all.is_empty() {
        let mut one = Reader(all.take(SEQUENCE)?);
        let mut id = Reader(one.take(SEQUENCE)?);
        let mut algorithm = Reader(id.take(SEQUENCE)?);
        let hash = hash(algorithm.take(OBJECT_ID)?);
        let name = id.take(OCTET_STRING)?;
        // the hash of the issuer's key
        id.take(OCTET_STRING)?;
        let is_issuer = hash.is_none_or(|hash| digest(hash, &wrapped(SEQUENCE, issuer)).as_ref() == name);
        if number(id.take(INTEGER)?) != serial || !is_issuer {
            continue;
        }
        let (status, _) = one.any()?;
        let from = time(one.take(GENERALIZED_TIME)?)?;
        let until = match one.skip_if(CONTEXT_0) {
            Some(next) => Some(time(Reader(next).take(GENERALIZED_TIME)?)?),
            None => None,
        };
        return Some(Some(Single { status, from, until }));
    }
    Some(None)
}

fn hash(algorithm: &[u8]) -> Option<&'static Algorithm> {
    match (algorithm == OID_SHA1, algorithm.strip_prefix(OID_SHA2)) {
        (true, _) => Some(&SHA1_FOR_LEGACY_USE_ONLY),
        (_, Some([1])) => Some(&SHA256),
        (_, Some([2])) => Some(&SHA384),
        (_, Some([3])) => Some(&SHA512),
        _ => None,
    }
}

/// An integer without the zeros that it may begin with.
fn number(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    &integer[zeros..]
}

/// `YYYYMMDDHHMMSSZ` (section 4.2.2.1, RFC 5280, section 4.1.2.5.2).
fn time(text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14 && digits.is_ascii())?;
    let part = |from: usize, to: usize| digits[from..to].parse::<i16>().ok();
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let civil = DateTime::new(part(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?, 0).ok()?;
    let seconds = TimeZone::UTC.to_timestamp(civil).ok()?.as_second();
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use rcgen::{CertificateParams, KeyPair, SerialNumber};
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;
    use crate::certificate::files::PairFiles;

    fn certificate() -> Certificate {
        certificate_of(&[0x12, 0x34])
    }

    /// A response as `openssl ocsp -respout` writes it, with a signature of nothing.
    pub fn response(serial: &[u8], issuer: &[u8], status: &[u8], from: &str, until: Option<&str>) -> Vec<u8> {
        let sequence = |parts: &[Vec<u8>]| wrapped(SEQUENCE, &parts.concat());
        let algorithm = sequence(&[wrapped(OBJECT_ID, &[OID_SHA2, &[1]].concat())]);
        let name = digest(&SHA256, &wrapped(SEQUENCE, issuer));
        let id = sequence(&[
            algorithm.clone(),
            wrapped(OCTET_STRING, name.as_ref()),
            wrapped(OCTET_STRING, &[0; 32]),
            wrapped(INTEGER, serial),
        ]);
        let mut single = vec![id, status.to_vec(), wrapped(GENERALIZED_TIME, from.as_bytes())];
        single.extend(until.map(|until| wrapped(CONTEXT_0, &wrapped(GENERALIZED_TIME, until.as_bytes()))));
        let data = sequence(&[
            wrapped(0xA2, &wrapped(OCTET_STRING, &[0; 20])),
            wrapped(GENERALIZED_TIME, from.as_bytes()),
            sequence(&[sequence(&single)]),
        ]);
        let basic = sequence(&[data, algorithm, wrapped(0x03, &[0, 1, 2, 3])]);
        let bytes = sequence(&[wrapped(OBJECT_ID, BASIC), wrapped(OCTET_STRING, &basic)]);
        sequence(&[wrapped(ENUMERATED, &[0]), wrapped(CONTEXT_0, &bytes)])
    }

    #[test]
    fn a_response_is_sent_only_while_it_says_that_this_certificate_is_good() {
        let certificate = certificate();
        let issuer = certificate.leaf().unwrap().issuer().to_vec();
        let (from, until) = ("20260101000000Z", "20260108000000Z");
        let at = |text: &str| time(text.as_bytes()).unwrap();
        let now = at("20260105000000Z");
        let good = [GOOD, 0];
        let read_at = |response: Vec<u8>, now| parse(response, &certificate, now);
        let whole = response(&[0x12, 0x34], &issuer, &good, from, Some(until));
        let staple = read_at(whole.clone(), now).unwrap();
        assert_eq!((&staple.response, staple.until), (&whole, Some(at(until))));
        assert!(staple.is_for(&certificate, now) && !staple.is_for(&certificate, at(until)));
        assert!(!staple.is_for(&certificate_of(&[9]), now));
        let endless = read_at(response(&[0, 0x12, 0x34], &issuer, &good, from, None), now).unwrap();
        assert!(endless.is_for(&certificate, at("20990101000000Z")));
        for (response, time, reason) in [
            (whole.clone(), at(until), "it was good until Thu, 08 Jan 2026 00:00:00 GMT"),
            (whole.clone(), at("20251231000000Z"), "it is good only from Thu, 01 Jan 2026 00:00:00 GMT on"),
            (response(&[0x12, 0x35], &issuer, &good, from, Some(until)), now, "it is about another certificate"),
            (response(&[0x12, 0x34], b"other", &good, from, Some(until)), now, "it is about another certificate"),
            (
                response(&[0x12, 0x34], &issuer, &[0x82, 0], from, Some(until)),
                now,
                "it says that the certificate is not known",
            ),
            (
                response(
                    &[0x12, 0x34],
                    &issuer,
                    &wrapped(CONTEXT_1, &wrapped(GENERALIZED_TIME, from.as_bytes())),
                    from,
                    None,
                ),
                now,
                "it says that the certificate is revoked",
            ),
            (vec![0x30, 0x03, 0x0A, 0x01, 0x06], now, "the responder gave none (status 6)"),
            (Vec::new(), now, "it is none in DER"),
            (response(&[0x12, 0x34], &issuer, &good, "20260101", None), now, "it is none in DER"),
        ] {
            assert_eq!(read_at(response, time).unwrap_err(), reason);
        }
        for length in 0..whole.len() {
            read_at(whole[..length].to_vec(), now).unwrap_err();
        }
    }

    /// A certificate with this serial number.
    pub fn certificate_of(serial: &[u8]) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial.to_vec()));
        let signed = params.self_signed(&key).unwrap();
        let files = PairFiles { cert: "a".into(), key: "b".into(), ocsp: None };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Certificate::new(vec![signed.der().clone()], key, files).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn noise_is_no_response(noise in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            proptest::prop_assert!(basic(&noise).is_none_or(|basic| basic.is_err()));
        }
    }
}
