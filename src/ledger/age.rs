//! The time by which the ledger judges what is old enough to be deleted, and which days are over: the wall's clock, where it was borne out.
//!
//! A clock may be years ahead for a while: at the start of a machine without a battery, or by somebody's mistake. What is accounted meanwhile is
//! stamped by it all the same, and can be found again; what is deleted can't, and a seal stays for ever.

use rusqlite::Transaction;

use super::level::Level;
use super::meta;
use crate::clock::Stamp;

/// A clock that is at most so far ahead of the time that was borne out last is believed at once.
const AT_ONCE: i64 = Level::Day.millis();

/// One that is further ahead is believed when it has gone evenly for so long: then the machine was off for some time.
const EVENLY: i64 = Level::Hour.millis();

/// The time by which age is judged. `now` is what the wall's clock shows where time is accounted, and for how many milliseconds it has gone evenly;
/// `None` = nothing is said of the clock.
pub fn borne_out(transaction: &Transaction<'_>, now: Option<(Stamp, i64)>) -> rusqlite::Result<Option<Stamp>> {
    let known = match meta::stamp(transaction, meta::BORNE_OUT)? {
        Some(known) => Some(known),
        // a file of a version that had no such word
        None => meta::stamp(transaction, meta::UNTIL)?,
    };
    match now {
        Some((now, steady_ms)) if steady_ms >= EVENLY || known.is_none_or(|known| now.since(known) <= AT_ONCE) => {
            meta::set(transaction, meta::BORNE_OUT, &now.as_millis().to_string())?;
            Ok(Some(now))
        }
        _ => Ok(known),
    }
}
