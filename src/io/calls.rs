//! The system calls that move bytes, made without libc's help.
//!
//! libc makes each of them a point at which its thread may be cancelled, which costs two atomic operations for each
//! call in a program with several threads: 2.5 % of the processor's time where small messages are relayed.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use bytes::BytesMut;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::ReadBuf;

/// The most bytes that are read by way of a scratch buffer; a larger read would cost more to copy.
pub const SMALL_READ: usize = 4 * 1024;

thread_local! {
    /// The scratch buffer that the kernel writes to: clearing all the room that a read has would cost more than copying
    /// the few bytes that come.
    static SCRATCH: RefCell<[u8; SMALL_READ]> = const { RefCell::new([0; SMALL_READ]) };
}

/// Reads once; 0 = the end of the stream. At most 4 KiB when the room was never written to.
///
/// # Errors
///
/// Those of recv(2).
pub fn receive(socket: impl AsFd, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
    if buf.initialized().len() == buf.capacity() {
        let (read, _) = rustix::net::recv(socket, buf.initialize_unfilled(), RecvFlags::empty())?;
        buf.advance(read);
        return Ok(read);
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let room = buf.remaining().min(SMALL_READ);
        let (read, _) = rustix::net::recv(socket, &mut scratch[..room], RecvFlags::empty())?;
        buf.put_slice(&scratch[..read]);
        Ok(read)
    })
}

/// Reads once, [`SMALL_READ`] bytes at most, to the end of what is there; 0 = the end of the stream. The memory is
/// allocated when it is known how much came, so that nobody has to hold any while waiting.
///
/// # Errors
///
/// Those of recv(2).
pub fn append(socket: impl AsFd, buf: &mut BytesMut) -> io::Result<usize> {
    SCRATCH.with_borrow_mut(|scratch| {
        let (read, _) = rustix::net::recv(socket, &mut scratch[..], RecvFlags::empty())?;
        buf.extend_from_slice(&scratch[..read]);
        Ok(read)
    })
}

/// Whether [`receive`] can use all the room of this buffer.
pub fn has_room_for(buf: &ReadBuf<'_>) -> bool {
    buf.remaining() <= SMALL_READ || buf.initialized().len() == buf.capacity()
}

/// Writes once.
///
/// # Errors
///
/// Those of send(2).
pub fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
}

/// Writes once, as the last bytes before the stream is ended: its end is to leave in the same packet.
///
/// # Errors
///
/// Those of send(2).
pub fn send_last(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::MORE)?)
}

/// Writes once, from several buffers.
///
/// # Errors
///
/// Those of writev(2).
pub fn send_vectored(socket: impl AsFd, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(rustix::io::writev(socket, bytes)?)
}
