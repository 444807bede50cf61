//! The HTTP client of a webhook: it sends each message on a new connection, and reads the head of the answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::message::{SIGNATURE, TIMESTAMP, body, signature, timestamp};
use super::schedule::{Handling, handling};
use crate::config::model::{self, Authorities};
use crate::event::Event;
use crate::tls::connector::{ClientSettings, Trust, client_config};

/// How long one message may take, from the look-up of the name to the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends messages to where one `[[notify]]` has them.
pub(super) struct WebhookClient {
    name: Arc<str>,
    instance: String,
    uri: Uri,
    secret: Option<model::NotifySecret>,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookClient").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a message was not delivered, with a text for people.
pub(super) enum SendError {
    /// The receiver may take it later. It asks for a pause of at least this time.
    Later(Duration, String),
    /// The receiver has refused it, and would refuse it again.
    Refused(String),
}

impl WebhookClient {
    /// A client for this section.
    ///
    /// # Errors
    ///
    /// A sentence for people, when the settings of TLS can't be used.
    pub fn new(config: &model::Notify) -> Result<Self, String> {
        let trust = match &config.ca {
            Authorities::File(ca) => Trust::These(ca),
            Authorities::System(system) => Trust::System(&system.certificates, system.error.as_deref()),
        };
        let settings = ClientSettings { trust, verify: true, client: None, alpn: &[b"http/1.1"] };
        let is_https = config.webhook.scheme_str() == Some("https");
        let tls = is_https.then(|| client_config(&settings).map(TlsConnector::from)).transpose()?;
        let (name, uri, secret) = (Arc::clone(&config.name), config.webhook.clone(), config.secret.clone());
        Ok(Self { name, instance: instance(), uri, secret, tls })
    }

    /// The name of the section, for the log and the metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends one message about these events; `missed` others were lost before them.
    pub async fn send(&self, events: &[Arc<Event>], missed: u64, now: SystemTime) -> Result<(), SendError> {
        let later = |reason| SendError::Later(Duration::ZERO, reason);
        let request = self.request(events, missed, timestamp(now)).map_err(|error| later(error.to_string()))?;
        let answered = tokio::time::timeout(TIMEOUT, self.ask(request)).await;
        let answered = answered.map_err(|_| later(format!("no answer within {} s", TIMEOUT.as_secs())))?;
        let head = answered.map_err(later)?;
        match handling(head.status, &head.headers, now) {
            Handling::Sent => Ok(()),
            Handling::Later(pause) => Err(SendError::Later(pause, format!("it answered {}", head.status))),
            Handling::Refused => Err(SendError::Refused(format!("it answered {}", head.status))),
        }
    }

    fn request(&self, events: &[Arc<Event>], missed: u64, sent: u64) -> http::Result<Request<Full<Bytes>>> {
        let body = body(&self.name, &self.instance, events, missed, sent);
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request = Request::post(target)
            .header(HOST, self.uri.authority().map_or("", |authority| authority.as_str()))
            .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .header(TIMESTAMP, sent);
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret.bytes(), body.as_bytes()));
        }
        request.body(Full::from(body))
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<http::response::Parts, String> {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let connected = TcpStream::connect((host, port)).await;
        let tcp = connected.map_err(|error| format!("{host}:{port} can't be connected to: {error}"))?;
        match &self.tls {
            None => exchange(TokioIo::new(tcp), request).await,
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
                let tls = tls.connect(name, tcp).await.map_err(|error| format!("TLS with {host}:{port}: {error}"))?;
                exchange(TokioIo::new(tls), request).await
            }
        }
    }
}

/// Sends a request, and reads the head of the answer. The body of the answer is not read.
async fn exchange(
    io: impl Read + Write + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<http::response::Parts, String> {
    let failed = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::handshake(io).await.map_err(failed)?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(sender.send_request(request));
    tokio::select! {
        biased;
        answer = &mut answer => answer.map_err(failed).map(|answer| answer.into_parts().0),
        // the connection may end when its answer has already come
        ended = &mut connection => match ended {
            Ok(()) => answer.await.map_err(failed).map(|answer| answer.into_parts().0),
            Err(error) => Err(failed(error)),
        },
    }
}

/// The name of this machine, by which a receiver tells several instances apart.
fn instance() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    name.unwrap_or_default().trim().to_owned()
}
