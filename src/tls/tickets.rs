//! Session tickets under keys that several instances share, so that a client resumes at another instance than the one that it began at.
//!
//! A ticket is `name (16) | nonce (12) | ciphertext | tag (16)`. AES-256-GCM-SIV (RFC 8452) seals it: nonces are drawn at random, by several instances that know
//! nothing of each other, and with this construction two that are the same reveal no more than whether two tickets hold the same. The name says which key it is, and
//! is authenticated with it. The first eight bytes of what is sealed are the time at which the ticket was given.
//!
//! Keys and names are derived (HKDF, RFC 5869) from the secrets and from who is let in: who resumes is not asked for a certificate again, so a ticket that was given where
//! none was needed must not be good where one is.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use rustls::server::ProducesTickets;

use crate::certificate::ticket_keys::TicketKeys;

/// For how long a ticket is good, as those of rustls are. A file that nobody rotates does not make it longer.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// How much the clock of another instance may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(300);
/// The bytes of a key's name.
const NAME: usize = 16;
/// The bytes of the time.
const TIME: usize = 8;
/// The bytes of a tag.
const TAG: usize = 16;
/// The bytes of a key.
const KEY: usize = 32;
/// The longest ticket: its length has two bytes (RFC 8446, section 4.6.1).
const LONGEST: usize = u16::MAX as usize;

/// Makes and reads tickets.
pub(super) struct SharedTickets {
    /// The first one makes tickets.
    keys: Vec<Key>,
    now: fn() -> SystemTime,
}

struct Key {
    name: [u8; NAME],
    key: RandomizedNonceKey,
}

/// How much is derived at once.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        NAME + KEY
    }
}

impl SharedTickets {
    /// `clients` says who is let in: tickets are good where that is the same.
    pub(super) fn new(keys: &TicketKeys, clients: &[u8; 32]) -> Result<Self, String> {
        Self::at(keys, clients, SystemTime::now)
    }

    fn at(keys: &TicketKeys, clients: &[u8; 32], now: fn() -> SystemTime) -> Result<Self, String> {
        let keys = keys.secrets().iter().map(|secret| Key::new(secret, clients)).collect::<Option<Vec<_>>>();
        let keys = keys.filter(|keys| !keys.is_empty()).ok_or("keys of session tickets can't be derived")?;
        Ok(Self { keys, now })
    }

