//! The first datagrams of a session. They are kept until its backend has answered, so that they can be sent to another one. Pure.

/// How much is kept: the first flight of a QUIC client whose key share fills two datagrams, and more than any question to a
/// name server.
const MOST_BYTES: usize = 4096;
const MOST: usize = 4;

/// The datagrams that a session began with.
#[derive(Debug, Default)]
pub struct FirstDatagrams(Vec<Box<[u8]>>);

impl FirstDatagrams {
    /// Keeps a datagram, if there is room. If not, and the backend is not there, it is lost, as UDP allows.
    pub fn keep(&mut self, datagram: &[u8]) {
        let bytes: usize = self.0.iter().map(|kept| kept.len()).sum();
        if self.0.len() < MOST && bytes + datagram.len() <= MOST_BYTES {
            self.0.push(datagram.into());
        }
    }

    /// What was kept, in order.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|datagram| &**datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_flight_is_kept_in_order_and_no_more_than_that() {
        let mut kept = FirstDatagrams::default();
        for (at, length) in [1200, 1200, 1200, 1200, 100, 1].into_iter().enumerate() {
            kept.keep(&vec![at as u8; length]);
        }
        assert_eq!(
            kept.datagrams().map(|d| (d[0], d.len())).collect::<Vec<_>>(),
            [(0, 1200), (1, 1200), (2, 1200), (4, 100)]
        );
    }

    #[test]
    fn an_empty_datagram_is_one() {
        let mut kept = FirstDatagrams::default();
        kept.keep(&[]);
        assert_eq!(kept.datagrams().collect::<Vec<_>>(), [b""]);
    }
}
