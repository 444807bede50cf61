//! Those who wait for room for a stream: served in the order in which they came.

use std::sync::{Arc, Mutex};

use super::backend::{Backend, Peer};
use super::{CHARGING, assert_nobody_is_charged};
use crate::h2_frames::frame::{
    DATA, ENABLE_CONNECT_PROTOCOL, END_STREAM, MAX_CONCURRENT_STREAMS, PING, REFUSED_STREAM, data, headers, ping,
    reset, settings,
};
use crate::support::{Client, Cue, Origin, Proxy, config, wait_until};

/// A backend that takes one stream at a time, on its first connection alone. It answers `/hold` when it is told to.
struct Narrow {
    backend: Backend,
    /// `/hold` has come.
    held: Cue,
    /// Answers it.
    go: Cue,
    /// Its second connection has refused what was sent before its settings were known, and that is known.
    refused: Cue,
    /// The paths that it has answered.
    order: Arc<Mutex<Vec<String>>>,
}

impl Narrow {
    fn new() -> Self {
        let (held, go, refused) = (Cue::default(), Cue::default(), Cue::default());
        let order = Arc::<Mutex<Vec<String>>>::default();
        let (holding, going, refusing, paths) = (held.clone(), go.clone(), refused.clone(), Arc::clone(&order));
        let backend = Backend::bare(move |peer: &mut Peer| {
            if peer.conn.number > 0 {
                return refuse(peer, &refusing);
            }
            peer.send(settings(&[(MAX_CONCURRENT_STREAMS, 1), (ENABLE_CONNECT_PROTOCOL, 1)]));
            while let Some(asked) = peer.request() {
                paths.lock().unwrap().push(asked.path().to_owned());
                match (asked.method(), asked.path()) {
                    ("CONNECT", _) => {
                        peer.send(headers(asked.stream, 0, &[(":status", "200")]));
                        peer.until(|frame| frame.kind == DATA && frame.has(END_STREAM));
                        peer.send(data(asked.stream, END_STREAM, "bye"));
                    }
                    (_, "/hold") => {
                        holding.give();
                        going.wait();
                        peer.answer(asked.stream, "held");
                    }
                    (_, path) => _ = peer.answer(asked.stream, path),
                }
            }
        });
        Self { backend, held, go, refused, order }
    }

    /// A proxy with one worker, and beside it a way to know that the worker has taken in all that was sent before.
    fn proxy(&self) -> (Proxy, Fence) {
        let fence = Origin::ok();
        let toml = config("", &format!("protocol = \"h2\"\n{CHARGING}"), &[&self.backend.origin]);
        let second = format!(
            "[[listener]]\nname = \"fence\"\nbind = \"127.0.0.1:{{port2}}\"\nservice = \"fence\"\n\
             [service.fence]\n[[service.fence.backend]]\naddress = \"{}\"\n[server]\nworkers = 1\n",
            fence.address()
        );
        let proxy = Proxy::start(&(toml + &second));
        let client = Client::connect(proxy.second_address());
        (proxy, Fence { client, _origin: fence })
    }

    fn order(&self) -> Vec<String> {
        self.order.lock().unwrap().clone()
    }
}

/// Takes none.
fn refuse(peer: &mut Peer, refused: &Cue) {
    peer.send(settings(&[(MAX_CONCURRENT_STREAMS, 0)]));
    while let Some(asked) = peer.request() {
        peer.send(reset(asked.stream, REFUSED_STREAM));
        peer.send(ping(b"and then"));
        peer.until(|frame| frame.kind == PING);
        refused.give();
    }
}

struct Fence {
    client: Client,
    _origin: Origin,
}

impl Fence {
    /// The worker has taken in all that was sent to it before.
    fn pass(&mut self) {
        assert_eq!(self.client.get("/fence").text(), "ok");
    }
}

fn ask(proxy: &Proxy, path: &str) -> Client {
    let mut client = proxy.client();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client
}

/// Waits until so many exchanges are under way at the backend, or wait for room there.
fn wait_for_exchanges(proxy: &Proxy, count: usize) {
    wait_until("as many exchanges as that", || {
        let metrics = proxy.metrics();
        let line = metrics.lines().find(|line| line.starts_with("evenkeel_in_flight{") && line.contains("\"api\""));
        line.is_some_and(|line| line.ends_with(&format!(" {count}")))
    });
}

