//! Collectors over HTTP and over gRPC, which remember what they were sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::decoded::{Metric, Span, attribute, inner};
use crate::support::{Conn, Origin, h2, wait_until};

/// What a collector over HTTP answers with when it has taken a message.
pub const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";

/// A collector; it listens until it goes out of scope.
pub struct Collector {
    endpoint: String,
    log: Arc<Log>,
    _server: Server,
}

#[allow(dead_code, reason = "they are held, so that they listen")]
enum Server {
    Http(Origin),
    Grpc(h2::Origin),
}

#[derive(Default)]
struct Log {
    taken: Mutex<Vec<Message>>,
    tries: Mutex<usize>,
    /// Answers to give instead of "taken", one after the other.
    answers: Mutex<VecDeque<String>>,
}

/// A message that was taken.
pub struct Message {
    pub path: String,
    pub authorization: String,
    pub bytes: Vec<u8>,
}

impl Collector {
    /// Over HTTP. It gives these answers first; empty = it closes the connection.
    pub fn http(answers: &[&str]) -> Self {
        let log = Log::giving(answers);
        let server = Origin::script(answering(&log));
        Self { endpoint: format!("http://{}", server.address()), log, _server: Server::Http(server) }
    }

    /// Over HTTP, at an address where nobody has listened so far.
    pub fn http_at(address: SocketAddr) -> Self {
        let log = Log::giving(&[]);
        let server = Origin::script_at(address, answering(&log));
        Self { endpoint: format!("http://{address}"), log, _server: Server::Http(server) }
    }

    /// Over HTTP and TLS, with this certificate.
    pub fn https(config: &Arc<rustls::ServerConfig>) -> Self {
        let log = Log::giving(&[]);
        let server = Origin::script_tls(config, answering(&log));
        let port = server.address().rsplit_once(':').unwrap().1.to_owned();
        Self { endpoint: format!("https://localhost:{port}"), log, _server: Server::Http(server) }
    }

    /// Over gRPC. It ends the first calls with these trailers, `name: value` separated by `;`.
    pub fn grpc(answers: &[&str]) -> Self {
        let log = Log::giving(answers);
        let seen = Arc::clone(&log);
        let server = h2::Origin::script(move |request, respond| call(request, respond, Arc::clone(&seen)));
        Self { endpoint: format!("http://{}", server.address()), log, _server: Server::Grpc(server) }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How many messages came, with those that were not taken.
    pub fn tries(&self) -> usize {
        *self.log.tries.lock().unwrap()
    }

    /// What it has taken.
    pub fn messages(&self) -> std::sync::MutexGuard<'_, Vec<Message>> {
        self.log.taken.lock().unwrap()
    }

    /// All spans that it has taken.
    pub fn spans(&self) -> Vec<Span> {
        let messages = self.messages();
        let traces = messages.iter().filter(|message| !message.path.to_lowercase().contains("metrics"));
        traces.flat_map(|message| spans(&message.bytes)).collect()
    }

    /// The metrics in each message with such that it has taken.
    pub fn metrics(&self) -> Vec<Vec<Metric>> {
        let messages = self.messages();
        let metrics = messages.iter().filter(|message| message.path.to_lowercase().contains("metrics"));
        metrics.map(|message| metrics_in(&message.bytes)).collect()
    }

    /// All spans, once there are so many.
    pub fn wait_for(&self, count: usize) -> Vec<Span> {
        wait_until("spans come", || self.spans().len() >= count);
        let spans = self.spans();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }

    /// The spans of the request for this path, the request's first, once they are there.
    pub fn of_path(&self, path: &str) -> Vec<Span> {
        let find = || self.spans().into_iter().find(|span| span.kind == 2 && span.get("url.path") == path);
        wait_until("the span of the request comes", || find().is_some());
        let request = find().unwrap();
        let children = self.spans().into_iter().filter(|span| span.parent == request.id);
        let children: Vec<Span> = children.collect();
        let all = [vec![request], children].concat();
        adds_up(&all);
        all
    }
}

