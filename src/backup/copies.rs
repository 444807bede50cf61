//! How copies are named, which of them are kept, and which is taken.
//!
//! A copy's name has the time and the SHA-256 of what is in it. So it is made by one write, and can be verified wherever it is found.

use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::clock::{Stamp, parse_rfc3339};

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// Of the copies of the last so many milliseconds, all are kept.
const ALL_OF: i64 = 24 * HOUR;

const BEGIN: &str = "ledger-";
const END: &str = ".sqlite";

/// A SHA-256.
pub(super) type Sum = [u8; 32];

/// A copy of a ledger, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The instance that it is of; empty where the place is that of one instance.
    pub instance: String,
    /// When it was begun.
    pub made: Stamp,
    /// Its size in bytes.
    pub size: u64,
    /// What it has to be.
    pub(super) sum: Sum,
}

impl Copy {
    /// The copy behind a key below the place, `INSTANCE/FILE` or `FILE`; `None` = it is none.
    pub(super) fn parse(key: &str, size: u64) -> Option<Self> {
        let (instance, file) = key.rsplit_once('/').unwrap_or(("", key));
        if instance.contains('/') {
            return None;
        }
        let (time, sum) = file.strip_prefix(BEGIN)?.strip_suffix(END)?.split_once('-')?;
        // 20261128T004033.123Z
        let part = |from: usize, to: usize| time.get(from..to);
        let text = format!("{}-{}-{}:{}:{}", part(0, 4)?, part(4, 6)?, part(6, 11)?, part(11, 13)?, time.get(13..)?);
        let made = Stamp::from(parse_rfc3339(&text)?);
        let sum = HEXLOWER.decode(sum.as_bytes()).ok()?.try_into().ok()?;
        Some(Self { instance: instance.to_owned(), made, size, sum })
    }

    /// Its key below the place.
    pub fn key(&self) -> String {
        let time = self.made.to_string().replace(['-', ':'], "");
        let file = format!("{BEGIN}{time}-{}{END}", HEXLOWER.encode(&self.sum));
        if self.instance.is_empty() { file } else { format!("{}/{file}", self.instance) }
    }
}

/// Those of an instance's copies that are not kept any longer: all that are older than `keep`, and of those older than a day all but the last one
/// of each hour. The newest copy is always kept.
pub(super) fn outdated(copies: &[Copy], keep: Duration, now: Stamp) -> Vec<&Copy> {
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let mut newest_first: Vec<&Copy> = copies.iter().collect();
    newest_first.sort_by_key(|copy| std::cmp::Reverse(copy.made));
    let mut hour_kept = None;
    let mut outdated = Vec::new();
    for (at, copy) in newest_first.into_iter().enumerate() {
        let (age, hour) = (now.since(copy.made), copy.made.floor(HOUR));
        let is_thinned = age > ALL_OF && hour_kept == Some(hour);
        if at > 0 && (age > keep || is_thinned) {
            outdated.push(copy);
        } else {
            hour_kept = Some(hour);
        }
    }
    outdated
}

/// Whether the times of an instance's newest copies may be believed. Where they are far ahead of those before, the clock may be wrong, and their ages with
/// it, until such copies have been made for an hour.
pub(super) fn are_borne_out(copies: &[Copy], every: Duration) -> bool {
    let far = ALL_OF.max(i64::try_from(every.as_millis()).unwrap_or(i64::MAX).saturating_mul(2));
    let mut times: Vec<Stamp> = copies.iter().map(|copy| copy.made).collect();
    times.sort_unstable_by_key(|time| std::cmp::Reverse(*time));
    let Some(newest) = times.first() else { return true };
    let jump = times.windows(2).find(|two| two[0].since(two[1]) > far);
    jump.is_none_or(|two| newest.since(two[0]) >= HOUR)
}

