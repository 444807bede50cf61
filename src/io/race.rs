//! Connecting to the first of several addresses that answers: "happy eyeballs", RFC 8305.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connect::{NotConnected, connect};
use super::outbound::Outbound;

/// How long an address is tried alone before the next one is tried beside it (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection that is being made.
type Connecting<'a> = Pin<Box<dyn Future<Output = Result<TcpStream, NotConnected>> + 'a>>;

struct Race<'a, I> {
    waiting: I,
    running: Vec<(SocketAddr, Connecting<'a>)>,
    outbound: Option<&'a Outbound>,
    failed: Vec<NotConnected>,
    head_start: Duration,
    /// When the next address is tried.
    next: Option<Pin<Box<Sleep>>>,
}

/// Connects to one of these addresses, which are tried in their order: the next one when the one before has failed or
/// has had its head start. All have begun when half of `limit` is over. Connections are made in the way of `outbound`, if
/// there is one. Returns the connection and its address.
///
/// # Errors
///
/// The failures of all addresses.
pub async fn connect_any(
    addresses: impl ExactSizeIterator<Item = SocketAddr>,
    limit: Duration,
    outbound: Option<&Outbound>,
) -> Result<(TcpStream, SocketAddr), Vec<NotConnected>> {
    let head_start = HEAD_START.min(limit / 2 / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1));
    let mut waiting = addresses;
    // nearly all backends have one address, which needs neither race nor timer
    if waiting.len() == 1
        && let Some(only) = waiting.next()
    {
        return connect(only, outbound).await.map(|tcp| (tcp, only)).map_err(|failed| vec![failed]);
    }
    let mut race = Race { waiting, running: Vec::new(), outbound, failed: Vec::new(), head_start, next: None };
    poll_fn(|cx| race.poll(cx)).await
}

impl<I: Iterator<Item = SocketAddr>> Race<'_, I> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(TcpStream, SocketAddr), Vec<NotConnected>>> {
        loop {
            if let Some(winner) = self.poll_running(cx) {
                return Poll::Ready(Ok(winner));
            }
            let is_due =
                self.running.is_empty() || self.next.as_mut().is_none_or(|next| next.as_mut().poll(cx).is_ready());
            if !is_due {
                return Poll::Pending;
            }
            let Some(address) = self.waiting.next() else {
                return match self.running.is_empty() {
                    true => Poll::Ready(Err(std::mem::take(&mut self.failed))),
                    false => Poll::Pending,
                };
            };
            self.running.push((address, Box::pin(connect(address, self.outbound))));
            self.next = Some(Box::pin(sleep_until(Instant::now() + self.head_start)));
        }
    }

    /// The first connection that has been made. One that has failed lets the next begin at once.
    fn poll_running(&mut self, cx: &mut Context<'_>) -> Option<(TcpStream, SocketAddr)> {
        let mut at = 0;
        while let Some((address, running)) = self.running.get_mut(at) {
            match running.as_mut().poll(cx) {
                Poll::Ready(Ok(tcp)) => return Some((tcp, *address)),
                Poll::Ready(Err(failed)) => {
                    drop(self.running.swap_remove(at));
                    self.failed.push(failed);
                    self.next = None;
                }
                Poll::Pending => at += 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    /// Connections to it are neither made nor refused: its queue is full.
    fn silent() -> (socket2::Socket, SocketAddr, Vec<std::net::TcpStream>) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut kept = Vec::new();
        while let Ok(tcp) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            kept.push(tcp);
        }
        (socket, address, kept)
    }

    async fn race(addresses: &[SocketAddr]) -> Result<SocketAddr, usize> {
        let won = connect_any(addresses.iter().copied(), Duration::from_secs(20), None).await;
        won.map(|(_, winner)| winner).map_err(|failed| failed.len())
    }

    #[tokio::test]
    async fn one_that_refuses_costs_nothing() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = server.local_addr().unwrap();
        let began = Instant::now();
        assert_eq!(race(&[nobody(), nobody(), good]).await, Ok(good));
        assert!(began.elapsed() < Duration::from_secs(10), "nothing was waited for");
        assert_eq!(race(&[good, nobody()]).await, Ok(good));
    }

    #[tokio::test]
    async fn one_that_is_silent_costs_its_head_start() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let (good, (_socket, silent, _kept)) = (server.local_addr().unwrap(), silent());
        let began = Instant::now();
        assert_eq!(race(&[silent, good]).await, Ok(good));
        assert!(began.elapsed() >= HEAD_START);
    }

    #[tokio::test]
    async fn a_short_limit_leaves_time_for_all() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let (good, (_socket, silent, _kept)) = (server.local_addr().unwrap(), silent());
        let began = Instant::now();
        let won = connect_any([silent, silent, good].into_iter(), Duration::from_millis(60), None).await;
        assert_eq!(won.unwrap().1, good);
        assert!(began.elapsed() >= Duration::from_millis(20), "two head starts of a sixth of the limit");
    }

    #[tokio::test]
    async fn all_that_failed_are_told() {
        assert_eq!(race(&[nobody(), nobody()]).await, Err(2));
        assert_eq!(race(&[nobody()]).await, Err(1));
        assert_eq!(race(&[]).await, Err(0));
    }
}
