//! Session affinity: a client that was served by one backend is served by it again. What belongs to one client is
//! called its sticky session here, or its session for short; it has nothing to do with the sessions of Layer 4.
//!
//! There are two kinds. A signed cookie ([`seal`], [`cookie`]) carries the session with the client: nothing is kept
//! here, and every instance with the same key understands it, also after a restart. A table ([`table`]) keeps the
//! sessions of clients that are told apart by something that they send anyway. The third kind of affinity, the hash
//! ring, is an algorithm of `balance`.
//!
//! Both follow the same rule, [`Affinity::decide`]: the backend that the session wants, when it may be used; otherwise whatever
//! the balancer picks, and that is where the session stays from then on, also when its first backend comes back. Whether a
//! backend "may be used" is the caller's to say, because it differs from what may be picked for a new session: a drained
//! backend keeps the sessions that it has.
//!
//! A table may be [`shared`] by several instances: what each of them has decided is kept in a store as well, and a session that is new to one
//! of them is asked for there.
//!
//! An [`Affinity`] belongs to one service and is built with each snapshot. Backends are named by their index in the service's
//! list; what outlives a snapshot (a cookie, a table's entry) goes by the backend's id, so sessions stay when others come and go.

pub mod cookie;
pub mod seal;
pub mod shared;
pub mod table;

mod numbers;

use std::sync::Arc;

use http::HeaderValue;

use crate::clock::Moment;
use cookie::Cookie;
use shared::SharedTable;
use table::StickTableView;

/// The affinity of one service.
#[derive(Debug)]
pub enum Affinity {
    /// The client carries it. The cookie is shared, so that snapshots with the same backends can go on with the same
    /// one: making it takes an HMAC for each backend.
    Cookie(Arc<Cookie>),
    /// A table here keeps it.
    Table(StickTableView),
    /// A table here keeps it, and a store that other instances use as well.
    Shared(SharedTable),
}

/// What ties one exchange to a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stickiness {
    /// The key in the table.
    key: Option<u64>,
    /// The backend that the client's cookie names.
    backend: Option<usize>,
    /// When that cookie was made, in Unix seconds; `None` when the session has moved since, or the cookie was made with a key that is only
    /// accepted.
    issued: Option<u64>,
    /// The store has the session at a backend that can't be used here, so that another one is to replace it there.
    is_stored: bool,
}

impl Affinity {
    /// Reads what ties a request to a backend. `cookies` are the values of its `Cookie` fields; `key` returns the hash
    /// of what clients are told apart by, or `None` when the request has no such thing: any backend may serve it then.
    pub fn stickiness<'a>(
        &self,
        cookies: impl Iterator<Item = &'a [u8]>,
        key: impl FnOnce() -> Option<u64>,
        unix_now: u64,
    ) -> Stickiness {
        match self {
            Self::Cookie(cookie) => match cookie.read(cookies, unix_now) {
                Some(named) => {
                    let issued = Some(named.issued).filter(|_| named.is_current);
                    Stickiness { backend: Some(named.backend), issued, ..Stickiness::default() }
                }
                None => Stickiness::default(),
            },
            Self::Table(_) | Self::Shared(_) => Stickiness { key: key(), ..Stickiness::default() },
        }
    }

    /// The backend that this exchange goes to; `None` only when `pick` has none. To be called again for each further attempt,
    /// with a `usable` that leaves out the backends that were tried: the session then moves.
    pub fn decide(
        &self,
        session: &mut Stickiness,
        now: Moment,
        usable: impl Fn(usize) -> bool,
        pick: impl FnOnce() -> Option<usize>,
    ) -> Option<usize> {
        match (self, session.key) {
            (Self::Table(sessions), Some(key)) => return sessions.decide(key, now, usable, pick),
            (Self::Shared(sessions), Some(key)) => return sessions.decide(key, session.is_stored, now, usable, pick),
            _ => {}
        }
        if let Some(wanted) = session.backend.filter(|wanted| usable(*wanted)) {
            return Some(wanted);
        }
        let picked = pick()?;
        *session = Stickiness { backend: Some(picked), ..Stickiness::default() };
        Some(picked)
    }

    /// How many sessions the backend at this index has at `now`; `None` = nobody knows: those in cookies are with the clients. To be asked
    /// by the control plane: it reads the whole table.
    pub fn sessions_of(&self, index: usize, now: Moment) -> Option<usize> {
        match self {
            Self::Cookie(_) => None,
            Self::Table(sessions) => Some(sessions.count(index, now)),
            Self::Shared(sessions) => Some(sessions.view().count(index, now)),
        }
    }

    /// The `Set-Cookie` for an answer that came from the backend `used`; `None` when the client has a cookie that says so and is
    /// not about to expire, and for tables. `secure`: the client came over TLS.
    pub fn set_cookie(&self, session: &Stickiness, used: usize, unix_now: u64, secure: bool) -> Option<HeaderValue> {
        match self {
            Self::Cookie(cookie) => {
                let still_good = session.backend == Some(used)
                    && session.issued.is_some_and(|issued| !cookie.seal.is_due(issued, unix_now));
                if still_good { None } else { cookie.render(used, unix_now, secure) }
            }
            Self::Table(_) | Self::Shared(_) => None,
        }
    }
}

