//! How many may wait for a place within the limit, and for how long.
//!
//! Lines are short, and waits too, because waiting helps with what comes unevenly only. Where more comes than can be done, a long line makes all of those
//! who are served wait for its whole length, and serves no more of them (the standing queue of CoDel, RFC 8289).

use std::time::Duration;

use crate::policy::Priority;

/// How often those who wait ask whether there is room.
pub const ASK: Duration = Duration::from_millis(20);
/// The latency without load where it is not known yet.
const UNKNOWN: Duration = Duration::from_millis(100);
/// Who matters most may wait in a line of this part of the limit: with the exchanges in flight, it takes about one and a half times as long as those
/// alone.
const LONG_LINE: u32 = 2;
/// All others may wait in a line of this part. With more, they would be served no sooner: what comes free above their part of the limit is not for them.
const SHORT_LINE: u32 = 8;

/// All others wait for this part of the time for which those wait who matter most: where more comes than can be done, that wait is on top of what every
/// answer takes then.
const SHORT_WAIT: u32 = 4;

/// How many of a priority may wait on each of so many workers, where the limit is this one.
pub fn room(limit: u32, workers: usize, priority: Priority) -> usize {
    let part = if priority == Priority::High { LONG_LINE } else { SHORT_LINE };
    ((limit / part) as usize / workers.max(1)).max(1)
}

/// For how long one of a priority may wait, where the service takes so long without load.
pub fn longest(unloaded: Option<Duration>, priority: Priority) -> Duration {
    let unloaded = unloaded.unwrap_or(UNKNOWN);
    if priority == Priority::High { unloaded.max(ASK) } else { unloaded / SHORT_WAIT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_the_limit_allows() {
        assert_eq!(Priority::ALL.map(|priority| room(40, 2, priority)), [10, 2, 2]);
        assert_eq!(Priority::ALL.map(|priority| room(3, 2, priority)), [1, 1, 1]);
    }

    #[test]
    fn who_matters_most_waits_for_as_long_as_an_answer_takes_without_load() {
        let wait = |unloaded| Priority::ALL.map(|priority| longest(unloaded, priority).as_millis());
        assert_eq!(wait(Some(Duration::from_millis(80))), [80, 20, 20]);
        assert_eq!(wait(Some(Duration::from_millis(8))), [20, 2, 2], "until it is asked again whether there is room");
        assert_eq!(wait(None), [100, 25, 25]);
    }
}
