//! What a worker has seen verified: passwords and tokens, each under a keyed hash of it, of what it was verified against, and of whose it is. Neither a password nor
//! anything that it could be guessed from without the key is kept. When a user's hash or a key changes, what was verified against the old one fits no more.

use std::cell::RefCell;

use ahash::AHashMap;
use aws_lc_rs::hmac::{self, Context, HMAC_SHA256};

/// The most that one worker remembers: half a megabyte.
const MOST: usize = 4096;

/// What a password or a token is remembered by.
pub(super) type Key = [u8; 32];

/// What one worker remembers.
#[derive(Debug)]
pub struct Remembered {
    key: hmac::Key,
    /// Until when each holds, in seconds.
    until: RefCell<AHashMap<Key, u64>>,
}

impl Default for Remembered {
    fn default() -> Self {
        let mut bytes = [0; 32];
        // without random bytes from the kernel nothing else here would work either; a key that is guessed lets nobody in
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            bytes.fill_with(|| fastrand::u8(..));
        }
        Self { key: hmac::Key::new(HMAC_SHA256, &bytes), until: RefCell::default() }
    }
}

impl Remembered {
    /// `whose`: a user, or what no user is called where it is no user's. `against`: what `secret` is verified against.
    pub(super) fn key(&self, whose: &str, secret: &[u8], against: &[u8]) -> Key {
        let mut context = Context::with_key(&self.key);
        // with their lengths, so that no two users and passwords make the same text
        for part in [whose.as_bytes(), secret, against] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        key
    }

    pub(super) fn contains(&self, key: &Key, now: u64) -> bool {
        self.until.borrow().get(key).is_some_and(|until| now < *until)
    }

    /// Remembers one until this second. Where there is no room, what holds no more makes some, and then everything does: that costs a verification each.
    pub(super) fn insert(&self, key: Key, until: u64, now: u64) {
        let mut all = self.until.borrow_mut();
        if all.len() >= MOST {
            all.retain(|_, until| now < *until);
            if all.len() >= MOST {
                all.clear();
            }
        }
        all.insert(key, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_verified_holds_for_its_time_and_for_nothing_else() {
        let remembered = Remembered::default();
        let key = remembered.key("ann", b"secret", b"hash");
        remembered.insert(key, 100, 0);
        assert!(remembered.contains(&key, 99) && !remembered.contains(&key, 100));
        for (user, password, hash) in [
            ("ann", &b"other"[..], &b"hash"[..]),
            ("bob", b"secret", b"hash"),
            ("ann", b"secret", b"new"),
            ("annsecret", b"", b"hash"),
        ] {
            assert!(!remembered.contains(&remembered.key(user, password, hash), 0));
        }
        assert_ne!(Remembered::default().key("ann", b"secret", b"hash"), key);
    }

    #[test]
    fn there_is_a_limit_to_what_is_remembered() {
        let remembered = Remembered::default();
        for number in 0..3 * MOST as u64 {
            remembered.insert(remembered.key("a", &number.to_le_bytes(), b""), 100, 0);
        }
        assert!(remembered.until.borrow().len() <= MOST);
    }
}
