//! Numbers and addresses as text, without the machinery of `fmt`: it would take a good part of the time of a line.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// Writes a number in decimal.
pub(super) fn decimal(line: &mut Vec<u8>, mut number: u64) {
    // the largest has 20 digits
    let (mut digits, mut at) = ([0; 20], 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[at..]);
}

/// Writes a time in milliseconds, rounded to the microsecond, with one digit after the point at least: `0.412`, `2000.0`.
pub(super) fn millis(line: &mut Vec<u8>, time: Duration) {
    let micros = u64::try_from((time.as_nanos() + 500) / 1_000).unwrap_or(u64::MAX);
    decimal(line, micros / 1_000);
    let rest = micros % 1_000;
    let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
    let length = if digits[2] != b'0' {
        3
    } else if digits[1] != b'0' {
        2
    } else {
        1
    };
    line.push(b'.');
    line.extend_from_slice(&digits[..length]);
}

/// Writes an address.
pub(super) fn address(line: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    line.push(b'.');
                }
                decimal(line, u64::from(octet));
            }
        }
        // a vector takes whatever is written
        IpAddr::V6(address) => _ = write!(line, "{address}"),
    }
}

/// Writes the id of a trace, as `traceparent` has it.
pub(super) fn trace(line: &mut Vec<u8>, id: u128) {
    let _ = write!(line, "{id:032x}");
}

/// Writes a share.
pub(super) fn share(line: &mut Vec<u8>, share: f64) {
    let _ = write!(line, "{share}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        write(&mut line);
        String::from_utf8(line).unwrap()
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_std_and_serde_write_them(number: u64, micros in 0_u64..1 << 50, bits: u128, short: u32) {
            prop_assert_eq!(written(|line| decimal(line, number)), number.to_string());
            let time = Duration::from_micros(micros);
            let json = serde_json::Value::from((time.as_secs_f64() * 1e6).round() / 1e3).to_string();
            prop_assert_eq!(written(|line| millis(line, time)), json);
            for ip in [IpAddr::V6(bits.into()), IpAddr::V4(short.into())] {
                prop_assert_eq!(written(|line| address(line, ip)), ip.to_string());
            }
        }
    }

    #[test]
    fn edges_are_written() {
        for (number, want) in [(0, "0"), (9, "9"), (10, "10"), (u64::MAX, "18446744073709551615")] {
            assert_eq!(written(|line| decimal(line, number)), want);
        }
        for (nanos, want) in [(0, "0.0"), (499, "0.0"), (500, "0.001"), (10_000, "0.01"), (999_999_500, "1000.0")] {
            assert_eq!(written(|line| millis(line, Duration::from_nanos(nanos))), want);
        }
        assert_eq!(written(|line| trace(line, 0xab)), "000000000000000000000000000000ab");
        assert_eq!(written(|line| share(line, 0.1)), "0.1");
    }
}
