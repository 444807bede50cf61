//! A stream as a tunnel sees it: bytes that come and go, whichever side opened it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::link::stream::{Piece, Stream};

/// Both ends of a stream, as of a socket.
#[derive(Debug)]
pub struct Ends {
    stream: Rc<Stream>,
    /// Came and was not taken yet.
    left: Bytes,
}

impl Ends {
    /// Of this stream.
    pub(super) fn new(stream: &Rc<Stream>) -> Self {
        Self { stream: Rc::clone(stream), left: Bytes::new() }
    }
}

impl AsyncRead for Ends {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left.is_empty() {
            match ready!(this.stream.poll_piece(cx)) {
                Some(Ok(Piece::Data(data))) => this.left = data,
                // trailers mean nothing to what is in the tunnel
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

impl AsyncWrite for Ends {
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
