//! The datagrams that were read by one system call.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{EcnCodepoint, RecvMeta};

/// The number of slots for one system call. Each has a datagram, or a run of them that was joined by GRO.
pub const SLOTS: usize = quinn_udp::BATCH_SIZE;

/// The size of a slot: room for the largest datagram or run.
const SLOT_SIZE: usize = 65_536;

/// Slots, and the datagrams that were read into them. Memory is used only where bytes were written: one page of each slot when
/// datagrams are small.
pub struct Batch {
    room: Vec<u8>,
    metas: [RecvMeta; SLOTS],
    filled: usize,
}

/// A datagram, or a run of datagrams from one sender that have the same size (the last may be smaller).
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The sender's address.
    pub from: SocketAddr,
    /// The local address that it was sent to, if the socket was set to report that.
    pub to: Option<IpAddr>,
    /// The content.
    pub payload: Payload<'a>,
}

/// The content of a datagram or a run, in the form in which it was received and is sent on.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The bytes of all datagrams.
    pub bytes: &'a [u8],
    /// The size of each datagram of a run, in bytes. For a single datagram it is the number of all bytes.
    pub stride: usize,
    /// The congestion mark (ECN, RFC 3168) that routers have set.
    pub ecn: Option<EcnCodepoint>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { room: vec![0; SLOTS * SLOT_SIZE], metas: [RecvMeta::default(); SLOTS], filled: 0 }
    }
}

impl Batch {
    /// Reads with `read` into the first `N` slots. Returns whether all of them were filled, so that there may be more to read.
    pub fn fill<const N: usize>(
        &mut self,
        read: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        self.clear();
        let mut room = self.room.chunks_exact_mut(SLOT_SIZE);
        let mut slices: [IoSliceMut<'_>; N] = std::array::from_fn(|_| IoSliceMut::new(room.next().unwrap_or_default()));
        self.filled = read(&mut slices, &mut self.metas[..N.min(SLOTS)])?;
        Ok(self.filled == N)
    }

    /// Empties all slots.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// The datagrams that were read last.
    pub fn received(&self) -> impl Iterator<Item = Received<'_>> {
        let filled = self.metas[..self.filled].iter().zip(self.room.chunks_exact(SLOT_SIZE));
        filled.map(|(meta, slot)| Received {
            from: meta.addr,
            to: meta.dst_ip,
            payload: Payload { bytes: &slot[..meta.len.min(SLOT_SIZE)], stride: meta.stride, ecn: meta.ecn },
        })
    }
}

impl<'a> Payload<'a> {
    /// The payload of a single datagram.
    pub fn one(bytes: &'a [u8]) -> Self {
        Self { bytes, stride: bytes.len(), ecn: None }
    }

    /// Whether this is a run, with more than one datagram.
    pub fn is_run(&self) -> bool {
        self.stride > 0 && self.stride < self.bytes.len()
    }

    /// The number of datagrams.
    pub fn count(&self) -> u64 {
        if self.is_run() { self.bytes.len().div_ceil(self.stride) as u64 } else { 1 }
    }

    /// The datagrams one by one. An empty payload is one empty datagram.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        let size = if self.is_run() { self.stride } else { bytes.len().max(1) };
        let empty = bytes.is_empty().then_some(bytes);
        empty.into_iter().chain(bytes.chunks(size))
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("filled", &self.filled).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_cut_into_datagrams_of_one_size_and_a_rest() {
        let run = Payload { bytes: &[1, 2, 3, 4, 5], stride: 2, ecn: None };
        assert_eq!(run.datagrams().collect::<Vec<_>>(), [&[1, 2][..], &[3, 4], &[5]]);
        assert_eq!((run.count(), run.is_run()), (3, true));
    }

    #[test]
    fn one_datagram_is_no_run_and_an_empty_one_is_one_datagram() {
        let one = Payload::one(&[1, 2, 3]);
        assert_eq!((one.count(), one.is_run()), (1, false));
        assert_eq!(one.datagrams().collect::<Vec<_>>(), [&[1, 2, 3][..]]);
        let empty = Payload::one(&[]);
        assert_eq!((empty.count(), empty.is_run()), (1, false));
        assert_eq!(empty.datagrams().collect::<Vec<_>>(), [&[0_u8; 0][..]]);
    }

    #[test]
    fn a_batch_tells_what_was_read_last_and_whether_there_may_be_more() {
        let mut batch = Batch::default();
        let read = |slices: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]| {
            for (slice, meta) in slices.iter_mut().zip(metas.iter_mut()) {
                slice[..2].copy_from_slice(b"ab");
                (meta.len, meta.stride) = (2, 2);
            }
            Ok(slices.len())
        };
        assert!(batch.fill::<3>(read).unwrap());
        assert_eq!(batch.received().map(|r| r.payload.bytes).collect::<Vec<_>>(), [b"ab"; 3]);
        assert!(!batch.fill::<3>(|_, _| Ok(1)).unwrap());
        assert_eq!(batch.received().count(), 1);
        assert!(batch.fill::<3>(|_, _| Err(io::ErrorKind::WouldBlock.into())).is_err());
        assert_eq!(batch.received().count(), 0);
    }
}
