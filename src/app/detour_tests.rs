//! What clients get and what is counted while recovery sends work elsewhere, told here because a snapshot is made from a configuration only on
//! this floor.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Response, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::clock::Moment;
use crate::config;
use crate::endpoint::standing::Health;
use crate::forward::{Body, Connection, Ingress, Worker};
use crate::layer4::proxy_protocol::Peer;
use crate::metrics::{PromiseEnd, Registry};
use crate::protocol::http::fields::Client;
use crate::protocol::http::length::Length;
use crate::protocol::http::{Handler, Request, RequestBody};
use crate::record::Recorder;
use crate::recover::plan::Destination;
use crate::snapshot::{self, Cut, Store, Way};

/// A proxy without sockets: requests are handed to it, and go to backends.
struct Proxy {
    store: Arc<Store>,
    connection: Connection,
}

impl Proxy {
    fn new(text: &str) -> Self {
        let config = config::parse(text, Path::new("proxy.toml")).unwrap().config;
        let registry = Registry::new(1);
        let first = snapshot::build(&config, None, &mut |_, _| Err(String::new()), &registry).unwrap();
        let store = Arc::new(Store::new(first, Arc::default()));
        let worker = Rc::new(Worker::new(0, store.reader(), Recorder::default()));
        let ingress = Rc::new(Ingress::new(&worker, store.load().listeners[0].key));
        let connection = Connection {
            worker,
            ingress,
            peer: Peer::new(None),
            client: Client::new(None, false, false),
            tls_version: None,
            tls_cipher: None,
            sni: None,
            certificate: None,
            is_plain_on_tls: false,
            metrics: registry.listener("web"),
            place: None,
            own: OnceCell::new(),
        };
        Self { store, connection }
    }

    fn refresh(&self) {
        self.store.refresh(Moment::now(), true);
    }

    async fn get(&self, path: &str) -> Response<Body> {
        let request = Request {
            method: Method::GET,
            uri: path.parse().unwrap(),
            version: Version::HTTP_11,
            host: Some(HeaderValue::from_static("example.com")),
            headers: HeaderMap::new(),
            body: RequestBody::Empty,
            length: Length::Fixed(0),
            upgrade: None,
            te_trailers: false,
            expect_continue: false,
            forwarded: None,
            interim: None,
            presence: None,
        };
        self.connection.handle(Box::new(request)).await
    }

    /// Of the service at this place: the promised requests that have ended, the requests that were counted for its first
    /// backend and for none, and the attempts with that backend.
    fn counted(&self, service: usize) -> (u64, u64, u64, u64) {
        let snapshot = self.store.load();
        let service = &snapshot.services[service];
        let promised = service.promised.as_ref().map_or(0, |promised| promised.requests.read().iter().sum());
        let [backend, none] = [&service.series[0].backends[0], &service.series[0].none].map(|requests| requests.read());
        let series = || service.series.iter().flat_map(|series| series.backends.iter().chain([&series.none]));
        let all = (0..backend.len()).map(|class| series().map(|requests| requests.read()[class]).sum::<u64>());
        assert!(all.eq(service.totals.requests.read()), "the totals are what the series add up to");
        (promised, backend.iter().sum(), none.iter().sum(), service.upstream[0].attempts().ended)
    }
}

/// A backend that answers each request with 200; its port.
async fn backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            while matches!(stream.read(&mut head).await, Ok(1..)) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        }
    });
    port
}

fn two_services(home: u16, away: u16) -> String {
    format!(
        r#"
[[listener]]
name = "web"
bind = "127.0.0.1:1"
service = "api"
[service.api]
backend = [{{ address = "127.0.0.1:{home}" }}]
fallback = {{ status = 503, body = "later" }}
[service.api.sla]
target = 0.999
[service.standby]
backend = [{{ address = "127.0.0.1:{away}" }}]
[service.standby.sla]
target = 0.999
"#
    )
}

#[tokio::test]
async fn what_another_service_does_counts_for_the_one_that_was_asked_and_its_work_for_the_backend_that_did_it() {
    let test = async {
        let proxy = Proxy::new(&two_services(backend().await, backend().await));
        let snapshot = proxy.store.load();
        assert_eq!(proxy.get("/").await.status(), 200);
        assert_eq!((proxy.counted(0), proxy.counted(1)), ((1, 1, 0, 1), (0, 0, 0, 0)));
        let to = Destination::Service("standby".into());
        snapshot.services[0].detour.set(Some(Way { to, share: 1000 }));
        proxy.refresh();
        assert_eq!(proxy.get("/").await.status(), 200);
        assert_eq!((proxy.counted(0), proxy.counted(1)), ((2, 1, 1, 1), (0, 0, 0, 1)));
        snapshot.services[1].endpoints[0].live.standing.set_health(Health::Down, "connection refused");
        proxy.refresh();
        assert_eq!(proxy.get("/").await.status(), 200);
        assert_eq!((proxy.counted(0), proxy.counted(1)), ((3, 2, 1, 2), (0, 0, 0, 1)), "nobody is there: at home");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn what_is_cut_off_is_answered_without_a_backend_and_is_a_failure_of_ours() {
    let test = async {
        let text = two_services(backend().await, backend().await);
        let without_fallback = text.lines().filter(|line| !line.starts_with("fallback")).collect::<Vec<_>>().join("\n");
        for (text, body_is_ours) in [(&without_fallback, true), (&text, false)] {
            let proxy = Proxy::new(text);
            let until = Moment::now().plus(Duration::from_millis(60_500));
            proxy.store.load().services[0].detour.set_cuts(vec![Cut { path: "/slow".into(), until }]);
            proxy.refresh();
            let answer = proxy.get("/slow/query?n=1").await;
            assert_eq!(answer.status(), 503);
            let field = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let status = "evenkeel; error=destination_unavailable; details=\"cut off by recovery\"";
            assert_eq!(field("proxy-status").as_deref(), Some(status));
            let retry_after = field("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
            assert_eq!(retry_after.is_some_and(|seconds| (30..=61).contains(&seconds)), body_is_ours);
            drop(answer);
            assert_eq!(proxy.counted(0), (1, 0, 1, 0), "no backend was asked");
            let snapshot = proxy.store.load();
            let ends = snapshot.services[0].promised.as_ref().unwrap().requests.read();
            assert_eq!(ends[PromiseEnd::Failed as usize], 1);
            assert_eq!(proxy.get("/fast").await.status(), 200);
        }
    };
    LocalSet::new().run_until(test).await;
}
