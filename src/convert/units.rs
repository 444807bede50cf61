//! Times and sizes, as other proxies write them.

/// A duration in milliseconds as ours: the largest unit that divides it.
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// A number of bytes as ours.
pub fn size(bytes: u64) -> String {
    match bytes {
        0 => "0B".to_owned(),
        b if b % (1 << 30) == 0 => format!("{}GiB", b >> 30),
        b if b % (1 << 20) == 0 => format!("{}MiB", b >> 20),
        b if b % (1 << 10) == 0 => format!("{}KiB", b >> 10),
        b => format!("{b}B"),
    }
}

/// A time in milliseconds: numbers with units, one after the other (`1m30s`); a number alone is in `unit` milliseconds.
pub fn milliseconds(text: &str, unit: u64) -> Option<u64> {
    let mut sum: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        let after = &rest[digits..];
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let each = match &after[..letters] {
            "" => unit,
            "us" => {
                sum = sum.checked_add(number.div_ceil(1_000))?;
                0
            }
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "M" => 30 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(each)?)?;
        rest = after[letters..].trim_start();
    }
    Some(sum)
}

/// A number of bytes: `8k`, `10m`, `1g`, in either case.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let shift = match text[digits..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_and_written() {
        assert_eq!(milliseconds("1m30s", 1000), Some(90_000));
        assert_eq!(milliseconds("60", 1000), Some(60_000));
        assert_eq!(milliseconds("50", 1), Some(50));
        assert_eq!(milliseconds("10us", 1), Some(1));
        assert_eq!(milliseconds("x", 1), None);
        assert_eq!(milliseconds("5q", 1), None);
        assert_eq!(milliseconds("99999999999999999999y", 1), None);
        assert_eq!(duration(90_000), "90s");
        assert_eq!(duration(86_400_000), "24h");
        assert_eq!(duration(1_500), "1500ms");
        assert_eq!(bytes("8K"), Some(8192));
        assert_eq!(bytes("1g"), Some(1 << 30));
        assert_eq!(bytes("9x"), None);
        assert_eq!(size(1 << 20), "1MiB");
        assert_eq!(size(1000), "1000B");
    }
}
