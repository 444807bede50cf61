//! What a worker has seen verified: passwords and tokens, each under a keyed hash of it, of what it was verified against, and of whose it is. Neither a password nor
//! anything that it could be guessed from without the key is kept. When a user's hash or a key changes, what was verified against the old one fits no more.
//!
//! Passwords and tokens have places of their own, so that neither takes them from the other.

use std::cell::RefCell;
use std::rc::Rc;

use ahash::AHashMap;
use aws_lc_rs::hmac::{self, Context, HMAC_SHA256};
use serde_json::{Map, Value};

/// The most passwords that one worker remembers, and the most tokens: half a megabyte each.
const MOST: usize = 4096;
/// The most that the tokens of which a worker remembers the claims may have together, in bytes. What is kept of one takes a few times its length.
const MOST_BYTES: usize = 4 << 20;

/// What a password or a token is remembered by.
pub(super) type Key = [u8; 32];

/// What a token says.
type Claims = Map<String, Value>;

/// What one worker remembers.
#[derive(Debug)]
pub struct Remembered {
    key: hmac::Key,
    passwords: RefCell<Table<()>>,
    /// With what each says.
    tokens: RefCell<Table<Rc<Claims>>>,
}

impl Default for Remembered {
    fn default() -> Self {
        let mut bytes = [0; 32];
        // without random bytes from the kernel nothing else here would work either; a key that is guessed lets nobody in
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            bytes.fill_with(|| fastrand::u8(..));
        }
        let key = hmac::Key::new(HMAC_SHA256, &bytes);
        Self { key, passwords: RefCell::default(), tokens: RefCell::default() }
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

    /// Whether a password is remembered in this second.
    pub(super) fn has_password(&self, key: &Key, now: u64) -> bool {
        self.passwords.borrow().get(key, now).is_some()
    }

    /// Remembers a password until this second.
    pub(super) fn insert_password(&self, key: Key, until: u64) {
        self.passwords.borrow_mut().insert(Entry { key, until, bytes: 0, value: () });
    }

    /// What a token says that is remembered in this second.
    pub(super) fn token(&self, key: &Key, now: u64) -> Option<Rc<Claims>> {
        self.tokens.borrow().get(key, now).cloned()
    }

    /// Remembers a token of so many bytes, and what it says, until this second.
    pub(super) fn insert_token(&self, key: Key, until: u64, bytes: usize, claims: Rc<Claims>) {
        self.tokens.borrow_mut().insert(Entry { key, until, bytes, value: claims });
    }
}

/// What is remembered, with a limit: one that comes then takes the place of one that has the bad luck.
#[derive(Debug)]
struct Table<T> {
    entries: Vec<Entry<T>>,
    /// Where each is.
    places: AHashMap<Key, usize>,
    /// All of theirs.
    bytes: usize,
}

#[derive(Debug)]
struct Entry<T> {
    key: Key,
    /// The second in which it holds no more.
    until: u64,
    bytes: usize,
    value: T,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), places: AHashMap::new(), bytes: 0 }
    }
}

impl<T> Table<T> {
    fn get(&self, key: &Key, now: u64) -> Option<&T> {
        let entry = &self.entries[*self.places.get(key)?];
        (now < entry.until).then_some(&entry.value)
    }

    fn insert(&mut self, entry: Entry<T>) {
        if let Some(place) = self.places.get(&entry.key) {
            self.remove(*place);
        }
        let mut draw = 0;
        while !self.entries.is_empty() && (self.entries.len() >= MOST || self.bytes + entry.bytes > MOST_BYTES) {
            self.remove(self.unlucky(&entry.key, draw));
            draw += 1;
        }
        self.bytes += entry.bytes;
        self.places.insert(entry.key, self.entries.len());
        self.entries.push(entry);
    }

