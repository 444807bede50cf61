//! The signed text that names a session's backend.
//!
//! 38 bytes, written as 51 characters of URL-safe base64:
//!
//! ```text
//!   version (1) | made at, Unix seconds (5) | backend's tag (16) | signature (16)
//! ```
//!
//! The tag is HMAC-SHA256 of the service and the backend's id, cut to 128 bits: it reveals neither the address nor the
//! id to anybody without the key, and it is the same on every instance and after every restart. The signature is
//! HMAC-SHA256 over everything before it and the service's name, cut to 128 bits, which RFC 2104 (section 5) allows; so
//! no seal can be forged, lengthened, or used for another service. Tags and signatures have keys of their own, both
//! derived from the secret. The base64 is canonical and the length fixed: one session has one text.
//!
//! Only what the tag stands for is secret from the client: two clients can see that they share a backend.
//!
//! A key can be replaced without any session moving: seals are made with one key and read with several. Instances that share clients are
//! first told to accept the next key, then to sign with it, and accept the one before until its last seal has expired.

use std::fmt;
use std::time::Duration;

use ahash::AHashMap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::BASE64URL_NOPAD;

/// The characters of a seal.
pub const LENGTH: usize = 51;

const VERSION: u8 = 1;
const TAG: usize = 16;
const SIGNED: usize = 1 + 5 + TAG;
const BYTES: usize = SIGNED + 16;

/// How far ahead another instance's clock may be.
const SKEW: u64 = 300;

/// The shortest secret that is taken: guessing it must not be easier than guessing a signature.
const SHORTEST_SECRET: usize = 16;

type Tag = [u8; TAG];

/// The keys that are derived from the secret.
#[derive(Clone)]
pub struct Secret {
    tags: hmac::Key,
    signatures: hmac::Key,
    /// The key of the names that sessions have in a store.
    pub(super) names: hmac::Key,
}

/// The secret has fewer bytes than are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooShort;

/// Seals for the backends of one service.
pub struct Seal {
    service: Box<[u8]>,
    /// The tags of the backends, by the key that seals are made with.
    tags: Vec<Tag>,
    /// The key that seals are made with.
    own: Reader,
    /// Further keys that they may have been made with.
    accepted: Vec<Reader>,
    ttl: u64,
}

/// What seals that were made with one key are read with.
struct Reader {
    signatures: hmac::Key,
    indices: AHashMap<Tag, usize>,
}

/// The content of a valid seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedSeal {
    /// Index of the backend.
    pub backend: usize,
    /// When it was made, in Unix seconds.
    pub issued: u64,
    /// Whether it was made with the key that seals are made with here, and not with one that is only accepted.
    pub is_current: bool,
}

impl Secret {
    /// The keys from the bytes of a secret, at least 16 of them.
    ///
    /// # Errors
    ///
    /// When there are fewer.
    pub fn new(secret: &[u8]) -> Result<Self, TooShort> {
        if secret.len() < SHORTEST_SECRET {
            return Err(TooShort);
        }
        let root = hmac::Key::new(HMAC_SHA256, secret);
        let derive = |purpose: &[u8]| hmac::Key::new(HMAC_SHA256, hmac::sign(&root, purpose).as_ref());
        let (tags, signatures) = (derive(b"affinity: backend"), derive(b"affinity: signature"));
        Ok(Self { tags, signatures, names: derive(b"affinity: store") })
    }
}

