//! The election as a state machine: answers go in with the time, and what is to be asked next comes out. It reads no clock.
//!
//! ```text
//!   Seeking ──▶ Following ◀──────────────┐
//!      ▲  │       │ the key is gone      │ somebody was faster
//!      │  └───▶ Free ── lease, then key ─┴──▶ Leading ──▶ Resigning ──▶ Over
//!      └──────────────────── lost ──────────────┘
//! ```
//!
//! An etcd that was restored from a copy may be older than what this instance has seen of it. A key that is made then has a lower token than one
//! with which somebody has acted, so it is given back (`Behind`) instead of being used.
//!
//! A time is what has passed since the machine has started (`CLOCK_BOOTTIME`).

use std::time::Duration;

use super::timing::Timing;

/// How long the wish to give the key back may take, and how often it is tried: the process that ends waits for it.
const GIVE_BACK: Duration = Duration::from_millis(500);
const GIVE_BACK_TRIES: u32 = 3;

/// Something that is to be asked of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Who has the key.
    Look,
    /// A new lease.
    Grant,
    /// The key, where nobody has it, with this lease.
    Take(i64),
    /// That this lease lasts on; and who has the key.
    Renew(i64),
    /// The end of this lease, and of the key with it.
    Revoke(i64),
}

/// What etcd has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Who has the key, and at which revision that was so: to [`Ask::Look`] and [`Ask::Take`].
    Holder(Option<Holder>, i64),
    /// A lease that lasts so long.
    Granted(i64, Duration),
    /// How long the lease lasts from now on (zero = it has run out), who has the key, and at which revision that was so.
    Renewed(Duration, Option<Holder>, i64),
    /// The lease is ended.
    Revoked,
    /// The lease for the key is not known: to [`Ask::Take`].
    NoLease,
    /// Nothing; nobody knows whether it was done.
    Nothing,
}

/// Whoever has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What it calls itself.
    pub name: String,
    /// The fencing token: the revision at which the key was made. It only grows.
    pub token: i64,
    /// The lease that the key goes with.
    pub lease: i64,
}

/// Our leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The fencing token.
    pub token: i64,
    /// Nothing may be done from this time on.
    pub until: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Elector {
    timing: Timing,
    stage: Stage,
    /// Our lease, and until when we may rely on it.
    own: Option<(i64, Duration)>,
    /// What was asked and is not answered, and when it was sent.
    asked: Option<(Ask, Duration)>,
    /// When the next question is due.
    next: Duration,
    /// How often there was no answer since it was known last who leads.
    failures: u32,
    /// When it was known last who leads; at first, when we began.
    known: Duration,
    /// The highest token that was seen, and the lease of its key.
    highest: (i64, i64),
    /// Who had the key when that was known last.
    holder: Option<Holder>,
    /// The revision after which the key is to be watched.
    seen: Option<i64>,
    /// The revision since which the key is known to be gone, while an answer is under way that may not know it; 0 = there is none.
    gone: i64,
    /// Why we do not lead any more.
    lost: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is not known who has the key.
    Seeking,
    /// Somebody else has it.
    Following,
    /// Nobody has it.
    Free,
    /// The key is there with our lease, on which we may not rely before it was renewed.
    Reclaiming,
    /// We have it; with this token.
    Leading(i64),
    /// We have it with a token that is lower than one that was seen, and give it back unused.
    Behind,
    /// We give it back.
    Resigning,
    /// We want it no more.
    Over,
}

impl Elector {
    /// Asks at once.
    pub fn new(timing: Timing, now: Duration) -> Self {
        Self {
            timing,
            stage: Stage::Seeking,
            own: None,
            asked: None,
            next: now,
            failures: 0,
            known: now,
            highest: (0, 0),
            holder: None,
            seen: None,
            gone: 0,
            lost: None,
        }
    }

    /// Our leadership, if we have it at this time.
    pub fn term(&self, now: Duration) -> Option<Term> {
        match (self.stage, self.own) {
            (Stage::Leading(token), Some((_, until))) if now < until => Some(Term { token, until }),
            _ => None,
        }
    }