/// What lies within a request does so in its spans.
fn adds_up(spans: &[Span]) {
    let (request, children) = spans.split_first().unwrap();
    assert!(children.iter().all(|span| span.trace == request.trace), "{spans:#?}");
    assert!(children.iter().all(|span| span.start >= request.start && span.end <= request.end), "{spans:#?}");
    let took: u64 = children.iter().map(|span| span.end - span.start).sum();
    assert!(took <= request.end - request.start, "{spans:#?}");
}

/// The spans in an `ExportTraceServiceRequest`, which comes from us.
pub fn spans(message: &[u8]) -> Vec<Span> {
    let mut all = Vec::new();
    for resource_spans in inner(message, 1) {
        let resource = inner(resource_spans, 1)[0];
        let attributes: Vec<_> = inner(resource, 1).into_iter().map(attribute).collect();
        assert!(attributes.iter().any(|(key, _)| key == "service.name"), "{attributes:?}");
        for scope_spans in inner(resource_spans, 2) {
            assert_eq!(inner(inner(scope_spans, 1)[0], 1), [b"evenkeel"]);
            all.extend(inner(scope_spans, 2).into_iter().map(Span::read));
        }
    }
    all
}

/// The metrics in an `ExportMetricsServiceRequest`.
fn metrics_in(message: &[u8]) -> Vec<Metric> {
    let scope_metrics = inner(inner(message, 1)[0], 2)[0];
    inner(scope_metrics, 2).into_iter().map(Metric::read).collect()
}

/// The attributes of the process in a message.
pub fn resource(message: &[u8]) -> Vec<(String, String)> {
    inner(inner(inner(message, 1)[0], 1)[0], 1).into_iter().map(attribute).collect()
}

impl Log {
    fn giving(answers: &[&str]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        Arc::new(Self { answers: Mutex::new(answers), ..Self::default() })
    }

    /// A message has come: the answer that it gets, if it is not to be taken.
    fn answer(&self) -> Option<String> {
        *self.tries.lock().unwrap() += 1;
        self.answers.lock().unwrap().pop_front()
    }

    fn take(&self, path: &str, authorization: &str, bytes: &[u8]) {
        let message = Message { path: path.to_owned(), authorization: authorization.to_owned(), bytes: bytes.to_vec() };
        self.taken.lock().unwrap().push(message);
    }
}

fn answering(log: &Arc<Log>) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    let log = Arc::clone(log);
    move |conn| {
        while let Ok(request) = conn.request() {
            assert_eq!(request.field("content-type"), Some("application/x-protobuf"));
            let answer = log.answer();
            if answer.as_ref().is_none_or(|answer| answer.starts_with("HTTP/1.1 200")) {
                log.take(request.target(), request.field("authorization").unwrap_or_default(), &request.body);
            }
            match answer.as_deref() {
                Some("") => return,
                answer => _ = conn.send(answer.unwrap_or(TAKEN)),
            }
        }
    }
}

async fn call(request: http::Request<::h2::RecvStream>, mut respond: ::h2::server::SendResponse<Bytes>, log: Arc<Log>) {
    let (head, mut body) = request.into_parts();
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["te"], "trailers");
    let Ok((framed, _)) = h2::read(&mut body).await else { return };
    assert_eq!((framed[0], u32::from_be_bytes(framed[1..5].try_into().unwrap()) as usize), (0, framed.len() - 5));
    let answer = log.answer();
    if answer.is_none() {
        let authorization = head.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        log.take(head.uri.path(), authorization, &framed[5..]);
    }
    let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut sending) = respond.send_response(response, false) else { return };
    if answer.is_none() {
        let _ = sending.send_data(Bytes::from_static(&[0; 5]), false);
    }
    let answer = answer.unwrap_or("grpc-status: 0".to_owned());
    let trailers = answer.split(';').map(|field| {
        let (name, value) = field.split_once(": ").unwrap();
        (name.parse().unwrap(), value.parse().unwrap())
    });
    let _ = sending.send_trailers(trailers.collect::<HeaderMap>());
}