impl Seal {
    /// The seals for the backends with these ids, in the order of the service's list: made with the first of these secrets, and read with all.
    pub fn new<'a>(
        secret: &Secret,
        accepted: &[Secret],
        service: &str,
        ids: impl Iterator<Item = &'a str> + Clone,
        ttl: Duration,
    ) -> Self {
        let tags = |secret: &Secret| ids.clone().map(|id| tag(&secret.tags, service, id)).collect::<Vec<_>>();
        let reader = |secret: &Secret| Reader {
            signatures: secret.signatures.clone(),
            indices: tags(secret).into_iter().enumerate().map(|(index, tag)| (tag, index)).collect(),
        };
        Self {
            service: service.as_bytes().into(),
            tags: tags(secret),
            own: reader(secret),
            accepted: accepted.iter().map(reader).collect(),
            ttl: ttl.as_secs().max(1),
        }
    }

    /// How long a seal holds, in seconds.
    pub fn ttl(&self) -> u64 {
        self.ttl
    }

    /// The seal that names this backend; `None` when there is no such backend.
    pub fn make(&self, backend: usize, unix_now: u64) -> Option<String> {
        let mut bytes = [0; BYTES];
        bytes[0] = VERSION;
        bytes[1..6].copy_from_slice(&unix_now.to_be_bytes()[3..]);
        bytes[6..SIGNED].copy_from_slice(self.tags.get(backend)?);
        let signature = self.sign(&self.own, &bytes[..SIGNED]);
        bytes[SIGNED..].copy_from_slice(&signature.as_ref()[..BYTES - SIGNED]);
        Some(BASE64URL_NOPAD.encode(&bytes))
    }

    /// Reads a text; `None` when it is no seal of ours, has expired, or names a backend that is gone.
    pub fn open(&self, text: &[u8], unix_now: u64) -> Option<OpenedSeal> {
        let mut bytes = [0; BYTES];
        if text.len() != LENGTH || BASE64URL_NOPAD.decode_mut(text, &mut bytes).is_err() || bytes[0] != VERSION {
            return None;
        }
        let signed_by = |reader: &&Reader| {
            let signature = self.sign(reader, &bytes[..SIGNED]);
            verify_slices_are_equal(&signature.as_ref()[..BYTES - SIGNED], &bytes[SIGNED..]).is_ok()
        };
        let is_current = signed_by(&&self.own);
        let reader = if is_current { &self.own } else { self.accepted.iter().find(signed_by)? };
        let mut issued = [0; 8];
        issued[3..].copy_from_slice(&bytes[1..6]);
        let issued = u64::from_be_bytes(issued);
        if issued > unix_now.saturating_add(SKEW) || unix_now.saturating_sub(issued) >= self.ttl {
            return None;
        }
        let backend = *reader.indices.get(&bytes[6..SIGNED])?;
        Some(OpenedSeal { backend, issued, is_current })
    }

    /// Whether a seal made at `issued` should be replaced: more than half of its time is over.
    pub fn is_due(&self, issued: u64, unix_now: u64) -> bool {
        unix_now.saturating_sub(issued) > self.ttl / 2
    }

    fn sign(&self, reader: &Reader, signed: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&reader.signatures);
        context.update(signed);
        context.update(&self.service);
        context.sign()
    }
}

/// The length of the service's name goes first, so that no two pairs of names make the same text.
fn tag(key: &hmac::Key, service: &str, id: &str) -> Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(&(service.len() as u64).to_be_bytes());
    context.update(service.as_bytes());
    context.update(id.as_bytes());
    let mut tag = [0; TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
    tag
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("backends", &self.tags.len()).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a secret needs at least {SHORTEST_SECRET} bytes")
    }
}

