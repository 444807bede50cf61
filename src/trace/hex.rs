//! Hexadecimal digits in lower case, of eight at a time and without a table: a request's head has 48 of them.

/// Writes a number in eight digits.
fn eight(number: u32) -> [u8; 8] {
    // one digit to a byte
    let spread = u64::from(number);
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte that is above 9
    let letters = ((spread + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (spread + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// Writes a number in sixteen digits.
pub(super) fn sixteen(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&eight((number >> 32) as u32));
    digits[8..].copy_from_slice(&eight(number as u32));
    digits
}

/// Reads digits in lower case, at most 32; `None` where something else is among them. W3C Trace Context knows no capitals.
pub(super) fn read(digits: &[u8]) -> Option<u128> {
    let mut number = 0;
    for &digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(value);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_std_writes_them_and_read_back(number: u64) {
            let written = sixteen(number);
            prop_assert_eq!(&*String::from_utf8_lossy(&written), format!("{number:016x}"));
            prop_assert_eq!(read(&written), Some(u128::from(number)));
        }
    }

    #[test]
    fn only_digits_in_lower_case_are_read() {
        for byte in 0..=u8::MAX {
            let expected = if byte.is_ascii_uppercase() { None } else { char::from(byte).to_digit(16) };
            assert_eq!(read(&[byte]), expected.map(u128::from), "{byte}");
        }
    }
}
