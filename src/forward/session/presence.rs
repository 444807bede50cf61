//! A client that may leave before it has a backend.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::io::AsyncBufRead as _;

use crate::error::{Error, Kind, Result};
use crate::forward::Worker;
use crate::forward::placement::{self, Admission, Criteria};
use crate::io::Stream;
use crate::policy::Timeouts;
use crate::snapshot::Service;

/// Finds a place for a client, which may leave while it waits for one.
///
/// # Errors
///
/// [`Kind::ClientGone`], and why there is no place.
pub async fn admit(
    client: &mut Stream,
    worker: &Worker,
    service: &Service,
    criteria: Criteria<'_>,
    timeouts: &Timeouts,
) -> Result<Admission> {
    let admitted = placement::admit(worker, service, criteria, timeouts, || {});
    unless_gone(client, service.abort_on_close, admitted).await
}

/// What comes of `future`, unless the client of this stream leaves before: by a reset, or, where that counts, by the end of its side. The client is looked
/// at only while the future has to wait.
///
/// # Errors
///
/// [`Kind::ClientGone`], and the future's.
pub async fn unless_gone<T>(
    client: &mut Stream,
    end_counts: bool,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    let (mut future, mut left) = (pin!(future), pin!(left(client, end_counts)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending => left.as_mut().poll(cx).map(|()| Err(Error::new(Kind::ClientGone, "before it had a backend"))),
        ready => ready,
    })
    .await
}

/// Waits until the client has left.
async fn left(client: &mut Stream, end_counts: bool) {
    // under TLS a client may say that it ends, and keep the connection until we say so as well. What comes before that stays there to be read
    if end_counts && let Stream::TlsServer(tls) = client {
        let mut tls = Pin::new(&mut **tls);
        let has_ended = poll_fn(|cx| tls.as_mut().poll_fill_buf(cx).map(|more| more.map_or(true, <[u8]>::is_empty)));
        if has_ended.await {
            return;
        }
    }
    client.socket().left(end_counts).await;
}
