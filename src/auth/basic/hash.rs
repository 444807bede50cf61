//! A password's hash, as `htpasswd -B` and `argon2` write it.

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params};
use bcrypt::HashParts;

/// The most that one verification may cost: bcrypt's cost of 14 takes about a second.
const MOST_BCRYPT_COST: u32 = 14;
/// The most memory of argon2, in KiB.
const MOST_ARGON2_MEMORY: u32 = 256 << 10;
/// The most memory times passes of argon2, in KiB: about a second.
const MOST_ARGON2_WORK: u64 = 1 << 20;

/// A hash that passwords are compared with.
#[derive(Debug, PartialEq, Eq)]
pub enum StoredHash {
    /// `$2y$...`
    Bcrypt(Box<str>),
    /// `$argon2id$...`
    Argon2(Box<str>),
}

impl StoredHash {
    /// Reads a hash.
    ///
    /// # Errors
    ///
    /// Why it can't be used, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("$2") {
            let parts: HashParts = text.parse().map_err(|error| format!("its bcrypt hash can't be read: {error}"))?;
            return match parts.get_cost() {
                cost @ ..4 => Err(format!("a cost of {cost} is too little: at least 4")),
                cost if cost > MOST_BCRYPT_COST => {
                    Err(format!("a cost of {cost} would take seconds for each password: at most {MOST_BCRYPT_COST}"))
                }
                _ => Ok(Self::Bcrypt(text.into())),
            };
        }
        if text.starts_with("$argon2") {
            let unreadable = |error: &dyn std::fmt::Display| format!("its argon2 hash can't be read: {error}");
            let hash = PasswordHash::new(text).map_err(|error| unreadable(&error))?;
            let params = Params::try_from(&hash).map_err(|error| unreadable(&error))?;
            let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
            if params.m_cost() > MOST_ARGON2_MEMORY || work > MOST_ARGON2_WORK {
                return Err("its argon2 hash would take more than 256 MiB, or seconds, for each password".to_owned());
            }
            if hash.hash.is_none() || hash.salt.is_none() {
                return Err("its argon2 hash has no salt or no hash".to_owned());
            }
            return Ok(Self::Argon2(text.into()));
        }
        Err(match text {
            text if text.starts_with("$apr1$") || text.starts_with("$1$") => "MD5 is no protection any more".to_owned(),
            text if text.starts_with("{SHA}") => "SHA-1 without a salt is no protection".to_owned(),
            text if text.starts_with("$5$") || text.starts_with("$6$") => "crypt's SHA-2 is not supported".to_owned(),
            _ => "its password is neither a bcrypt nor an argon2 hash".to_owned(),
        })
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Self::Bcrypt(text) | Self::Argon2(text) => text,
        }
    }

    /// How much work it is to verify a password, roughly: 2^20 take about a second.
    pub(super) fn work(&self) -> u64 {
        match self {
            Self::Bcrypt(text) => {
                text.parse().map_or(0, |parts: HashParts| 1 << (parts.get_cost().min(MOST_BCRYPT_COST) + 6))
            }
            Self::Argon2(text) => {
                let params = PasswordHash::new(text).ok().and_then(|hash| Params::try_from(&hash).ok());
                params.map_or(0, |params| u64::from(params.m_cost()) * u64::from(params.t_cost()))
            }
        }
    }

    /// Whether a password is the one that was hashed. Takes as long as whoever made the hash wanted it to.
    pub fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Self::Argon2(text) => {
                let Ok(hash) = PasswordHash::new(text) else { return false };
                Argon2::default().verify_password(password, &hash).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `htpasswd -nbB -C 4`: "secret".
    pub const BCRYPT: &str = "$2y$04$nXQYSTK.z1hIK7WfHlGFWOQOW2Ld7Kkq3pJb3L1a3GgqNKlKkY6oW";

    #[test]
    fn hashes_that_are_no_protection_or_cost_too_much_are_refused() {
        for (text, reason) in [
            ("secret", "neither"),
            ("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "MD5"),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA-1"),
            ("$2y$04$short", "can't be read"),
            (&BCRYPT.replace("$04$", "$15$"), "seconds"),
            (&BCRYPT.replace("$04$", "$01$"), "too little"),
            ("$argon2id$v=19$m=2097152,t=3,p=4$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "256 MiB"),
            ("$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHQ", "no"),
        ] {
            let refused = StoredHash::parse(text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }

    #[test]
    fn a_password_fits_the_hash_that_was_made_of_it_and_no_other() {
        let bcrypt = StoredHash::parse(&bcrypt::hash("secret", 4).unwrap()).unwrap();
        // made by the reference implementation: `echo -n secret | argon2 somesalt -id -t 1 -k 64 -p 1 -l 16 -e` has this form
        let argon2 = made_by_argon2("secret");
        for hash in [&bcrypt, &argon2] {
            assert!(hash.is_of(b"secret"));
            for wrong in [&b""[..], b"Secret", b"secret ", b"secret\0"] {
                assert!(!hash.is_of(wrong), "{wrong:?}");
            }
        }
    }

    fn made_by_argon2(password: &str) -> StoredHash {
        use argon2::password_hash::CustomizedPasswordHasher as _;
        let params = Params::new(64, 1, 1, None).unwrap();
        let hash = Argon2::default().hash_password_with_params(password.as_bytes(), b"somesalt", params).unwrap();
        StoredHash::parse(&hash.to_string()).unwrap()
    }
}
