//! What the ledger knows of the time before this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Stamp;
use crate::ledger::Ledger;
use crate::operator::recovery::{LEARNED, Recoveries};
use crate::recover::Attempt;

/// How long the process that is replaced may take to end what it has under way.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(6);
/// How often it is looked whether it has.
const AGAIN: Duration = Duration::from_millis(20);
/// Attempts of this time are recalled: a budget counts those of an hour, and a pause after failures may be as long.
const RECALLED: i64 = 2 * 3_600_000;
/// How many attempts are recalled at most, the newest of all.
const MOST: usize = 10_000;

/// What is known of the time before.
#[derive(Debug)]
pub(super) struct Recalled {
    /// The id of the next attempt.
    pub next_id: i64,
    /// What was learned.
    pub learned: BTreeMap<String, String>,
    attempts: Vec<Attempt>,
}

impl Recalled {
    /// Reads it. Blocks. `takes_over`: a process that was replaced ends what it has under way first, which is waited for.
    pub fn read(ledger: &Ledger, recoveries: &Recoveries, takes_over: bool) -> Self {
        ledger.begin();
        let until = Instant::now() + HANDED_OVER_WITHIN;
        let is_open = || {
            let open = ledger.read().and_then(|reader| reader.open_recoveries());
            open.is_ok_and(|open| open.iter().any(|attempt| attempt.end.is_none()))
        };
        while takes_over && Instant::now() < until && is_open() {
            std::thread::sleep(AGAIN);
        }
        let read = recoveries.recall().and_then(|()| Self::try_read(ledger, Stamp::now()));
        read.unwrap_or_else(|why| {
            tracing::warn!("what recovery knew before is not recalled: {why}");
            Self::unknown()
        })
    }

    /// Of a ledger that can't be read: the numbers of attempts go on above those that may be in it.
    pub fn unknown() -> Self {
        Self { next_id: Stamp::now().as_millis() / 1000, learned: BTreeMap::new(), attempts: Vec::new() }
    }

    fn try_read(ledger: &Ledger, at: Stamp) -> Result<Self, String> {
        let reader = ledger.read()?;
        let mut attempts = reader.recoveries(None, 0, at.plus(-RECALLED), Stamp::from_millis(i64::MAX), MOST)?;
        // what is under way or in force may be older
        for old in reader.open_recoveries()? {
            if attempts.iter().all(|known| known.id != old.id) {
                attempts.push(old);
            }
        }
        attempts.sort_by_key(|attempt| attempt.id);
        Ok(Self { next_id: reader.last_recovery_id()? + 1, learned: reader.kept(LEARNED)?, attempts })
    }

    /// A fencing token that is not lower than any that was given: tokens are times, and the clock may have been set back since.
    pub fn token(&self) -> i64 {
        let times = self.attempts.iter().flat_map(|attempt| [Some(attempt.start), attempt.acted, attempt.end]);
        times.flatten().max().unwrap_or(0)
    }

    /// The services that it has attempts of.
    pub fn services(&self) -> BTreeSet<Arc<str>> {
        self.attempts.iter().map(|attempt| attempt.service.as_str().into()).collect()
    }

    /// The attempts of a service, the oldest first.
    pub fn of(&self, service: &str) -> Vec<Attempt> {
        self.attempts.iter().filter(|attempt| attempt.service == service).cloned().collect()
    }
}
