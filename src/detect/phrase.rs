//! Figures in words, for the reasons of votes.

use std::time::Duration;

/// A time to two digits, such as "340 µs", "5.1 ms", "52 ms", "1.2 s", "75 s".
pub fn time(took: Duration) -> String {
    let micros = took.as_secs_f64() * 1e6;
    match micros {
        ..999.5 => format!("{micros:.0} µs"),
        ..9.95e3 => format!("{:.1} ms", micros / 1e3),
        ..999.5e3 => format!("{:.0} ms", micros / 1e3),
        ..9.95e6 => format!("{:.1} s", micros / 1e6),
        _ => format!("{:.0} s", micros / 1e6),
    }
}

/// The time whose microseconds have this logarithm to the base 2.
pub fn log_time(log: f64) -> String {
    time(Duration::try_from_secs_f64(log.exp2() / 1e6).unwrap_or(Duration::MAX))
}

/// A share in percent, such as "12 %", "0.4 %".
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent != 0.0 && percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A factor, such as "1.6", "12".
pub fn factor(factor: f64) -> String {
    if factor < 9.95 { format!("{factor:.1}") } else { format!("{factor:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_two_digits_and_a_unit() {
        let micros = |n| time(Duration::from_micros(n));
        let all = [340, 5_130, 52_400, 999_700, 1_240_000, 75_300_000].map(micros);
        assert_eq!(all, ["340 µs", "5.1 ms", "52 ms", "1.0 s", "1.2 s", "75 s"]);
        assert_eq!([0.0, 0.004, 0.12, 1.0].map(share), ["0 %", "0.4 %", "12 %", "100 %"]);
        assert_eq!([1.62, 12.4].map(factor), ["1.6", "12"]);
        assert_eq!(log_time(10.0), "1.0 ms");
    }
}
