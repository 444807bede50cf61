//! What of QUIC can be seen from outside, in every version: RFC 8999.
//!
//! Each packet carries the connection id that its receiver has chosen. In packets with a long header (those of the handshake) both
//! ids stand with their lengths; in those with a short header (all others) the receiver's id stands alone, and only who knows
//! how long it is can read it. Ids that are agreed on later travel in encrypted frames and can't be seen at all.

/// The longest id of version 1 (RFC 9000, section 17.2).
const LONGEST: usize = 20;

/// The shortest id that a client may choose for a server (RFC 9000, section 7.2): long enough not to be guessed.
pub const SHORTEST: usize = 8;

/// The smallest datagram that a connection begins with (RFC 9000, section 14.1).
const FIRST_DATAGRAM: usize = 1200;

/// The bit that tells a long header from a short one.
const LONG: u8 = 0x80;

/// A connection id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    length: u8,
    bytes: [u8; LONGEST],
}

/// The head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// A long one.
    Long {
        /// 0 in a version negotiation, which repeats the client's ids.
        version: u32,
        /// The id that its receiver chose.
        to: &'a [u8],
        /// The id that its sender chose.
        from: &'a [u8],
    },
    /// A short one: what begins with the id that its receiver chose.
    Short(&'a [u8]),
}

impl ConnectionId {
    /// `None` when it is longer than any that is in use.
    pub fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; LONGEST];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { length: u8::try_from(id.len()).ok()?, bytes })
    }

    /// Its length in bytes.
    pub fn length(&self) -> usize {
        self.length.into()
    }
}

/// Reads the head of the first packet of a datagram; `None` when it can't be QUIC.
pub fn head(datagram: &[u8]) -> Option<Head<'_>> {
    let (first, rest) = datagram.split_first()?;
    if first & LONG == 0 {
        return Some(Head::Short(rest));
    }
    let (version, rest) = rest.split_first_chunk()?;
    let (to, rest) = with_length(rest)?;
    let (from, _) = with_length(rest)?;
    Some(Head::Long { version: u32::from_be_bytes(*version), to, from })
}

fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// Whether this may be the first datagram of a connection. What is not QUIC and looks so all the same is only watched for
/// connection ids in vain.
pub fn begins(datagram: &[u8]) -> bool {
    let long_enough = datagram.len() >= FIRST_DATAGRAM;
    long_enough && matches!(head(datagram), Some(Head::Long { version: 1.., to, .. }) if to.len() >= SHORTEST)
}

/// The id that the sender of this datagram wants to be found by from now on, where it says so and the id can't be guessed.
pub fn chosen(datagram: &[u8]) -> Option<ConnectionId> {
    match head(datagram)? {
        Head::Long { version: 1.., from, .. } if from.len() >= SHORTEST => ConnectionId::new(from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(version: u32, to: &[u8], from: &[u8], length: usize) -> Vec<u8> {
        let mut packet = vec![0xc3];
        packet.extend(version.to_be_bytes());
        for id in [to, from] {
            packet.push(id.len() as u8);
            packet.extend(id);
        }
        packet.resize(length.max(packet.len()), 0);
        packet
    }

    /// RFC 9001, appendix A.2: the head of the client's Initial.
    const INITIAL: [u8; 18] = [0xc0, 0, 0, 0, 1, 8, 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08, 0, 0, 0x44, 0x9e];

    #[test]
    fn both_ids_stand_in_a_long_header() {
        let to = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        assert_eq!(head(&INITIAL), Some(Head::Long { version: 1, to: &to, from: &[] }));
        assert_eq!(head(&[0x40, 1, 2, 3]), Some(Head::Short(&[1, 2, 3])));
    }

    #[test]
    fn a_cut_header_is_no_header() {
        let whole = long(1, &[1; 8], &[2; 8], 0);
        for cut in 1..whole.len() {
            assert_eq!(head(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(head(&[]), None);
    }

    #[test]
    fn whatever_comes_is_read_within_its_bounds() {
        let mut random = fastrand::Rng::with_seed(8999);
        for _ in 0..20_000 {
            let mut datagram: Vec<u8> = (0..random.usize(..48)).map(|_| random.u8(..)).collect();
            // lengths that are near what there is
            if let Some(length) = datagram.get_mut(5) {
                *length %= 48;
            }
            if let Some(Head::Long { to, from, .. }) = head(&datagram) {
                assert!(7 + to.len() + from.len() <= datagram.len());
            }
            assert!(chosen(&datagram).is_none_or(|id| (SHORTEST..=LONGEST).contains(&id.length())));
        }
    }

    #[test]
    fn a_connection_begins_with_a_large_datagram_and_an_id_that_can_t_be_guessed() {
        let mut initial = INITIAL.to_vec();
        initial.resize(1200, 0);
        assert!(begins(&initial));
        assert!(!begins(&initial[..1199]));
        assert!(!begins(&long(0, &[1; 8], &[], 1200)), "a version negotiation");
        assert!(!begins(&long(1, &[1; 7], &[], 1200)));
        assert!(!begins(&[0x40; 1200]), "a short header");
        assert!(!begins(b"\x12\x34\x01\x00 a question to a name server"));
    }

    #[test]
    fn an_id_is_learned_where_its_owner_shows_it() {
        assert_eq!(chosen(&long(1, &[], &[7; 8], 0)), ConnectionId::new(&[7; 8]));
        assert_eq!(chosen(&long(0x6b33_43cf, &[], &[7; 20], 0)), ConnectionId::new(&[7; 20]), "version 2");
        assert_eq!(chosen(&long(1, &[], &[7; 21], 0)), None, "longer than any");
        assert_eq!(chosen(&long(1, &[], &[7; 4], 0)), None, "too short to be trusted");
        assert_eq!(chosen(&long(0, &[], &[7; 8], 0)), None, "the client's own, repeated");
        assert_eq!(chosen(&[0x40; 40]), None);
    }
}