    /// Who had the key when that was known last.
    pub fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }

    /// Why leadership was lost, once.
    pub fn take_loss(&mut self) -> Option<&'static str> {
        self.lost.take()
    }

    /// For how long it is not known who leads because etcd has not answered, or has refused something.
    pub fn silence(&self, now: Duration) -> Duration {
        if self.failures == 0 { Duration::ZERO } else { now.saturating_sub(self.known) }
    }

    /// The highest token that was seen, if the key that etcd has given us has a lower one.
    pub fn is_behind(&self) -> Option<i64> {
        (self.stage == Stage::Behind).then_some(self.highest.0)
    }

    /// How long a question may take now. Without a lease that is to be kept there is time, and an etcd that is slow is better than none.
    pub fn patience(&self) -> Duration {
        let first = self.timing.patience();
        match self.stage {
            Stage::Leading(_) => first,
            Stage::Resigning => first.min(GIVE_BACK),
            _ => (first * (1 << self.failures.min(2))).min(self.timing.ttl() / 2),
        }
    }

    /// The revision after which the key is to be watched; `None` = there is no need to.
    pub fn watched_after(&self) -> Option<i64> {
        self.seen.filter(|_| matches!(self.stage, Stage::Following | Stage::Leading(_)))
    }

    /// Whether nothing is to be done any more.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// What is to be asked now. One question is asked at a time.
    pub fn poll(&mut self, now: Duration) -> Option<Ask> {
        self.expire(now);
        if self.asked.is_some() || now < self.next {
            return None;
        }
        let ask = match (self.stage, self.own) {
            (Stage::Seeking | Stage::Following, _) => Ask::Look,
            (Stage::Free, None) => Ask::Grant,
            (Stage::Free, Some((lease, until))) => {
                if now < until {
                    Ask::Take(lease)
                } else {
                    Ask::Grant
                }
            }
            (Stage::Reclaiming | Stage::Leading(_), Some((lease, _))) => Ask::Renew(lease),
            (Stage::Resigning | Stage::Behind, Some((lease, _))) => Ask::Revoke(lease),
            (Stage::Reclaiming | Stage::Leading(_) | Stage::Behind, None) => Ask::Look,
            (Stage::Resigning, None) | (Stage::Over, _) => {
                self.stage = Stage::Over;
                return None;
            }
        };
        (self.asked, self.gone) = (Some((ask, now)), 0);
        Some(ask)
    }

    /// When [`poll`](Self::poll) is to be called next, if nothing comes before.
    pub fn wakes(&self) -> Duration {
        let ends = match (self.stage, self.own) {
            (Stage::Leading(_), Some((_, until))) => until,
            _ => Duration::MAX,
        };
        if self.asked.is_some() { ends } else { self.next.min(ends) }
    }

    /// What was asked is answered.
    pub fn hear(&mut self, answer: Answer, now: Duration) {
        // what came too late does not give back what is lost
        self.expire(now);
        let Some((ask, sent)) = self.asked.take() else { return };
        if answer == Answer::Nothing {
            return self.fail(ask, now);
        }
        self.next = now;
        match (ask, answer) {
            (Ask::Grant, Answer::Granted(lease, ttl)) => self.own = Some((lease, self.good_until(sent, ttl))),
            (Ask::Look | Ask::Take(_), Answer::Holder(holder, revision)) => self.see(holder, revision, now),
            (Ask::Renew(_), Answer::Renewed(ttl, holder, revision)) => self.renewed(sent, ttl, holder, revision, now),
            // it is lost with whatever etcd has lost
            (Ask::Take(_), Answer::NoLease) => self.own = None,
            (Ask::Revoke(_), Answer::Revoked) if self.stage == Stage::Resigning => self.stage = Stage::Over,
            (Ask::Revoke(_), Answer::Revoked) => {
                (self.own, self.stage) = (None, Stage::Seeking);
                self.pause(now);
            }
            // it answers another question
            _ => {}
        }
        if matches!(self.stage, Stage::Following | Stage::Leading(_)) {
            (self.failures, self.known) = (0, now);
        }
    }

    /// The watch has told that the key is gone since this revision.
    pub fn key_is_gone(&mut self, revision: i64, now: Duration) {
        self.expire(now);
        self.gone = self.gone.max(revision);
        match self.stage {
            Stage::Following => {
                (self.stage, self.holder) = (Stage::Free, None);
                self.next = now;
            }
            // news of the key of whoever was before us may be late
            Stage::Leading(token) if revision > token => {
                self.lose("the key was deleted");
                self.next = now;
            }
            _ => {}
        }
    }

    /// We do not want to lead any more: nothing may be done from now on, and the key is given back.
    pub fn resign(&mut self, now: Duration) {
        self.stage = if self.own.is_some() { Stage::Resigning } else { Stage::Over };
        // an answer that is under way does not matter any more
        (self.asked, self.next, self.failures) = (None, now, 0);
    }

    /// The lease may have run out.
    pub fn expire(&mut self, now: Duration) {
        if let (Stage::Leading(_), Some((_, until))) = (self.stage, self.own)
            && now >= until
        {
            self.lose("it could not be renewed in time");
        }
    }

    fn lose(&mut self, why: &'static str) {
        (self.stage, self.holder, self.lost) = (Stage::Seeking, None, Some(why));
    }

    fn fail(&mut self, ask: Ask, now: Duration) {
        self.pause(now);
        match (self.stage, ask) {
            // it may be ours by now
            (Stage::Free, Ask::Take(_)) | (Stage::Reclaiming | Stage::Behind, _) => self.stage = Stage::Seeking,
            // another endpoint may do it; if none does, it runs out by itself
            (Stage::Resigning, _) if self.failures >= GIVE_BACK_TRIES => self.stage = Stage::Over,
            _ => {}
        }
    }

    fn pause(&mut self, now: Duration) {
        self.next = now + self.timing.pause_after(self.failures);
        self.failures = self.failures.saturating_add(1);
    }

    /// It is known who has the key.
    fn see(&mut self, holder: Option<Holder>, revision: i64, now: Duration) {
        if matches!(self.stage, Stage::Leading(_) | Stage::Resigning | Stage::Over) {
            return;
        }
        let holder = holder.filter(|holder| holder.token > self.gone);
        self.seen = Some(revision);
        let ours = holder.as_ref().filter(|holder| self.own.is_some_and(|(lease, _)| lease == holder.lease));
        let until = self.own.map_or(Duration::ZERO, |(_, until)| until);
        let newest = holder.as_ref().map_or((0, 0), |holder| (holder.token, holder.lease));
        let is_behind = newest.0 < self.highest.0 || newest.0 == self.highest.0 && newest.1 != self.highest.1;
        if !is_behind {
            self.highest = newest;
        }
        self.stage = match (&holder, ours) {
            (None, _) => Stage::Free,
            (_, Some(_)) if is_behind => Stage::Behind,
            (_, Some(ours)) if now < until => Stage::Leading(ours.token),
            (_, Some(_)) => Stage::Reclaiming,
            (Some(_), None) => Stage::Following,
        };
        if self.stage == Stage::Free && now >= until {
            // a lease that may have run out is no good for the key
            self.own = None;
        }
        self.next = match self.stage {
            Stage::Following => now + self.timing.every(),
            // the lease may be an old one, of a wish that somebody else was faster with: it is prolonged before it runs out
            Stage::Leading(_) => now.max(until.saturating_sub(self.timing.renewed_before())),
            _ => now,
        };
        self.holder = holder;
    }

    fn renewed(&mut self, sent: Duration, ttl: Duration, holder: Option<Holder>, revision: i64, now: Duration) {
        let Some((lease, _)) = self.own.filter(|_| !matches!(self.stage, Stage::Resigning | Stage::Over)) else {
            return;
        };
        let holder = holder.filter(|holder| holder.token > self.gone);
        // with another token it is a key that was made anew, and somebody may have had it in between
        let is_token = |token| !matches!(self.stage, Stage::Leading(ours) if ours != token);
        let is_ours = holder.as_ref().is_some_and(|holder| holder.lease == lease && is_token(holder.token));
        if ttl.is_zero() || !is_ours {
            let was_leading = matches!(self.stage, Stage::Leading(_));
            (self.own, self.stage) = (None, Stage::Seeking);
            if was_leading {
                self.lose(if ttl.is_zero() { "the lease has run out" } else { "the key is not ours any more" });
            }
            return;
        }
        self.own = Some((lease, self.good_until(sent, ttl)));
        if matches!(self.stage, Stage::Leading(_)) {
            (self.holder, self.next) = (holder, now.max(sent + self.timing.every()));
            // etcd forgets what is older, and a watch that breaks has to begin with what it knows
            self.seen = Some(revision);
        } else {
            // it was lost before this answer came, and nobody else has had it
            self.see(holder, revision, now);
        }
    }

    /// Until when we may rely on a lease that etcd has granted or prolonged some time after we had sent our wish.
    fn good_until(&self, sent: Duration, ttl: Duration) -> Duration {
        (sent + ttl.min(self.timing.ttl())).saturating_sub(self.timing.margin())
    }
}
