//! Huffman-coded strings (RFC 7541, section 5.2 and appendix B).
//!
//! The code is canonical: codes of the same length are in the order of their symbols, and each length continues where the shorter
//! one ended. So the lengths of the codes determine everything, and the tables are computed from them at compile time.
//!
//! Codes of 5 to 8 bits, which all letters and digits have, are looked up by the next eight bits in a table of 512 bytes. It
//! stays in the cache, whereas a state machine that consumes whole bytes would need 64 KiB and more. A longer code is found by
//! comparing the next bits with the limit of each length.

#[cfg(test)]
pub(super) mod tests;

use super::CompressionError;

/// The number of bits of each byte's code, and of the code for the end of the string (EOS), which is never sent.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Codes of so many bits at most are found in the table.
const SHORT: u32 = 8;
/// So many short codes fit into 32 bits.
const CODES_PER_STEP: usize = 4;
/// The number of bits of the longest code.
const LONGEST: usize = 30;

/// The symbols, in the order of their codes.
struct Canonical {
    symbols: [u8; 256],
    /// For each length, the least code (aligned to the left) that is longer.
    limits: [u64; LONGEST + 1],
    /// For each length, the difference between a code and its place in `symbols`.
    offsets: [u32; LONGEST + 1],
}

static CANONICAL: Canonical = canonical();

/// For each value of the next eight bits, the length of the code that they begin with, and above it (in the upper byte) its
/// symbol; 0 when the code is longer than [`SHORT`].
static FAST: [u16; 1 << SHORT] = fast();

/// Decodes into `out`, which grows as needed and never shrinks. Returns how many of its bytes are used.
pub(super) fn decode(code: &[u8], out: &mut Vec<u8>) -> Result<usize, CompressionError> {
    // no code is shorter than five bits; the last step of four codes may write beyond the end
    let room = code.len() * 8 / 5 + CODES_PER_STEP;
    if out.len() < room {
        out.resize(room, 0);
    }
    let mut length = 0;
    // the next bits are at the left of `bits`; `have` of them are valid, and all others are 0
    let (mut bits, mut have, mut rest) = (0_u64, 0_u32, code);
    loop {
        // more than 32 bits contain one complete code of any length, or four short ones
        if have <= 32 {
            let Some((four, after)) = rest.split_first_chunk() else { break };
            bits |= u64::from(u32::from_be_bytes(*four)) << (32 - have);
            have += 32;
            rest = after;
        }
        let before = length;
        for slot in &mut out[length..length + CODES_PER_STEP] {
            let Some((symbol, used)) = short(bits) else { break };
            *slot = symbol;
            length += 1;
            bits <<= used;
            have -= used;
        }
        if length == before {
            let (symbol, used) = long(bits)?;
            out[length] = symbol;
            length += 1;
            bits <<= used;
            have -= used;
        }
    }
    for &byte in rest {
        bits |= u64::from(byte) << (56 - have);
        have += 8;
    }
    // the padding has at most seven bits, all of them ones: it is the beginning of EOS
    while have > 7 || bits.leading_ones() != have {
        let (symbol, used) = short(bits).map_or_else(|| long(bits), Ok)?;
        have = have.checked_sub(used).ok_or(CompressionError)?;
        bits <<= used;
        out[length] = symbol;
        length += 1;
    }
    Ok(length)
}

/// The symbol whose code is at the left, and the length of that code. `None` when it is longer than [`SHORT`].
#[inline]
fn short(bits: u64) -> Option<(u8, u32)> {
    let found = FAST[(bits >> (u64::BITS - SHORT)) as usize];
    if found == 0 { None } else { Some(((found >> 8) as u8, u32::from(found as u8))) }
}

/// The same for a code longer than [`SHORT`].
#[cold]
fn long(bits: u64) -> Result<(u8, u32), CompressionError> {
    let mut length = SHORT as usize + 1;
    while bits >= CANONICAL.limits[length] && length < LONGEST {
        length += 1;
    }
    let code = (bits >> (64 - length)) as u32;
    // EOS has the place after the last symbol, so it is an error
    let symbol =
        CANONICAL.symbols.get(code.wrapping_sub(CANONICAL.offsets[length]) as usize).ok_or(CompressionError)?;
    Ok((*symbol, length as u32))
}

const fn canonical() -> Canonical {
    let mut made = Canonical { symbols: [0; 256], limits: [0; LONGEST + 1], offsets: [0; LONGEST + 1] };
    let (mut length, mut code, mut place) = (1, 0_u32, 0);
    while length <= LONGEST {
        code <<= 1;
        made.offsets[length] = code.wrapping_sub(place as u32);
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                if symbol < 256 {
                    made.symbols[place] = symbol as u8;
                }
                place += 1;
                code += 1;
            }
            symbol += 1;
        }
        // the limit for the longest code would be 2^64, and is never used
        made.limits[length] = (code as u64) << (64 - length);
        length += 1;
    }
    assert!(place == 257 && code == 1 << LONGEST, "every sequence of bits is a code");
    made
}

const fn fast() -> [u16; 1 << SHORT] {
    let canonical = canonical();
    let mut table = [0; 1 << SHORT];
    let (mut at, mut place) = (0, 0);
    while at < table.len() {
        let (symbol, length) = (canonical.symbols[place], LENGTHS[canonical.symbols[place] as usize] as u32);
        if length > SHORT {
            break;
        }
        let end = at + (1 << (SHORT - length));
        while at < end {
            table[at] = (symbol as u16) << 8 | length as u16;
            at += 1;
        }
        place += 1;
    }
    table
}