    fn seconds(&self) -> u64 {
        (self.now)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl Key {
    fn new(secret: &[u8], clients: &[u8; 32]) -> Option<Self> {
        let key = Salt::new(HKDF_SHA256, b"evenkeel session tickets 1").extract(secret);
        let mut derived = [0; NAME + KEY];
        key.expand(&[clients], Length).and_then(|derivation| derivation.fill(&mut derived)).ok()?;
        let (name, key) = derived.split_first_chunk::<NAME>()?;
        Some(Self { name: *name, key: RandomizedNonceKey::new(&AES_256_GCM_SIV, key).ok()? })
    }
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(LIFETIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let Key { name, key } = self.keys.first()?;
        let length = NAME + NONCE_LEN + TIME + plain.len() + TAG;
        if length > LONGEST {
            return None;
        }
        let mut sealed = Vec::with_capacity(TIME + plain.len() + TAG);
        sealed.extend_from_slice(&self.seconds().to_be_bytes());
        sealed.extend_from_slice(plain);
        let nonce = key.seal_in_place_append_tag(Aad::from(name), &mut sealed).ok()?;
        let mut ticket = Vec::with_capacity(length);
        ticket.extend_from_slice(name);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.append(&mut sealed);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > LONGEST {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        // names are no secret: each ticket shows one in clear
        let Key { key, .. } = self.keys.iter().find(|known| known.name == *name)?;
        let mut sealed = sealed.to_vec();
        let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(name), &mut sealed).ok()?;
        let (given, plain) = opened.split_first_chunk::<TIME>()?;
        let (given, now) = (u64::from_be_bytes(*given), self.seconds());
        let is_good = given <= now.saturating_add(AHEAD.as_secs()) && now.saturating_sub(given) <= LIFETIME.as_secs();
        is_good.then(|| plain.to_vec())
    }
}

impl fmt::Debug for SharedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTickets").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::certificate::ticket_keys;

    const CLIENTS: [u8; 32] = [1; 32];

    fn keys(secrets: &[u8]) -> TicketKeys {
        let lines: Vec<String> = secrets.iter().map(|byte| data_encoding::BASE64.encode(&[*byte; 80])).collect();
        ticket_keys::parse(lines.join("\n").as_bytes()).unwrap()
    }

    fn tickets(secrets: &[u8]) -> SharedTickets {
        SharedTickets::new(&keys(secrets), &CLIENTS).unwrap()
    }

    #[test]
    fn another_instance_reads_a_ticket_before_and_after_the_keys_are_rotated() {
        let (old, new) = (tickets(&[1]), tickets(&[2, 1]));
        let ticket = old.encrypt(b"session").unwrap();
        assert_eq!(tickets(&[1]).decrypt(&ticket).unwrap(), b"session");
        assert_eq!(new.decrypt(&ticket).unwrap(), b"session");
        let ticket = new.encrypt(b"session").unwrap();
        assert_eq!(old.decrypt(&ticket), None, "it has not got the new key yet");
        assert_eq!(tickets(&[3, 2]).decrypt(&ticket).unwrap(), b"session");
        assert_eq!(tickets(&[3]).decrypt(&ticket), None);
        assert_ne!(new.encrypt(b"session"), new.encrypt(b"session"));
    }

    #[test]
    fn a_ticket_is_not_good_where_others_are_let_in() {
        let ticket = tickets(&[1]).encrypt(b"session").unwrap();
        assert_eq!(SharedTickets::new(&keys(&[1]), &[2; 32]).unwrap().decrypt(&ticket), None);
    }

    #[test]
    fn whatever_is_changed_in_a_ticket_makes_it_worthless() {
        let ours = tickets(&[1]);
        let ticket = ours.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            assert_eq!(ours.decrypt(&ticket[..at]), None, "cut after {at} bytes");
            for bit in 0..8 {
                let mut other = ticket.clone();
                other[at] ^= 1 << bit;
                assert_eq!(ours.decrypt(&other), None, "bit {bit} of byte {at}");
            }
        }
        let mut longer = ticket.clone();
        longer.push(0);
        assert_eq!(ours.decrypt(&longer), None);
        assert_eq!((ours.decrypt(&[]), ours.decrypt(&vec![0; LONGEST + 1])), (None, None));
        assert_eq!(ours.encrypt(&vec![0; LONGEST]), None, "it would be too long");
        assert!(ours.encrypt(&vec![0; LONGEST - NAME - NONCE_LEN - TIME - TAG]).is_some());
    }

    #[test]
    fn a_ticket_grows_old() {
        static NOW: AtomicU64 = AtomicU64::new(1_000_000);
        let now: fn() -> SystemTime = || UNIX_EPOCH + Duration::from_secs(NOW.load(Ordering::Relaxed));
        let ours = SharedTickets::at(&keys(&[1]), &CLIENTS, now).unwrap();
        let ticket = ours.encrypt(b"session").unwrap();
        let good = |seconds: u64| {
            NOW.store(seconds, Ordering::Relaxed);
            ours.decrypt(&ticket).is_some()
        };
        let lifetime = u64::from(ours.lifetime());
        assert!(good(1_000_000) && good(1_000_000 + lifetime) && good(1_000_000 - 300));
        assert!(!good(1_000_001 + lifetime) && !good(1_000_000 - 301));
    }

    proptest::proptest! {
        #[test]
        fn what_is_no_ticket_is_not_read(noise in proptest::collection::vec(proptest::num::u8::ANY, 0..200), name: bool) {
            let ours = tickets(&[1]);
            let mut noise = noise;
            if name {
                noise.splice(0..0, ours.keys[0].name);
            }
            proptest::prop_assert_eq!(ours.decrypt(&noise), None);
        }
    }
}
