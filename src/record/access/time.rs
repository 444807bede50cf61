//! Times as the log writes them.

use std::time::SystemTime;

use jiff::Timestamp;

/// As Apache's logs have it (`%t`), in UTC.
pub(super) fn clf(now: SystemTime) -> String {
    Timestamp::try_from(now).unwrap_or_default().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_apache_s_where_the_format_is() {
        assert_eq!(clf(SystemTime::UNIX_EPOCH), "01/Jan/1970:00:00:00 +0000");
        let leap = SystemTime::UNIX_EPOCH + Duration::from_millis(1_709_210_096_789);
        assert_eq!(clf(leap), "29/Feb/2024:12:34:56 +0000");
        assert_eq!(clf(leap + Duration::from_secs(305 * 86_400)), "30/Dec/2024:12:34:56 +0000");
    }
}