impl Stickiness {
    /// The hash of what the client is told apart by, where a table keeps its session.
    pub fn key(&self) -> Option<u64> {
        self.key
    }

    /// The store has the session at a backend that can't be used here.
    pub fn is_stored_elsewhere(&mut self) {
        self.is_stored = true;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::seal::{Seal, Secret};
    use super::table::StickTable;
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const TTL: Duration = Duration::from_secs(3600);

    fn by_cookie(ids: &[&str]) -> Affinity {
        let secret = Secret::new(&[7; 32]).unwrap();
        let seal = Seal::new(&secret, &[], "api", ids.iter().copied(), TTL);
        Affinity::Cookie(Arc::new(Cookie::new("evenkeel".to_owned(), seal)))
    }

    /// The `Cookie` field that a client sends back for a `Set-Cookie`.
    fn sent_back(set: &HeaderValue) -> String {
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    fn read(affinity: &Affinity, field: &str, now: u64) -> Stickiness {
        affinity.stickiness([field.as_bytes()].into_iter(), || None, now)
    }

    #[test]
    fn a_client_that_shows_its_cookie_comes_back_to_its_backend() {
        let affinity = by_cookie(&["a", "b", "c"]);
        let mut first = read(&affinity, "", NOW);
        assert_eq!(affinity.decide(&mut first, Moment::NEVER, |_| true, || Some(1)), Some(1));
        let set = affinity.set_cookie(&first, 1, NOW, false).unwrap();

        let mut second = read(&affinity, &sent_back(&set), NOW + 10);
        let decided = affinity.decide(&mut second, Moment::NEVER, |_| true, || panic!("nothing to pick"));
        assert_eq!(decided, Some(1));
        assert_eq!(affinity.set_cookie(&second, 1, NOW + 10, false), None, "it has a good one");
    }

    #[test]
    fn a_cookie_is_renewed_when_half_of_its_time_is_over() {
        let affinity = by_cookie(&["a"]);
        let set = affinity.set_cookie(&Stickiness::default(), 0, NOW, false).unwrap();
        let at = |now| {
            let session = read(&affinity, &sent_back(&set), now);
            affinity.set_cookie(&session, 0, now, false).is_some()
        };
        assert_eq!([at(NOW + 1799), at(NOW + 1801)], [false, true]);
    }

    #[test]
    fn a_session_moves_once_and_stays_where_it_moved() {
        let affinity = by_cookie(&["a", "b", "c"]);
        let set = affinity.set_cookie(&Stickiness::default(), 0, NOW, false).unwrap();
        let mut session = read(&affinity, &sent_back(&set), NOW);
        assert_eq!(affinity.decide(&mut session, Moment::NEVER, |at| at != 0, || Some(2)), Some(2));
        let moved = affinity.set_cookie(&session, 2, NOW, false).expect("it says where the session is now");
        let mut session = read(&affinity, &sent_back(&moved), NOW);
        assert_eq!(affinity.decide(&mut session, Moment::NEVER, |_| true, || Some(1)), Some(2), "though 0 is back");
    }

    #[test]
    fn a_second_attempt_moves_the_session_and_the_cookie_names_who_answered() {
        let affinity = by_cookie(&["a", "b"]);
        let set = affinity.set_cookie(&Stickiness::default(), 0, NOW, false).unwrap();
        let mut session = read(&affinity, &sent_back(&set), NOW);
        assert_eq!(affinity.decide(&mut session, Moment::NEVER, |_| true, || Some(1)), Some(0));
        assert_eq!(affinity.decide(&mut session, Moment::NEVER, |at| at != 0, || Some(1)), Some(1));
        assert!(affinity.set_cookie(&session, 1, NOW, false).is_some());
    }

    #[test]
    fn with_no_backend_there_is_no_decision() {
        let affinity = by_cookie(&[]);
        assert_eq!(affinity.decide(&mut Stickiness::default(), Moment::NEVER, |_| true, || None), None);
        assert_eq!(affinity.set_cookie(&Stickiness::default(), 0, NOW, false), None, "nothing to name");
    }

    #[test]
    fn a_request_without_a_key_has_no_session_in_a_table() {
        let table = Arc::new(StickTable::new(10, TTL, 1));
        let affinity = Affinity::Table(StickTableView::new(table, ["a", "b"].into_iter(), Moment::NEVER));
        let mut session = affinity.stickiness([].into_iter(), || None, NOW);
        for pick in [0, 1] {
            assert_eq!(affinity.decide(&mut session.clone(), Moment::NEVER, |_| true, || Some(pick)), Some(pick));
        }
        session = affinity.stickiness([].into_iter(), || Some(42), NOW);
        for pick in [1, 0] {
            assert_eq!(affinity.decide(&mut session, Moment::NEVER, |_| true, || Some(pick)), Some(1));
        }
        assert_eq!(affinity.set_cookie(&session, 1, NOW, false), None);
    }
}