    /// Of two that are drawn, the one that ends sooner: what holds no more goes before long, without anybody looking for it. They are drawn by the key that comes, which is as good as a
    /// random number to everybody who does not know the worker's own.
    fn unlucky(&self, by: &Key, draw: usize) -> usize {
        let numbers = by.as_chunks::<8>().0;
        let drawn = |at: usize| {
            let number = numbers[at % numbers.len()];
            let number = u64::from_le_bytes(number).wrapping_add(draw as u64);
            usize::try_from(number % self.entries.len() as u64).unwrap_or(0)
        };
        let (one, other) = (drawn(2 * draw), drawn(2 * draw + 1));
        if self.entries[one].until <= self.entries[other].until { one } else { other }
    }

    fn remove(&mut self, place: usize) {
        let gone = self.entries.swap_remove(place);
        self.places.remove(&gone.key);
        self.bytes -= gone.bytes;
        if let Some(moved) = self.entries.get(place) {
            self.places.insert(moved.key, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_verified_holds_for_its_time_and_for_nothing_else() {
        let remembered = Remembered::default();
        let key = remembered.key("ann", b"secret", b"hash");
        remembered.insert_password(key, 100);
        assert!(remembered.has_password(&key, 99) && !remembered.has_password(&key, 100));
        assert!(remembered.token(&key, 0).is_none(), "it is no token");
        for (user, password, hash) in [
            ("ann", &b"other"[..], &b"hash"[..]),
            ("bob", b"secret", b"hash"),
            ("ann", b"secret", b"new"),
            ("annsecret", b"", b"hash"),
        ] {
            assert!(!remembered.has_password(&remembered.key(user, password, hash), 0));
        }
        assert_ne!(Remembered::default().key("ann", b"secret", b"hash"), key);
        remembered.insert_password(key, 200);
        assert!(remembered.has_password(&key, 199), "it was verified again");
    }

    #[test]
    fn there_is_a_limit_to_what_is_remembered_and_tokens_take_no_places_of_passwords() {
        let remembered = Remembered::default();
        let key = |number: u64| remembered.key("a", &number.to_le_bytes(), b"");
        let passwords = MOST as u64;
        (0..passwords).for_each(|number| remembered.insert_password(key(number), 100));
        for number in 0..3 * MOST as u64 {
            remembered.insert_token(key(number), 100, 1, Rc::default());
        }
        assert!((0..passwords).all(|number| remembered.has_password(&key(number), 0)));
        let tokens = remembered.tokens.borrow();
        assert_eq!((tokens.entries.len(), tokens.places.len(), tokens.bytes), (MOST, MOST, MOST));
        assert!(tokens.places.iter().all(|(key, place)| tokens.entries[*place].key == *key));
    }

    #[test]
    fn one_that_comes_when_there_is_no_room_costs_one_its_place_and_not_all_of_them() {
        let remembered = Remembered::default();
        let key = |number: u64| remembered.key("a", &number.to_le_bytes(), b"");
        let most = MOST as u64;
        // every other one is over in a second
        (0..most).for_each(|number| remembered.insert_password(key(number), if number % 2 == 0 { 100 } else { 1 }));
        (most..most + 1000).for_each(|number| remembered.insert_password(key(number), 100));
        let kept = (0..most + 1000).filter(|number| remembered.has_password(&key(*number), 50)).count();
        // of the 3,048 that hold, all but those of which two were drawn at once: a quarter of a thousand, and a few more as those that are over get fewer
        assert!(kept > 2500, "{kept}");
        assert!(remembered.has_password(&key(most + 999), 0), "the one that came last is among them");
    }

    #[test]
    fn long_tokens_make_room_for_each_other() {
        let remembered = Remembered::default();
        let key = |number: u64| remembered.key("a", &number.to_le_bytes(), b"");
        (0..2000).for_each(|number| remembered.insert_token(key(number), 100, 8 << 10, Rc::default()));
        let tokens = remembered.tokens.borrow();
        assert_eq!((tokens.bytes, tokens.entries.len()), (MOST_BYTES, MOST_BYTES >> 13));
    }
}