impl std::error::Error for TooShort {}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn seal(secret: u8, service: &str, ids: &[&str]) -> Seal {
        rotating(secret, &[], service, ids)
    }

    fn rotating(secret: u8, accepted: &[u8], service: &str, ids: &[&str]) -> Seal {
        let made = |secret: u8| Secret::new(&[secret; 32]).unwrap();
        let (own, accepted) = (made(secret), accepted.iter().copied().map(made).collect::<Vec<_>>());
        Seal::new(&own, &accepted, service, ids.iter().copied(), Duration::from_secs(3600))
    }

    #[test]
    fn what_was_sealed_is_read_by_every_instance_with_the_key() {
        let text = seal(1, "api", &["a", "b"]).make(1, NOW).unwrap();
        assert_eq!(text.len(), LENGTH);
        // another instance, with the backends in another order and one more
        let other = seal(1, "api", &["c", "b", "a"]);
        assert_eq!(
            other.open(text.as_bytes(), NOW + 5),
            Some(OpenedSeal { backend: 1, issued: NOW, is_current: true })
        );
        assert_eq!(seal(1, "api", &["c", "a"]).open(text.as_bytes(), NOW), None, "its backend is gone");
    }

    #[test]
    fn seals_are_the_same_in_every_version_of_the_program() {
        // known from this code's first version: a change here loses the sessions of everybody who upgrades
        let golden = "AQBrSdIANL5WnjiQcaBCa5JjO2lkhq0kPhBEfoTpmppZUriZ_xI";
        assert_eq!(seal(1, "api", &["10.0.0.1:80"]).make(0, NOW).unwrap(), golden);
    }

    #[test]
    fn no_bit_can_be_changed() {
        let seal = seal(1, "api", &["a", "b"]);
        let good = BASE64URL_NOPAD.decode(seal.make(0, NOW).unwrap().as_bytes()).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seal.open(BASE64URL_NOPAD.encode(&bad).as_bytes(), NOW), None, "bit {bit}");
        }
    }

    #[test]
    fn the_last_character_has_one_way_to_be_written() {
        let seal = seal(1, "api", &["a"]);
        let good = seal.make(0, NOW).unwrap();
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/";
        let taken = alphabet.iter().filter(|last| {
            let text = [&good.as_bytes()[..LENGTH - 1], &[**last]].concat();
            seal.open(&text, NOW).is_some()
        });
        assert_eq!(taken.count(), 1);
    }

    #[test]
    fn neither_shorter_nor_longer_is_taken() {
        let seal = seal(1, "api", &["a"]);
        let good = seal.make(0, NOW).unwrap();
        for length in 0..LENGTH {
            assert_eq!(seal.open(&good.as_bytes()[..length], NOW), None);
        }
        for more in ["=", "A", "AAAA", &good] {
            assert_eq!(seal.open(format!("{good}{more}").as_bytes(), NOW), None);
        }
        for garbage in [&b""[..], &[0xff; LENGTH], &[b'A'; LENGTH], &[b' '; LENGTH]] {
            assert_eq!(seal.open(garbage, NOW), None);
        }
    }

    #[test]
    fn another_key_and_another_service_are_refused() {
        let text = seal(1, "api", &["a"]).make(0, NOW).unwrap();
        assert_eq!(seal(2, "api", &["a"]).open(text.as_bytes(), NOW), None);
        assert_eq!(seal(1, "web", &["a"]).open(text.as_bytes(), NOW), None);
        assert!(seal(1, "api", &["a"]).open(text.as_bytes(), NOW).is_some());
    }

    #[test]
    fn a_key_is_replaced_in_steps_and_no_seal_is_refused_on_the_way() {
        // each instance takes each step at a time of its own: 1 signs, then 2 is accepted, then 2 signs, then 1 goes
        let steps: [(u8, &[u8]); 4] = [(1, &[]), (1, &[2]), (2, &[1]), (2, &[])];
        let at = |step: usize| rotating(steps[step].0, steps[step].1, "api", &["a", "b"]);
        for step in 0..3 {
            for (here, there) in [(step, step + 1), (step + 1, step)] {
                let text = at(here).make(1, NOW).unwrap();
                let opened = at(there).open(text.as_bytes(), NOW).unwrap();
                assert_eq!((opened.backend, opened.is_current), (1, steps[here].0 == steps[there].0));
            }
        }
        let old = at(0).make(0, NOW).unwrap();
        assert_eq!(at(2).open(old.as_bytes(), NOW).map(|seal| (seal.backend, seal.is_current)), Some((0, false)));
        assert_eq!(at(3).open(old.as_bytes(), NOW), None);
    }

    #[test]
    fn it_expires_and_does_not_come_from_the_future() {
        let seal = seal(1, "api", &["a"]);
        let text = seal.make(0, NOW).unwrap();
        let at = |now| seal.open(text.as_bytes(), now).is_some();
        assert_eq!([at(NOW + 3599), at(NOW + 3600), at(u64::MAX)], [true, false, false]);
        assert_eq!([at(NOW - SKEW), at(NOW - SKEW - 1), at(0)], [true, false, false]);
    }

    #[test]
    fn the_backend_is_not_readable_from_it() {
        let text = seal(1, "api", &["10.0.0.1:80"]).make(0, NOW).unwrap();
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let shows = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        assert!(!shows(b"10.0") && !shows(b"api") && !shows(&[10, 0, 0, 1]));
        // nor from what another key makes of the same backend
        let other = BASE64URL_NOPAD.decode(seal(2, "api", &["10.0.0.1:80"]).make(0, NOW).unwrap().as_bytes()).unwrap();
        assert_ne!(bytes[6..SIGNED], other[6..SIGNED]);
    }

    #[test]
    fn names_that_run_together_have_tags_of_their_own() {
        let key = Secret::new(&[1; 16]).unwrap().tags;
        assert_ne!(tag(&key, "ab", "c"), tag(&key, "a", "bc"));
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_shown() {
        assert_eq!(Secret::new(&[1; 15]).unwrap_err(), TooShort);
        let secret = Secret::new(b"a secret of some length").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
        assert!(!format!("{:?}", seal(1, "api", &["a"])).contains("key"));
    }
}
