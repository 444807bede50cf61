//! Browsers that have logged in. They are kept in memory only, and for a limited time: a restart ends every login, another secret in the
//! file of a token ends those that began with it.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use http::HeaderMap;
use http::header::COOKIE;

use crate::clock::Moment;
use crate::policy::AdminToken;

/// How long a login lasts, however much it is used: more than a working day.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 3600);

/// The most logins at a time, more than operators have browsers. Where one more begins, the oldest one ends.
const MOST: usize = 256;

/// The name of the cookie that stands for a login.
pub(super) const COOKIE_NAME: &str = "evenkeel_session";

/// 256 random bits.
pub(super) type Random = [u8; 32];

/// All logins.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// By the digest of the cookie's value, so that the time of a look-up says nothing about any cookie.
    open: HashMap<Vec<u8>, Login>,
}

/// A browser that has logged in.
#[derive(Debug, Clone)]
pub(super) struct Login {
    /// The token that it has shown.
    pub(super) token: AdminToken,
    /// The secret that a request must show beside the cookie to change something.
    csrf: String,
    until: Moment,
}

impl Logins {
    /// Begins a login, and gives back the value of its cookie. `random` are two numbers that nobody can guess.
    pub(super) fn open(&mut self, token: AdminToken, random: [Random; 2], now: Moment) -> String {
        self.open.retain(|_, login| login.until > now);
        if self.open.len() >= MOST {
            let oldest = self.open.iter().min_by_key(|(_, login)| login.until).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.open.remove(&key));
        }
        let [id, csrf] = random.map(|random| BASE64URL_NOPAD.encode(&random));
        self.open.insert(key(&id), Login { token, csrf, until: now.plus(LIFE) });
        id
    }

    /// The login whose cookie a request has.
    pub(super) fn find(&self, headers: &HeaderMap, now: Moment) -> Option<&Login> {
        cookies(headers).find_map(|id| self.open.get(&key(id)).filter(|login| login.until > now))
    }

    /// Whether this login has not ended.
    pub(super) fn is_open(&self, login: &Login, now: Moment) -> bool {
        login.until > now && self.open.values().any(|open| open.csrf == login.csrf)
    }

    /// Ends the login whose cookie a request has.
    pub(super) fn close(&mut self, headers: &HeaderMap) {
        cookies(headers).for_each(|id| _ = self.open.remove(&key(id)));
    }
}

impl Login {
    /// When it ends, if nothing ends it before.
    pub(super) fn until(&self) -> Moment {
        self.until
    }

    /// The secret that a request must show beside the cookie to change something.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether `shown` is that secret.
    pub(super) fn is_confirmed_by(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.csrf.as_bytes(), shown).is_ok()
    }
}

fn key(id: &str) -> Vec<u8> {
    digest(&SHA256, id.as_bytes()).as_ref().to_vec()
}

/// The values of our cookie in a request: another server on the same host can have set one of the same name.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok()).flat_map(|text| text.split(';'));
    pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::policy::{Access, TokenSecret};

    const START: Moment = Moment::from_millis(1_100_000_000_000);

    fn token() -> AdminToken {
        AdminToken { name: "admin".into(), secret: TokenSecret::new("s3cret"), access: Access::Write }
    }

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_its_time_is_over_or_it_is_closed() {
        let mut logins = Logins::default();
        let id = logins.open(token(), [[1; 32], [2; 32]], START);
        let other = logins.open(token(), [[3; 32], [4; 32]], START);
        let asked = headers(&format!("a=b; {COOKIE_NAME}=stale; {COOKIE_NAME}={id}"));
        let last = START.plus(LIFE - Duration::from_secs(1));
        assert!(logins.find(&asked, last).is_some_and(|login| login.is_confirmed_by(login.csrf().as_bytes())));
        assert!(logins.find(&asked, START.plus(LIFE)).is_none());
        for wrong in [&id[1..], "", &format!("{id}x")] {
            assert!(logins.find(&headers(&format!("{COOKIE_NAME}={wrong}")), START).is_none(), "{wrong}");
        }
        assert!(logins.find(&headers(&format!("x{COOKIE_NAME}={id}")), START).is_none());
        logins.close(&asked);
        assert!(logins.find(&asked, START).is_none());
        assert!(logins.find(&headers(&format!("{COOKIE_NAME}={other}")), START).is_some());
    }

    #[test]
    fn where_there_are_too_many_the_oldest_ends() {
        let mut logins = Logins::default();
        let ids: Vec<String> = (0..=MOST)
            .map(|n| {
                let random = [u8::try_from(n % 256).unwrap(), u8::try_from(n / 256).unwrap()].repeat(16);
                let random: Random = random.try_into().unwrap();
                logins.open(token(), [random; 2], START.plus(Duration::from_millis(n as u64)))
            })
            .collect();
        let known = |id: &String| logins.find(&headers(&format!("{COOKIE_NAME}={id}")), START).is_some();
        assert_eq!((known(&ids[0]), known(&ids[1]), known(&ids[MOST])), (false, true, true));
    }
}
