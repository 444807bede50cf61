//! The connection that carries an attempt: a kept one, or a new one; of HTTP/1.1, or a stream of HTTP/2.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::ServerName;

use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::policy::UpstreamProtocol;
use crate::protocol::h2::client::Room;
use crate::snapshot::Service;
use crate::trace::AttemptTrace;
use crate::upstream::h2::{DialTarget, Dialled};
use crate::upstream::terms::Terms;
use crate::upstream::{Pool, Tls, h1, h2};

/// Finds the connection for one attempt.
pub struct Connector<'a> {
    /// The service.
    pub service: &'a Service,
    /// The backend.
    pub endpoint: &'a Arc<Endpoint>,
    /// The worker's connections to it.
    pub pool: &'a Rc<Pool>,
    /// No kept connection of HTTP/1.1 will do.
    pub fresh: bool,
    /// The request asks for another protocol.
    pub upgrades: bool,
    /// The attempt's time-outs, and what else a connection is made with.
    pub terms: &'a Terms<'a>,
    /// What it notes in the trace of the exchange, where there is one.
    pub trace: Option<&'a AttemptTrace>,
}

impl Connector<'_> {
    /// A connection that can carry the request: a kept one, or a new one.
    pub async fn connect(&self) -> Result<Dialled> {
        let alpn = self.service.protocol == UpstreamProtocol::Auto;
        if !self.service.is_multiplexed() {
            return self.http1(self.service.tls.as_ref()).await;
        }
        if alpn
            && self.pool.shared.are_h1()
            && let Some(connection) = self.kept()
        {
            return Ok(Dialled::H1(connection));
        }
        let found = match self.pool.room() {
            Some(room) => Dialled::H2(room),
            None => {
                let name = self.name();
                let tls = self.service.tls.as_ref().zip(name.as_ref()).map(|(config, name)| Tls { config, name });
                let target = DialTarget { endpoint: self.endpoint, tls, alpn };
                self.timed(h2::open(self.pool, target, self.terms)).await?
            }
        };
        match found {
            Dialled::H2(room) if self.upgrades => self.upgrade(room).await,
            found => Ok(found),
        }
    }

    /// RFC 8441: a stream becomes a tunnel where the backend takes that. Else only a connection of HTTP/1.1 can.
    async fn upgrade(&self, room: Room) -> Result<Dialled> {
        let told = poll_fn(|cx| room.client().poll_takes_tunnels(cx));
        match self.terms.timers.within(self.terms.timeouts.connect, told).await {
            Some(true) => return Ok(Dialled::H2(room)),
            // while this one dials, others may use the stream
            Some(false) if !room.client().is_closed() => drop(room),
            Some(false) => return Err(Error::new(Kind::UpstreamClosed, "before its settings").retry(Retry::Safe)),
            None => return Err(Error::new(Kind::ConnectTimeout, "its settings are late").retry(Retry::Safe)),
        }
        match &self.service.tls_http1 {
            Some(tls) => self.http1(Some(tls)).await,
            None => Err(Error::new(Kind::NotUpgraded, "its HTTP/2 has no extended CONNECT (RFC 8441)")),
        }
    }

    async fn http1(&self, tls: Option<&Arc<rustls::ClientConfig>>) -> Result<Dialled> {
        if let Some(connection) = self.kept() {
            return Ok(Dialled::H1(connection));
        }
        let name = self.name();
        let tls = tls.zip(name.as_ref()).map(|(config, name)| Tls { config, name });
        self.timed(h1::dial(self.endpoint, tls, self.pool, self.terms)).await.map(Dialled::H1)
    }

    /// Notes in the trace how long it takes to get a new connection.
    async fn timed<T>(&self, connection: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(trace) = self.trace else { return connection.await };
        trace.connects();
        let connection = connection.await?;
        trace.connected();
        Ok(connection)
    }

    fn kept(&self) -> Option<Box<h1::Connection>> {
        if self.fresh { None } else { self.pool.take() }
    }

    fn name(&self) -> Option<ServerName<'static>> {
        self.service.tls.as_ref().and_then(|_| self.service.server_name(self.endpoint))
    }
}
