//! What is known of leadership, for all who ask.

use std::time::Duration;

use tokio::sync::watch;

use super::elector::Term;
use crate::clock::since_boot;

/// What is known of leadership. Without an election one is always the leader.
#[derive(Debug)]
pub struct Leadership {
    standing: watch::Sender<Standing>,
}

/// This instance, as the others know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: Option<String>,
}

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// This instance; `None` = there is no section `[cluster]`.
    pub member: Option<Member>,
    /// There is an election; without one this instance leads.
    pub is_elected: bool,
    /// Our leadership, as it was when this was written down. It may have ended since.
    pub term: Option<Term>,
    /// Who leads, as far as that is known.
    pub leader: Option<String>,
    /// The fencing token of whoever leads.
    pub token: Option<i64>,
    /// The endpoint of etcd that is asked.
    pub endpoint: String,
    /// Why etcd does not answer; `None` = it does.
    pub trouble: Option<String>,
    /// Which section it is of: each that a reload brings has another number.
    pub(super) section: u64,
}

/// The permission to act, which ends by itself.
#[derive(Debug, Clone)]
pub struct Fence {
    token: i64,
    standing: watch::Receiver<Standing>,
}

impl Default for Leadership {
    fn default() -> Self {
        Self { standing: watch::Sender::new(Standing::default()) }
    }
}

impl Leadership {
    /// That of an instance of this name, where another one leads.
    #[cfg(test)]
    pub fn of_another(name: &str, leader: &str) -> Self {
        let member = Some(Member { name: name.to_owned(), zone: None });
        let leader = Some(leader.to_owned());
        Self { standing: watch::Sender::new(Standing { member, is_elected: true, leader, ..Standing::default() }) }
    }

    /// How things stand.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Whether this instance may act now; with what ends the permission, where there is an election.
    ///
    /// # Errors
    ///
    /// Why it may not, for people.
    pub fn may_act(&self) -> Result<Option<Fence>, String> {
        let standing = self.standing.borrow();
        if !standing.is_elected {
            return Ok(None);
        }
        match standing.term_at(since_boot()) {
            Some(term) => Ok(Some(Fence { token: term.token, standing: self.standing.subscribe() })),
            None => Err(standing.why_not()),
        }
    }

    /// Begins anew with another section of the configuration; its number.
    pub(super) fn begin(&self, standing: Standing) -> u64 {
        let section = self.standing.borrow().section + 1;
        self.standing.send_replace(Standing { section, ..standing });
        section
    }

    /// Writes down how things stand, unless that is of a section that is in force no more.
    pub(super) fn set(&self, standing: Standing) {
        self.standing.send_if_modified(|current| {
            let is_new = *current != standing && current.section == standing.section;
            if is_new {
                *current = standing;
            }
            is_new
        });
    }
}

impl Standing {
    /// Our leadership, if it lasts at this time since the machine has started.
    pub fn term_at(&self, now: Duration) -> Option<Term> {
        self.term.filter(|term| now < term.until)
    }

    /// Whether this instance may do what only one may.
    pub fn leads_at(&self, now: Duration) -> bool {
        !self.is_elected || self.term_at(now).is_some()
    }

    /// Why this instance may not act, for people.
    pub fn why_not(&self) -> String {
        match (&self.leader, &self.trouble) {
            (Some(leader), None) => format!("{leader} is the leader"),
            (_, Some(trouble)) => format!("no leader is known: etcd does not answer: {trouble}"),
            (None, None) => "no leader is elected yet".to_owned(),
        }
    }
}

impl Fence {
    /// A permission that lasts until this time, and never longer.
    #[cfg(test)]
    pub fn until_then(token: i64, until: Duration) -> Self {
        let standing = Standing { is_elected: true, term: Some(Term { token, until }), ..Standing::default() };
        Self { token, standing: watch::Sender::new(standing).subscribe() }
    }

    /// The fencing token.
    pub fn token(&self) -> i64 {
        self.token
    }

    /// Until when it is known to last: a time since the machine has started. It may be prolonged before that, or end.
    pub fn until(&self) -> Duration {
        let standing = self.standing.borrow();
        if !standing.is_elected {
            // a reload has taken the election away: this instance leads for good
            return Duration::MAX;
        }
        standing.term.filter(|term| term.token == self.token).map_or(Duration::ZERO, |term| term.until)
    }

    /// Whether something may be done now.
    pub fn holds(&self) -> bool {
        since_boot() < self.until()
    }

    /// Waits until it is prolonged or has ended.
    pub async fn changed(&mut self) {
        if self.standing.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
