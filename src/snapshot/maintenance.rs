//! Whether clients are shown the page of maintenance in place of what they ask for.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::auth::AccessList;
use crate::pages::PageFile;

/// `Retry-After` where nobody has said when it is over, in seconds.
const AGAIN_AFTER: u64 = 60;

/// The maintenance of a listener or a service, as its clients see it.
#[derive(Debug)]
pub struct Maintenance {
    /// The page; `None` = that of `error_pages`, or text.
    pub page: Option<Arc<PageFile>>,
    /// The status.
    pub status: StatusCode,
    /// The configuration says that it is under way.
    pub enabled: bool,
    /// Who gets through; `None` = nobody.
    allow: Option<Arc<AccessList>>,
    /// `Retry-After`, in seconds; `None` = by the time that is left.
    retry_after: Option<u64>,
    /// Whether it is under way: by the configuration, or because an operator has said so.
    is_on: AtomicBool,
    /// When it is over, in seconds since 1970; 0 = nobody has said.
    until: AtomicU64,
}

impl Maintenance {
    /// Of these settings. It is under way if the configuration says so.
    pub(super) fn new(
        enabled: bool,
        (status, page): (StatusCode, Option<Arc<PageFile>>),
        allow: Option<Arc<AccessList>>,
        retry_after: Option<u64>,
    ) -> Self {
        let (is_on, until) = (AtomicBool::new(enabled), AtomicU64::new(0));
        Self { page, status, enabled, allow, retry_after, is_on, until }
    }

    /// Puts in force what operators say: `None` = nothing, else until when it lasts, where that was said.
    pub fn set(&self, said: Option<Option<SystemTime>>) {
        let seconds = |until: SystemTime| until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        // what the configuration says has no end
        let until = said.flatten().filter(|_| !self.enabled).map_or(0, seconds);
        self.until.store(until, Ordering::Relaxed);
        self.is_on.store(self.enabled || said.is_some(), Ordering::Relaxed);
    }

    /// Whether it is under way.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Whether who has this address gets through. `None` = nobody knows the address.
    pub fn admits(&self, address: impl FnOnce() -> Option<IpAddr>) -> bool {
        self.allow.as_ref().is_some_and(|allow| allow.admits(address()))
    }

    /// In so many seconds a client may ask again; at least 1.
    pub fn retry_after(&self, now: SystemTime) -> u64 {
        let until = self.until.load(Ordering::Relaxed);
        let left = || (SystemTime::UNIX_EPOCH + Duration::from_secs(until)).duration_since(now).unwrap_or_default();
        match (self.retry_after, until) {
            (Some(seconds), _) => seconds.max(1),
            (None, 0) => AGAIN_AFTER,
            (None, _) => (left().as_millis().div_ceil(1000) as u64).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maintenance(enabled: bool, retry_after: Option<u64>) -> Maintenance {
        Maintenance::new(enabled, (StatusCode::SERVICE_UNAVAILABLE, None), None, retry_after)
    }

    #[test]
    fn it_is_under_way_while_the_file_or_an_operator_says_so() {
        let by_hand = maintenance(false, None);
        assert!(!by_hand.is_on());
        by_hand.set(Some(None));
        assert!(by_hand.is_on() && !by_hand.admits(|| None));
        by_hand.set(None);
        assert!(!by_hand.is_on());
        let by_file = maintenance(true, None);
        by_file.set(None);
        assert!(by_file.is_on());
    }

    #[test]
    fn clients_are_told_to_ask_again_when_it_is_over() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let by_hand = maintenance(false, None);
        by_hand.set(Some(None));
        assert_eq!(by_hand.retry_after(now), AGAIN_AFTER);
        by_hand.set(Some(Some(now + Duration::from_secs(90))));
        assert_eq!(by_hand.retry_after(now), 90);
        assert_eq!(by_hand.retry_after(now + Duration::from_millis(89_500)), 1);
        assert_eq!(by_hand.retry_after(now + Duration::from_secs(900)), 1);
        let configured = maintenance(false, Some(600));
        configured.set(Some(Some(now + Duration::from_secs(90))));
        assert_eq!(configured.retry_after(now), 600);
        // an end that an operator has said is not that of the configuration
        let by_file = maintenance(true, None);
        by_file.set(Some(Some(now + Duration::from_secs(90))));
        assert_eq!(by_file.retry_after(now), AGAIN_AFTER);
    }
}
