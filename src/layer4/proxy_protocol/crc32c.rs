//! CRC-32C (Castagnoli), as RFC 4960, appendix B, computes it: reflected, with the polynomial 0x1EDC6F41.
//!
//! A table of 256 words is fast enough: a header has a few hundred bytes and comes once for each connection.

/// The polynomial with its bits in reverse order.
const POLYNOMIAL: u32 = 0x82F6_3B78;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The checksum of the concatenated pieces.
pub(super) fn checksum(pieces: &[&[u8]]) -> u32 {
    let bytes = pieces.iter().flat_map(|piece| piece.iter());
    !bytes.fold(!0, |crc: u32, &byte| (crc >> 8) ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// From RFC 3720, appendix B.4, and the check value that catalogues of CRCs list.
    #[test]
    fn known_checksums() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        assert_eq!(checksum(&[&[0; 32]]), 0x8A91_36AA);
        assert_eq!(checksum(&[&[0xFF; 32]]), 0x62A8_AB43);
        assert_eq!(checksum(&[&ascending]), 0x46DD_794E);
        assert_eq!(checksum(&[&descending]), 0x113F_DB5C);
        assert_eq!(checksum(&[b"123456789"]), 0xE306_9283);
    }

    #[test]
    fn pieces_are_as_good_as_the_whole() {
        assert_eq!(checksum(&[b"1234", b"", b"56789"]), checksum(&[b"123456789"]));
        assert_eq!(checksum(&[]), 0);
    }
}
