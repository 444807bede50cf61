//! The parts of QUIC that can be read without keys, in every version: RFC 8999.
//!
//! Each packet carries the connection id that its receiver has chosen. A long header (in the packets of the handshake) has both
//! ids with their lengths. A short header (in all other packets) has only the receiver's id, without its length, so only someone
//! who knows the length can read it. Ids that are agreed on later are sent encrypted and can't be seen.

/// The most bytes of a connection id in version 1 (RFC 9000, section 17.2).
const MAX_ID: usize = 20;

/// The fewest bytes of the id that a client may choose for a server (RFC 9000, section 7.2), which makes it unpredictable.
pub const SHORTEST: usize = 8;

/// The fewest bytes of the first datagram of a connection (RFC 9000, section 14.1).
const FIRST_DATAGRAM: usize = 1200;

/// The bit of the first byte that is set in a long header.
const LONG: u8 = 0x80;

/// A connection id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    length: u8,
    bytes: [u8; MAX_ID],
}

/// The head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// A long header.
    Long {
        /// The version of QUIC; 0 in a version negotiation packet, which repeats the client's ids.
        version: u32,
        /// The id chosen by the packet's receiver.
        to: &'a [u8],
        /// The id chosen by the packet's sender.
        from: &'a [u8],
    },
    /// A short header. The bytes begin with the id chosen by the packet's receiver.
    Short(&'a [u8]),
}

impl ConnectionId {
    /// Keeps an id; `None` when it is longer than any in use.
    pub fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_ID];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { length: u8::try_from(id.len()).ok()?, bytes })
    }

    /// The length of the id in bytes.
    pub fn length(&self) -> usize {
        self.length.into()
    }
}

/// Parses the head of the first packet of a datagram; `None` when it is not QUIC.
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

/// Whether this may be the first datagram of a connection. If it is not QUIC although it looks so, the only cost is that
/// connection ids are looked for in vain.
pub fn begins(datagram: &[u8]) -> bool {
    let long_enough = datagram.len() >= FIRST_DATAGRAM;
    long_enough && matches!(head(datagram), Some(Head::Long { version: 1.., to, .. }) if to.len() >= SHORTEST)
}

/// The id by which the sender of this datagram wants to be addressed from now on; `None` if the datagram does not tell it, or it
/// is short enough to be guessed.
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
            assert!(chosen(&datagram).is_none_or(|id| (SHORTEST..=MAX_ID).contains(&id.length())));
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