#[test]
fn they_are_served_in_the_order_in_which_they_came() {
    let narrow = Narrow::new();
    let (proxy, mut fence) = narrow.proxy();
    let mut holder = ask(&proxy, "/hold");
    assert!(narrow.held.wait());
    // it is refused once, and comes again after a pause
    let mut refused = ask(&proxy, "/refused");
    assert!(narrow.refused.wait());
    let mut waiting = Vec::new();
    for i in 0..12 {
        fence.pass();
        waiting.push(ask(&proxy, &format!("/{i}")));
    }
    fence.pass();
    narrow.go.give();
    assert_eq!(holder.response().text(), "held");
    // it comes while there is room for nobody else but those who wait
    holder.send("GET /12 HTTP/1.1\r\nHost: a\r\n\r\n");
    waiting.push(holder);
    for (i, client) in waiting.iter_mut().enumerate() {
        assert_eq!(client.response().text(), format!("/{i}"));
    }
    assert_eq!(refused.response().text(), "/refused");
    let expected: Vec<_> = ["/hold".to_owned()].into_iter().chain((0..=12).map(|i| format!("/{i}"))).collect();
    let order: Vec<_> = narrow.order().into_iter().filter(|path| path != "/refused").collect();
    assert_eq!(order, expected);
    assert_eq!(narrow.backend.origin.connections(), 2, "one was enough to know that there are no others");
    assert_nobody_is_charged(&proxy);
}

#[test]
fn one_that_leaves_passes_its_turn_on() {
    let narrow = Narrow::new();
    let (proxy, mut fence) = narrow.proxy();
    let mut holder = ask(&proxy, "/hold");
    assert!(narrow.held.wait());
    let first = ask(&proxy, "/first");
    assert!(narrow.refused.wait());
    fence.pass();
    let second = ask(&proxy, "/second");
    fence.pass();
    let mut third = ask(&proxy, "/third");
    fence.pass();
    first.reset();
    second.reset();
    wait_for_exchanges(&proxy, 2);
    narrow.go.give();
    assert_eq!((holder.response().text().as_str(), third.response().text().as_str()), ("held", "/third"));
    assert_eq!(narrow.order(), ["/hold", "/third"]);
    assert_nobody_is_charged(&proxy);
}

#[test]
fn a_tunnel_has_its_room_until_it_ends() {
    let narrow = Narrow::new();
    let (proxy, mut fence) = narrow.proxy();
    let mut tunnel = proxy.client();
    tunnel.send(
        "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    assert_eq!(tunnel.response_head().status, 101);
    let mut client = ask(&proxy, "/x");
    assert!(narrow.refused.wait());
    fence.pass();
    assert_eq!(narrow.order(), ["/tunnel"]);
    tunnel.finish();
    assert_eq!(tunnel.rest(), b"bye");
    assert_eq!(client.response().text(), "/x");
    assert_nobody_is_charged(&proxy);
}

#[test]
fn all_that_a_new_connection_has_room_for_go_at_once() {
    let backend = Backend::bare(|peer: &mut Peer| {
        // nothing is known of it yet, so there is one; section 3.4: nothing goes before its settings
        peer.answers = false;
        let Some(first) = peer.request() else { return };
        peer.send(settings(&[(MAX_CONCURRENT_STREAMS, 20)]));
        peer.answers = true;
        let mut open = vec![first.stream];
        while open.len() < 20 {
            let Some(next) = peer.request() else { return };
            open.push(next.stream);
        }
        open.into_iter().for_each(|stream| _ = peer.answer(stream, "ok"));
        peer.ends();
    });
    let proxy = super::proxy_to(&backend);
    let mut clients: Vec<_> = (0..20).map(|_| ask(&proxy, "/x")).collect();
    for client in &mut clients {
        let told = client.response();
        assert_eq!(told.text(), "ok", "{told:?}");
    }
    assert_eq!(backend.origin.connections(), 1);
}

#[test]
fn a_connection_that_takes_none_yet_is_waited_for() {
    let (refused, raise) = (Cue::default(), Cue::default());
    let (refusing, raising) = (refused.clone(), raise.clone());
    let most = Arc::<Mutex<usize>>::default();
    let seen = Arc::clone(&most);
    let backend = Backend::bare(move |peer: &mut Peer| {
        peer.send(settings(&[(MAX_CONCURRENT_STREAMS, 0)]));
        if let Some(asked) = peer.request() {
            peer.send(reset(asked.stream, REFUSED_STREAM));
            refusing.give();
        }
        raising.wait();
        peer.send(settings(&[(MAX_CONCURRENT_STREAMS, 3)]));
        while let Some(first) = peer.request() {
            let mut open = vec![first.stream];
            peer.send(ping(b"and then"));
            peer.until(|frame| frame.kind == PING);
            while let Some(next) = peer.waiting() {
                open.push(next.stream);
            }
            let mut most = seen.lock().unwrap();
            *most = open.len().max(*most);
            open.into_iter().for_each(|stream| _ = peer.answer(stream, "ok"));
        }
    });
    let proxy = super::proxy_with(CHARGING, &[&backend]);
    let mut clients: Vec<_> = (0..24).map(|_| ask(&proxy, "/x")).collect();
    assert!(refused.wait());
    wait_for_exchanges(&proxy, 24);
    assert_eq!(backend.origin.connections(), 1);
    raise.give();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "ok"));
    assert!(*most.lock().unwrap() <= 3, "{most:?} at a time");
    assert_nobody_is_charged(&proxy);
}
