//! The HTTP client of a webhook, and of whatever is fetched from a URL: it sends each message on a new connection, and reads the head of the answer and the begin of its body.

use std::time::Duration;

use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::signature::{SIGNATURE, TIMESTAMP, signature};
use crate::config::model::{Authorities, NotifySecret};
use crate::tls::connector::{ClientSettings, Trust, client_config};

/// How long the body of an answer may take when its head is here.
const BODY: Duration = Duration::from_secs(2);

/// Calls one URL.
pub struct WebhookClient {
    uri: Uri,
    secret: Option<NotifySecret>,
    tls: Option<TlsConnector>,
}

/// What a webhook has answered.
#[derive(Debug)]
pub struct Answer {
    /// The status and the fields.
    pub head: http::response::Parts,
    /// The begin of the body, as far as it was wanted.
    pub body: Vec<u8>,
    /// Bytes that came after it, as far as it was read or its length was told.
    pub left_out: u64,
}

impl std::fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookClient").finish_non_exhaustive()
    }
}

impl WebhookClient {
    /// A client for this address, http or https with a host.
    ///
    /// # Errors
    ///
    /// A sentence for people, when the settings of TLS can't be used.
    pub fn new(uri: Uri, secret: Option<NotifySecret>, ca: &Authorities) -> Result<Self, String> {
        let trust = match ca {
            Authorities::File(ca) => Trust::These(ca),
            Authorities::System(system) => Trust::System(&system.certificates, system.error.as_deref()),
        };
        let settings = ClientSettings { trust, verify: true, client: None, alpn: &[b"http/1.1"] };
        let is_https = uri.scheme_str() == Some("https");
        let tls = is_https.then(|| client_config(&settings).map(TlsConnector::from)).transpose()?;
        Ok(Self { uri, secret, tls })
    }

    /// Sends this body, which is JSON, and these fields beside our own. `sent` is the time by [`timestamp`](super::timestamp). Of the answer's
    /// body, the first `wanted` bytes are read.
    ///
    /// # Errors
    ///
    /// A sentence for people, when there was no answer.
    pub async fn post(
        &self,
        body: String,
        fields: &[(&'static str, &str)],
        sent: u64,
        wanted: usize,
    ) -> Result<Answer, String> {
        let request = self.request(body, fields, sent).map_err(|error| error.to_string())?;
        self.call(request, wanted).await
    }

    /// Asks for what is there, of which the first `wanted` bytes are read.
    ///
    /// # Errors
    ///
    /// A sentence for people, when there was no answer.
    pub async fn get(&self, wanted: usize) -> Result<Answer, String> {
        let request = self.begun(Method::GET).header(ACCEPT, "application/json").body(Full::default());
        self.call(request.map_err(|error| error.to_string())?, wanted).await
    }

    async fn call(&self, request: Request<Full<Bytes>>, wanted: usize) -> Result<Answer, String> {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let connected = TcpStream::connect((host, port)).await;
        let tcp = connected.map_err(|error| format!("{host}:{port} can't be connected to: {error}"))?;
        match &self.tls {
            None => exchange(TokioIo::new(tcp), request, wanted).await,
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
                let tls = tls.connect(name, tcp).await.map_err(|error| format!("TLS with {host}:{port}: {error}"))?;
                exchange(TokioIo::new(tls), request, wanted).await
            }
        }
    }

    fn request(&self, body: String, fields: &[(&'static str, &str)], sent: u64) -> http::Result<Request<Full<Bytes>>> {
        let mut request = self.begun(Method::POST).header(CONTENT_TYPE, "application/json").header(TIMESTAMP, sent);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret.bytes(), body.as_bytes()));
        }
        request.body(Full::from(body))
    }

    /// A request with the fields that every one has.
    fn begun(&self, method: Method) -> http::request::Builder {
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.uri.authority().map_or("", |authority| authority.as_str()))
            .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close")
    }
}

/// Sends a request and reads its answer while the connection is driven.
async fn exchange(
    io: impl Read + Write + Unpin,
    request: Request<Full<Bytes>>,
    wanted: usize,
) -> Result<Answer, String> {
    let failed = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::handshake(io).await.map_err(failed)?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(async {
        let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let (body, left_out) = begin_of(body, wanted).await;
        Ok(Answer { head, body, left_out })
    });
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // the connection may end when its answer has already come
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            // where the head had come, the answer is there all the same
            Err(error) => answer.await.map_err(|_: String| failed(error)),
        },
    }
}

/// The first bytes of a body, and how many are left out as far as is known. A body that breaks or does not come in time is as long as it has come:
/// the head has said what it means.
async fn begin_of(mut body: Incoming, wanted: usize) -> (Vec<u8>, u64) {
    let deadline = Instant::now() + BODY;
    let (mut begin, mut cut) = (Vec::new(), 0);
    while begin.len() < wanted
        && let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await
    {
        let Ok(data) = frame.into_data() else { continue };
        let taken = data.len().min(wanted - begin.len());
        begin.extend_from_slice(&data[..taken]);
        cut = data.len() - taken;
    }
    (begin, cut as u64 + body.size_hint().lower())
}

/// The name of this machine, by which a receiver tells several instances apart.
pub fn instance() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    name.unwrap_or_default().trim().to_owned()
}