/// The copies that a restoration tries one after the other: the newest first, and none that was made after `at`.
///
/// # Errors
///
/// A sentence for people, when there is none, or it is not clear which instance is meant.
pub(super) fn candidates(copies: Vec<Copy>, instance: Option<&str>, at: Option<Stamp>) -> Result<Vec<Copy>, String> {
    let mut instances: Vec<&str> = copies.iter().map(|copy| &*copy.instance).collect();
    instances.sort_unstable();
    instances.dedup();
    let wanted = match (instance, &instances[..]) {
        (_, []) => return Err("there are no copies".to_owned()),
        (Some(name), known) if !known.contains(&name) => {
            return Err(format!("there are no copies of the instance `{name}`, but of {}", known.join(", ")));
        }
        (Some(name), _) => name.to_owned(),
        (None, [only]) => (*only).to_owned(),
        (None, many) => return Err(format!("there are copies of several instances: name one of {}", many.join(", "))),
    };
    let mut found: Vec<Copy> = copies.into_iter().filter(|copy| copy.instance == wanted).collect();
    found.sort_by_key(|copy| std::cmp::Reverse(copy.made));
    let oldest = found.last().map(|copy| copy.made);
    found.retain(|copy| at.is_none_or(|at| copy.made <= at));
    match (found.is_empty(), at, oldest) {
        (true, Some(at), Some(oldest)) => {
            Err(format!("there is no copy from before {at}: the oldest one is of {oldest}"))
        }
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(instance: &str, made: i64) -> Copy {
        Copy { instance: instance.to_owned(), made: Stamp::from_millis(made), size: 7, sum: [171; 32] }
    }

    #[test]
    fn a_key_reads_as_what_it_was_written_from_and_nothing_else_is_a_copy() {
        for instance in ["", "lb-1"] {
            let written = copy(instance, 1_795_826_433_120);
            assert_eq!(Copy::parse(&written.key(), 7), Some(written));
        }
        let sum = "ab".repeat(32);
        assert_eq!(copy("lb", 1_795_826_433_120).key(), format!("lb/ledger-20261128T004033.120Z-{sum}.sqlite"));
        for key in [
            "ledger.sqlite".to_owned(),
            format!("a/b/ledger-20261128T000033.120Z-{sum}.sqlite"),
            format!("ledger-20261128T000033.120Z-{sum}.sqlite.partial"),
            format!("ledger-20261328T000033.120Z-{sum}.sqlite"),
            "ledger-20261128T000033.120Z-abab.sqlite".to_owned(),
            format!("ledger-2026é128T00033.120Z-{sum}.sqlite"),
        ] {
            assert_eq!(Copy::parse(&key, 7), None, "{key}");
        }
    }

    #[test]
    fn all_copies_of_a_day_are_kept_then_one_an_hour_and_the_newest_one_for_ever() {
        let now = Stamp::from_millis(1_000_000 * HOUR);
        // every quarter of an hour, for 50 hours
        let copies: Vec<Copy> = (1..=200).map(|quarter| copy("", now.as_millis() - quarter * HOUR / 4)).collect();
        let kept = |keep: i64| {
            let gone = outdated(&copies, Duration::from_millis(keep.unsigned_abs()), now);
            copies.iter().filter(|copy| !gone.contains(copy)).count()
        };
        assert_eq!(kept(HOUR), 4);
        assert_eq!(kept(24 * HOUR), 96);
        assert_eq!(kept(30 * HOUR), 96 + 6);
        assert_eq!(kept(1000 * HOUR), 96 + 26);
        let old = [copy("", 5), copy("", 3)];
        assert_eq!(
            outdated(&old, Duration::from_secs(1), now),
            [&old[1]],
            "a machine that was off keeps its newest one"
        );
        assert_eq!(outdated(&[copy("", now.as_millis() + 5)], Duration::ZERO, now), Vec::<&Copy>::new());
    }

    #[test]
    fn copies_of_a_clock_that_is_far_ahead_are_believed_after_an_hour() {
        let minutes = |all: &[i64]| all.iter().map(|minute| copy("", minute * 60_000)).collect::<Vec<_>>();
        let every = Duration::from_secs(300);
        let ahead = 5 * 365 * 1440;
        assert!(are_borne_out(&minutes(&[]), every));
        assert!(are_borne_out(&minutes(&[0, 5, 10, 1440]), every));
        assert!(!are_borne_out(&minutes(&[0, 5, 10, ahead]), every));
        assert!(!are_borne_out(&minutes(&[0, 5, ahead, ahead + 55]), every));
        assert!(are_borne_out(&minutes(&[0, 5, ahead, ahead + 5, ahead + 60]), every));
        let week = Duration::from_secs(7 * 86_400);
        assert!(are_borne_out(&minutes(&[0, 7 * 1440, 14 * 1440]), week), "copies that are seldom made");
    }

    #[test]
    fn of_each_hour_the_last_copy_stays_however_often_it_is_thinned() {
        let mut copies: Vec<Copy> = (0..400).map(|minute| copy("", minute * 60_000)).collect();
        for now in (0..3000).map(|minute| Stamp::from_millis(minute * 60_000)) {
            let gone: Vec<Copy> = outdated(&copies, Duration::from_secs(1_000_000), now).into_iter().cloned().collect();
            copies.retain(|copy| !gone.contains(copy));
        }
        let left: Vec<i64> = copies.iter().map(|copy| copy.made.as_millis() / 60_000).collect();
        assert_eq!(left, [59, 119, 179, 239, 299, 359, 399]);
    }

    #[test]
    fn the_newest_copy_comes_first_unless_a_time_is_said() {
        let both = vec![copy("a", 10), copy("a", 30), copy("a", 20)];
        let made = |at: Option<i64>| {
            candidates(both.clone(), None, at.map(Stamp::from_millis))
                .map(|found| found.iter().map(|copy| copy.made.as_millis()).collect::<Vec<_>>())
        };
        assert_eq!(made(None), Ok(vec![30, 20, 10]));
        assert_eq!(made(Some(20)), Ok(vec![20, 10]));
        assert!(made(Some(9)).unwrap_err().contains("the oldest one is of 1970-01-01T00:00:00.010Z"));
    }

    #[test]
    fn which_instance_is_meant_has_to_be_clear() {
        let of = |names: &[&str], wanted| {
            candidates(names.iter().map(|name| copy(name, 1)).collect(), wanted, None).map(|found| found.len())
        };
        assert_eq!(of(&["a", "a"], None), Ok(2));
        assert_eq!(of(&["a", "b"], Some("b")), Ok(1));
        assert!(of(&["a", "b"], None).unwrap_err().ends_with("name one of a, b"));
        assert!(of(&["a"], Some("c")).unwrap_err().contains("`c`"));
        assert_eq!(of(&[], None), Err("there are no copies".to_owned()));
    }
}
