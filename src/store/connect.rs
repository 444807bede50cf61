//! A connection to a store, made with our own sockets and our own TLS.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::config::model::{Authorities, RedisStore, StoreAddress};
use crate::io::connect_any;
use crate::tls::connector::{ClientSettings, Trust, client_config};

/// How long it may take to connect and to log in.
const LIMIT: Duration = Duration::from_secs(2);

/// The bytes that may come without any batch having all of its answers. Those of all batches that are under way have less.
const MOST: usize = 16 << 20;

/// A store, with what is needed to connect to it.
pub(super) struct Target {
    address: StoreAddress,
    tls: Option<TlsConnector>,
    login: RedisConnectionInfo,
}

/// An open connection. It is closed when this is dropped.
pub(super) struct Connection {
    /// What commands are sent by.
    pub commands: MultiplexedConnection,
    /// Bytes that have come since a batch had all of its answers.
    pub unread: Arc<AtomicUsize>,
    driver: JoinHandle<()>,
}

impl Target {
    /// The store that is configured.
    ///
    /// # Errors
    ///
    /// A sentence for people, when the settings of TLS can't be used.
    pub fn new(store: &RedisStore) -> Result<Self, String> {
        let tls = store.tls.as_ref().map(|ca| {
            let trust = match ca {
                Authorities::File(ca) => Trust::These(ca),
                Authorities::System(system) => Trust::System(&system.certificates, system.error.as_deref()),
            };
            client_config(&ClientSettings { trust, verify: true, client: None, alpn: &[] }).map(TlsConnector::from)
        });
        // `CLIENT SETINFO` would tell of the library; an old Redis refuses it, and nobody needs it
        let mut login = RedisConnectionInfo::default().set_db(i64::from(store.db)).set_skip_set_lib_name();
        if let Some(user) = &store.user {
            login = login.set_username(user);
        }
        if let Some(password) = &store.password {
            let password = str::from_utf8(password.bytes()).map_err(|_| "its password is not UTF-8")?;
            login = login.set_password(password);
        }
        Ok(Self { address: store.address.clone(), tls: tls.transpose()?, login })
    }

    /// Connects and logs in.
    ///
    /// # Errors
    ///
    /// Why that is not possible; for people.
    pub async fn connect(&self) -> Result<Connection, String> {
        let connected = tokio::time::timeout(LIMIT, self.connect_at_leisure()).await;
        connected.unwrap_or_else(|_| Err(format!("it does not answer within {} s", LIMIT.as_secs())))
    }

    async fn connect_at_leisure(&self) -> Result<Connection, String> {
        match &self.address {
            StoreAddress::Unix(path) => self.log_in(unix(path).await?).await,
            StoreAddress::Tcp(host, port) => {
                let tcp = tcp(host, *port).await.map_err(|error| format!("it can't be connected to: {error}"))?;
                // it is usable without
                let _ = tcp.set_nodelay(true);
                let Some(tls) = &self.tls else { return self.log_in(tcp).await };
                let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
                let tls = tls.connect(name, tcp).await.map_err(|error| format!("TLS with it fails: {error}"))?;
                self.log_in(tls).await
            }
        }
    }

    async fn log_in(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Connection, String> {
        // what takes too long is up to the keeper, which knows what waits for it
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let unread = Arc::default();
        let io = Bounded { io, unread: Arc::clone(&unread) };
        let made = MultiplexedConnection::new_with_config(&self.login, io, config).await;
        let (commands, driver) = made.map_err(|error| format!("it can't be logged in to: {}", said(&error)))?;
        Ok(Connection { commands, unread, driver: tokio::task::spawn_local(driver) })
    }
}

/// A connection to whichever of the addresses of a name answers.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    match connect_any(addresses.into_iter(), LIMIT, None).await {
        Ok((tcp, _)) => Ok(tcp),
        Err(failed) => {
            Err(failed.into_iter().next_back().map_or(io::ErrorKind::NotFound.into(), |failed| failed.error))
        }
    }
}

async fn unix(path: &PathBuf) -> Result<UnixStream, String> {
    UnixStream::connect(path).await.map_err(|error| format!("it can't be connected to: {error}"))
}

impl Connection {
    /// Waits until it is closed by the other side, or broken, which is known without sending anything. Not to be called again after that.
    pub async fn closed(&mut self) {
        // how its task has ended does not matter: nothing reads from the connection any more
        let _ = (&mut self.driver).await;
    }

    /// Closes it: what waits for answers is told so at once.
    pub fn close(&self) {
        self.driver.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Breaks when answers have no end: the client keeps in memory what has come of one.
struct Bounded<I> {
    io: I,
    unread: Arc<AtomicUsize>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Bounded<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let came = buf.filled().len() - before;
        if self.unread.fetch_add(came, Relaxed) + came > MOST {
            return Poll::Ready(Err(io::Error::other("its answers are too long")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Bounded<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// An error of the client's in one line.
pub(super) fn said(error: &redis::RedisError) -> String {
    error.to_string().lines().collect::<Vec<_>>().join(" ")
}

/// What a store says when it refuses something, in its words.
pub(super) fn told(error: &redis::ServerError) -> String {
    let details = error.details().unwrap_or_default().lines().next().unwrap_or_default();
    [error.code(), details].join(" ").trim_end().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::runtime::{Builder, LocalOptions};

    use super::*;

    #[test]
    fn a_connection_on_which_nobody_asks_anything_tells_that_it_was_closed() {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let (ours, mut store) = tokio::io::duplex(1024);
            let target = Target {
                address: StoreAddress::Unix("/".into()),
                tls: None,
                login: RedisConnectionInfo::default().set_skip_set_lib_name(),
            };
            let mut connection = target.log_in(ours).await.unwrap();
            let mut wait = Box::pin(connection.closed());
            let waits = std::future::poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await;
            assert!(waits);
            store.shutdown().await.unwrap();
            assert_eq!(store.read(&mut [0; 16]).await.unwrap(), 0, "and it is closed on this side as well");
            wait.await;
        });
    }
}
