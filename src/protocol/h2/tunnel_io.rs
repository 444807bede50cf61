//! A stream as a pair of byte streams, for a tunnel. It is the same for streams that we opened and for those that the peer
//! opened.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::link::stream::{Piece, Stream};

/// An HTTP/2 stream that is read and written like a socket.
#[derive(Debug)]
pub struct TunnelIo {
    stream: Rc<Stream>,
    /// Data that has arrived and was not read yet.
    left: Bytes,
}

impl TunnelIo {
    /// For this stream.
    pub(super) fn new(stream: &Rc<Stream>) -> Self {
        Self { stream: Rc::clone(stream), left: Bytes::new() }
    }
}

impl AsyncRead for TunnelIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left.is_empty() {
            match ready!(this.stream.poll_piece(cx)) {
                Some(Ok(Piece::Data(data))) => this.left = data,
                // trailers have no meaning in a tunnel
                Some(Ok(Piece::Trailers(_))) | None => {}
                Some(Err(_)) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        let here = this.left.len().min(buf.remaining());
        buf.put_slice(&this.left[..here]);
        this.left.advance(here);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TunnelIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.stream.is_over() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !self.stream.has_room() {
            ready!(self.stream.poll_over(cx));
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.stream.send(Bytes::copy_from_slice(bytes), false);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // the connection's task writes
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stream.is_over() {
            return Poll::Ready(Ok(()));
        }
        if self.stream.has_room() {
            self.stream.finish(None);
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_over(cx).map(|()| Ok(()))
    }
}
