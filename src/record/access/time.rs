//! Times as lines have them.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::clock::rfc3339;

/// The time of a line as text. What stays the same within a second is formatted once for each second.
#[derive(Debug, Default, Clone)]
pub(super) struct LineTime {
    /// Seconds since 1970.
    second: Option<u64>,
    rfc3339: Vec<u8>,
    clf: Vec<u8>,
}

/// Where the milliseconds stand in `2026-11-24T16:57:01.076Z`.
const MILLIS: Range<usize> = 20..23;

impl LineTime {
    /// Sets it to this time of the wall's clock, which before 1970 is 1970.
    pub(super) fn set(&mut self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            let whole = UNIX_EPOCH + Duration::from_secs(since.as_secs());
            (self.rfc3339, self.clf) = (rfc3339(whole).into_bytes(), clf(whole).into_bytes());
        }
        let millis = since.subsec_millis();
        let digits = [millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8);
        if let Some(places) = self.rfc3339.get_mut(MILLIS) {
            places.copy_from_slice(&digits);
        }
    }

    /// As RFC 3339 has it, to the millisecond, in UTC.
    pub(super) fn rfc3339(&self) -> &[u8] {
        &self.rfc3339
    }

    /// As Apache's logs have it (`%t`), in UTC.
    pub(super) fn clf(&self) -> &[u8] {
        &self.clf
    }
}

fn clf(now: SystemTime) -> String {
    Timestamp::try_from(now).unwrap_or_default().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_apache_s_where_the_format_is() {
        assert_eq!(clf(SystemTime::UNIX_EPOCH), "01/Jan/1970:00:00:00 +0000");
        let leap = SystemTime::UNIX_EPOCH + Duration::from_millis(1_709_210_096_789);
        assert_eq!(clf(leap), "29/Feb/2024:12:34:56 +0000");
        assert_eq!(clf(leap + Duration::from_secs(305 * 86_400)), "30/Dec/2024:12:34:56 +0000");
    }

    proptest! {
        #[test]
        fn a_time_is_the_same_whatever_came_before(millis in prop::collection::vec(0_u64..253_402_300_799_000, 1..5), step in 0_u64..3_000) {
            let mut time = LineTime::default();
            for millis in millis {
                for millis in [millis, millis + step] {
                    let now = UNIX_EPOCH + Duration::from_millis(millis);
                    time.set(now);
                    prop_assert_eq!(time.rfc3339().to_vec(), rfc3339(now).into_bytes());
                    prop_assert_eq!(time.clf().to_vec(), clf(now).into_bytes());
                }
            }
        }
    }
}
