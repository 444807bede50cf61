//! PROXY headers, from trusted peers and to backends.

use std::io::Read as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use evenkeel::protocol::proxy_protocol::decode::{decode, length};
use evenkeel::protocol::proxy_protocol::encode::encode;
use evenkeel::protocol::proxy_protocol::tlv::{self, Builder};
use evenkeel::protocol::proxy_protocol::{Endpoints, Header, Tlvs, Transport, Version};

use crate::support::certs::Authority;
use crate::support::h2::{self, get};
use crate::support::{Client, Conn, Origin, PATIENCE, Proxy, Scratch, config, wait_until};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LINE: &str = "PROXY TCP4 192.0.2.1 198.51.100.9 56324 443\r\n";

/// A listener that wants a header, from this machine.
const ACCEPT: &str = "proxy_protocol = \"accept\"\ntrusted_proxies = [\"127.0.0.1\"]";

/// Whose header it is, on which version.
fn header(version: Version, client: &str, tlvs: Tlvs) -> Vec<u8> {
    let [source, destination] = [client, "198.51.100.9:443"].map(|address| address.parse().unwrap());
    let endpoints = Endpoints::Inet { source, destination, transport: Transport::Stream };
    encode(&Header { version, endpoints, tlvs })
}

/// The two ways to say the same.
fn both(client: &str) -> [Vec<u8>; 2] {
    [Version::V1, Version::V2].map(|version| header(version, client, Tlvs::default()))
}

/// What came in front of each connection to a backend, with the targets that were asked for on it.
type Told = Arc<Mutex<Vec<(Header, Vec<String>)>>>;

/// A backend that wants a header on each connection.
fn told() -> (Origin, Told) {
    let told = Told::default();
    let shared = Arc::clone(&told);
    (Origin::script(move |conn| serve(conn, &shared)), told)
}

fn serve(conn: &mut Conn, told: &Told) {
    let Some(header) = take_header(|n| conn.bytes(n)) else { return };
    let at = {
        let mut told = told.lock().unwrap();
        told.push((header, Vec::new()));
        told.len() - 1
    };
    while let Ok(request) = conn.request() {
        told.lock().unwrap()[at].1.push(request.target().to_owned());
        conn.send(OK);
    }
}

/// Takes the header off each connection to a backend that knows nothing of it, and passes the rest on.
fn stripping(backend: SocketAddr) -> (SocketAddr, Told) {
    let (listener, told) = (TcpListener::bind("127.0.0.1:0").unwrap(), Told::default());
    let (address, shared) = (listener.local_addr().unwrap(), Arc::clone(&told));
    thread::spawn(move || {
        for tcp in listener.incoming().map(Result::unwrap) {
            let read = |n| {
                let mut bytes = vec![0; n];
                (&tcp).read_exact(&mut bytes).ok().map(|()| bytes)
            };
            let Some(header) = take_header(read) else { continue };
            shared.lock().unwrap().push((header, Vec::new()));
            let onwards = TcpStream::connect(backend).unwrap();
            for (mut from, mut to) in
                [(&tcp, &onwards), (&onwards, &tcp)].map(|(a, b)| (a.try_clone().unwrap(), b.try_clone().unwrap()))
            {
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    (address, told)
}

/// Reads a header byte by byte; `None` when the connection ends.
fn take_header(mut read: impl FnMut(usize) -> Option<Vec<u8>>) -> Option<Header> {
    let mut bytes = Vec::new();
    while length(&bytes).expect("a header").is_none_or(|length| length > bytes.len()) {
        bytes.extend(read(1)?);
    }
    Some(decode(&bytes).expect("a good header"))
}

/// What the only connection to the backend began with.
fn only(told: &Told) -> Header {
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].0.clone()
}

/// How often a connection was refused for this reason.
fn refused(proxy: &Proxy, reason: &str) -> u64 {
    let metrics = proxy.admin("/metrics").unwrap().text();
    let series = format!("evenkeel_proxy_protocol_refused_total{{listener=\"web\",reason=\"{reason}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
}

fn client(address: &str) -> Option<SocketAddr> {
    address.parse().ok()
}

// ---------------------------------------------------------------- from peers

#[test]
fn the_client_is_whom_the_header_names() {
    for header in both("192.0.2.1:56324") {
        let origin = Origin::ok();
        let log = "[log]\naccess = \"{dir}/access.log\"\n";
        let proxy = Proxy::start(&format!("{}\n{log}", config(ACCEPT, "", &[&origin])));
        let mut client = proxy.client();
        client.send([&header[..], GET.as_bytes()].concat());
        assert_eq!(client.response().text(), "ok");
        assert_eq!(client.get("/y").text(), "ok");
        for request in origin.requests() {
            assert_eq!(request.field("x-forwarded-for"), Some("192.0.2.1"));
            assert_eq!(request.field("forwarded"), Some("for=192.0.2.1;host=a;proto=http"));
        }
        let log = || std::fs::read_to_string(proxy.path("access.log")).unwrap_or_default();
        wait_until("the access log is written", || log().lines().count() == 2);
        assert!(log().lines().all(|line| line.contains("\"client\":\"192.0.2.1\"")), "{}", log());
    }
}

#[test]
fn what_a_client_says_of_those_before_it_is_believed_by_the_address_in_the_header() {
    let accept = "proxy_protocol = \"accept\"\ntrusted_proxies = [\"127.0.0.1\", \"192.0.2.0/24\"]";
    for (client, expected) in [("192.0.2.1:5", "203.0.113.5, 192.0.2.1"), ("198.51.100.1:5", "198.51.100.1")] {
        let origin = Origin::ok();
        let proxy = Proxy::start(&config(accept, "", &[&origin]));
        let mut conn = proxy.client();
        conn.send(header(Version::V2, client, Tlvs::default()));
        conn.send("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n");
        assert_eq!(conn.response().status, 200);
        assert_eq!(origin.request().field("x-forwarded-for"), Some(expected));
    }
}

#[test]
fn a_header_that_names_nobody_leaves_the_peer_s_own_address() {
    let local = Header::new(Version::V2, Endpoints::Local);
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN ::1 ::1 1 2\r\n", &encode(&local)] {
        let origin = Origin::ok();
        let proxy = Proxy::start(&config(ACCEPT, "", &[&origin]));
        let mut client = proxy.client();
        client.send([header, GET.as_bytes()].concat());
        assert_eq!(client.response().status, 200);
        assert_eq!(origin.request().field("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[test]
fn the_ring_goes_by_the_address_in_the_header() {
    let origins: [Origin; 4] = std::array::from_fn(|_| Origin::ok());
    let backends: Vec<&Origin> = origins.iter().collect();
    let proxy = Proxy::start(&config(ACCEPT, "balance = \"consistent_hash\"", &backends));
    for client in 0..60 {
        let mut conn = proxy.client();
        let line = header(Version::V1, &format!("192.0.2.{}:5", client % 20), Tlvs::default());
        conn.send([&line[..], format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", client % 20).as_bytes()].concat());
        assert_eq!(conn.response().status, 200);
    }
    let met: Vec<Vec<String>> = origins.iter().map(Origin::targets).collect();
    assert!(met.iter().filter(|targets| !targets.is_empty()).count() > 1, "20 clients, one backend: {met:?}");
    for client in 0..20 {
        let target = format!("/{client}");
        let of: Vec<usize> = met.iter().map(|targets| targets.iter().filter(|t| **t == target).count()).collect();
        assert!(of.contains(&3), "client {client} met {of:?}");
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_is_waited_for() {
    for header in both("192.0.2.1:56324") {
        let origin = Origin::ok();
        let proxy = Proxy::start(&config(ACCEPT, "", &[&origin]));
        let mut client = proxy.client();
        for byte in [&header[..], GET.as_bytes()].concat() {
            client.send([byte]);
        }
        assert_eq!(client.response().status, 200);
        assert_eq!(origin.request().field("x-forwarded-for"), Some("192.0.2.1"));
    }
}

#[test]
fn without_a_good_header_a_connection_is_closed_without_an_answer() {
    let origin = Origin::ok();
    // long enough that nobody is refused for being slow
    let proxy =
        Proxy::start(&config(&format!("{ACCEPT}\n[listener.limits]\nheader_timeout = \"60s\""), "", &[&origin]));
    let block = header(Version::V2, "192.0.2.1:5", Tlvs::default());
    let changed = |at: usize, byte: u8| {
        let mut block = block.clone();
        block[at] = byte;
        block
    };
    let mut list = Builder::default();
    list.push(tlv::CRC32C, &[0; 4]);
    let mut signed = header(Version::V2, "192.0.2.1:5", list.finish());
    *signed.last_mut().unwrap() ^= 1;
    let rows: [(Vec<u8>, &str); 9] = [
        (GET.into(), "missing"),
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), "missing"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "missing"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.9 056324 443\r\n".to_vec(), "malformed"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.9 1 443\n".to_vec(), "malformed"),
        // it announces fewer bytes than its addresses take, or more than anybody may
        (changed(15, 11), "malformed"),
        (changed(14, 0xFF), "malformed"),
        (changed(12, 0x22), "malformed"),
        (signed, "malformed"),
    ];
    for (at, (bytes, reason)) in rows.iter().enumerate() {
        let before = refused(&proxy, reason);
        let mut client = proxy.client();
        client.send(bytes);
        assert!(client.is_closed(), "row {at}");
        assert_eq!(refused(&proxy, reason), before + 1, "row {at}");
    }
    assert_eq!(origin.connections(), 0);
    let mut client = proxy.client();
    client.send(&block);
    assert_eq!(client.get("/x").status, 200);
}

#[test]
fn every_truncation_is_refused_within_the_time_out_and_at_once_when_the_peer_ends() {
    let origin = Origin::ok();
    let limits = "[listener.limits]\nheader_timeout = \"200ms\"";
    let proxy = Proxy::start(&config(&format!("{ACCEPT}\n{limits}"), "", &[&origin]));
    let mut cuts = 0;
    for header in both("192.0.2.1:56324") {
        let mut silent: Vec<Client> = Vec::new();
        for cut in 1..header.len() {
            let mut client = proxy.client();
            client.send(&header[..cut]);
            silent.push(client);
            let mut client = proxy.client();
            client.send(&header[..cut]);
            client.finish();
            assert!(client.is_closed(), "cut at {cut}");
            cuts += 1;
        }
        let began = Instant::now();
        assert!(silent.iter_mut().all(Client::is_closed));
        assert!(began.elapsed() < PATIENCE / 2);
    }
    assert_eq!((refused(&proxy, "truncated"), refused(&proxy, "timeout")), (cuts, cuts));
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_block_that_lies_about_its_length_is_waited_for_no_longer_than_others() {
    let origin = Origin::ok();
    let limits = "[listener.limits]\nheader_timeout = \"200ms\"";
    let proxy = Proxy::start(&config(&format!("{ACCEPT}\n{limits}"), "", &[&origin]));
    let mut block = header(Version::V2, "192.0.2.1:5", Tlvs::default());
    block[14] = 0x0F;
    let mut client = proxy.client();
    client.send([&block[..], GET.as_bytes()].concat());
    assert!(client.is_closed());
    assert_eq!((refused(&proxy, "timeout"), origin.connections()), (1, 0));
}

#[test]
fn nobody_else_may_send_a_header() {
    let origin = Origin::ok();
    let elsewhere = "proxy_protocol = \"accept\"\ntrusted_proxies = [\"192.0.2.0/24\"]";
    let proxy = Proxy::start(&config(elsewhere, "", &[&origin]));
    for first in [LINE, GET] {
        let mut client = proxy.client();
        // it may be closed before this is written
        let _ = client.try_send(first);
        assert!(client.is_closed());
    }
    assert_eq!((refused(&proxy, "untrusted"), origin.connections()), (2, 0));
}

#[test]
fn a_look_whether_the_port_is_open_is_no_refusal() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(ACCEPT, "", &[&origin]));
    let mut client = proxy.client();
    client.finish();
    assert!(client.is_closed());
    for reason in ["untrusted", "missing", "malformed", "truncated", "timeout"] {
        assert_eq!(refused(&proxy, reason), 0, "{reason}");
    }
}

#[test]
fn a_listener_that_wants_no_header_takes_none() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send([LINE, GET].concat());
    assert_eq!(client.response().status, 400);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn over_a_unix_socket_every_peer_is_trusted() {
    for header in both("192.0.2.1:56324") {
        let (dir, origin) = (Scratch::new(), Origin::ok());
        let path = dir.path().join("web.sock");
        let listener = config("proxy_protocol = \"accept\"", "", &[&origin]);
        let listener = listener.replace("127.0.0.1:{port}", &format!("unix:{}", path.display()));
        let _proxy = Proxy::start(&listener);
        let mut client = Client::connect_unix(&path);
        client.send([&header[..], GET.as_bytes()].concat());
        assert_eq!(client.response().status, 200);
        assert_eq!(origin.request().field("x-forwarded-for"), Some("192.0.2.1"));
    }
}

#[test]
fn a_header_comes_before_tls_and_may_share_a_segment_with_it() {
    for header in both("192.0.2.1:56324") {
        let (dir, ca, origin) = (Scratch::new(), Authority::shared(), Origin::ok());
        let site = ca.sign(&dir, &["site.example"]);
        let listener = format!("{ACCEPT}\n[listener.tls]\ncertificates = [{}]", site.toml());
        let proxy = Proxy::start(&config(&listener, "", &[&origin]));
        let mut client =
            Client::connect_tls_behind(&header, proxy.address(), &ca.client(&[], None), "site.example").unwrap();
        client.send("GET /x HTTP/1.1\r\nHost: site.example\r\n\r\n");
        assert_eq!(client.response().status, 200);
        assert_eq!(origin.request().field("forwarded"), Some("for=192.0.2.1;host=site.example;proto=https"));
    }
}

#[test]
fn http_2_may_follow_a_header() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(ACCEPT, "", &[&origin]));
    h2::run(async {
        let client = h2::Client::connect_behind(LINE.as_bytes(), proxy.address()).await;
        assert_eq!(client.call(get("http://a/x"), "").await.status, 200);
    });
    assert_eq!(origin.request().field("x-forwarded-for"), Some("192.0.2.1"));
}

// ---------------------------------------------------------------- to backends

#[test]
fn backends_are_told_of_the_client() {
    for (word, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        let (origin, told) = told();
        let proxy = Proxy::start(&config("", &format!("send_proxy_protocol = \"{word}\""), &[&origin]));
        let tcp = TcpStream::connect(proxy.address()).unwrap();
        let own = tcp.local_addr().unwrap();
        let mut client = Client::from_tcp(tcp);
        for target in ["/a", "/b"] {
            assert_eq!(client.get(target).text(), "ok");
        }
        let header = only(&told);
        assert_eq!(header.version, version);
        assert_eq!(header.endpoints.source(), Some(own));
        assert_eq!(header.endpoints.destination(), Some(proxy.address()));
        assert_eq!(told.lock().unwrap()[0].1, ["/a", "/b"], "its connection is kept for it");
        if version == Version::V2 {
            let id = header.tlvs.unique_id().unwrap();
            assert!(id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit), "{header:?}");
            assert!(header.tlvs.get(tlv::CRC32C).is_some());
            assert!(header.tlvs.ssl().is_none() && header.tlvs.alpn().is_none());
        }
    }
}

#[test]
fn a_connection_to_a_backend_carries_the_client_that_it_was_made_for_and_no_other() {
    let (origin, told) = told();
    let proxy = Proxy::start(&config(ACCEPT, "send_proxy_protocol = \"v2\"", &[&origin]));
    let mut clients: Vec<Client> = (1..=3)
        .map(|client| {
            let mut conn = proxy.client();
            conn.send(header(Version::V1, &format!("192.0.2.{client}:5"), Tlvs::default()));
            conn
        })
        .collect();
    for turn in 0..4 {
        for (at, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.get(&format!("/{}/{turn}", at + 1)).text(), "ok");
        }
    }
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 3, "each client's connection is kept for it: {told:?}");
    for (header, targets) in told.iter() {
        let client = header.endpoints.source().unwrap().ip().to_string();
        let number = client.rsplit('.').next().unwrap();
        assert_eq!(*targets, (0..4).map(|turn| format!("/{number}/{turn}")).collect::<Vec<_>>(), "{client}");
    }
    let ids: std::collections::BTreeSet<_> = told.iter().map(|(header, _)| header.tlvs.unique_id()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_client_s_connections_to_backends_go_with_it() {
    let (origin, _told) = told();
    let proxy = Proxy::start(&config("", "send_proxy_protocol = \"v1\"", &[&origin]));
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 200);
    assert_eq!(origin.open(), 1);
    drop(client);
    wait_until("the backend's connection is closed", || origin.open() == 0);
}

#[test]
fn what_a_peer_has_said_is_passed_on() {
    let mut list = Builder::default();
    list.push(tlv::ALPN, b"h2");
    list.push(tlv::AUTHORITY, b"theirs.example");
    list.push(tlv::NOOP, b"");
    list.push(tlv::UNIQUE_ID, b"theirs");
    list.push(0xE3, b"of their own");
    list.push(tlv::CRC32C, &[0; 4]);
    let received = header(Version::V2, "192.0.2.1:56324", list.finish());
    let (origin, told) = told();
    let proxy = Proxy::start(&config(ACCEPT, "send_proxy_protocol = \"v2\"", &[&origin]));
    let mut conn = proxy.client();
    conn.send([&received[..], GET.as_bytes()].concat());
    assert_eq!(conn.response().status, 200);
    let header = only(&told);
    assert_eq!(
        (header.endpoints.source(), header.endpoints.destination()),
        (client("192.0.2.1:56324"), client("198.51.100.9:443"))
    );
    let tlvs = &header.tlvs;
    assert_eq!((tlvs.alpn(), tlvs.authority()), (Some(&b"h2"[..]), Some("theirs.example")));
    assert_eq!((tlvs.unique_id(), tlvs.get(0xE3)), (Some(&b"theirs"[..]), Some(&b"of their own"[..])));
    assert_eq!(tlvs.get(tlv::NOOP), None);
}

#[test]
fn version_1_comes_in_and_goes_out_as_it_was() {
    let origin = Origin::script(|conn| {
        let line = conn.bytes(LINE.len()).unwrap();
        assert_eq!(line, LINE.as_bytes());
        while conn.request().is_ok() && conn.send(OK) {}
    });
    let proxy = Proxy::start(&config(ACCEPT, "send_proxy_protocol = \"v1\"", &[&origin]));
    let mut client = proxy.client();
    client.send([LINE, GET].concat());
    assert_eq!(client.response().status, 200);
}

#[test]
fn backends_are_told_of_the_client_s_tls() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let (site, me) = (ca.sign(&dir, &["site.example"]), ca.sign(&dir, &["client.example"]));
    let (origin, told) = told();
    let listener = format!(
        "[listener.tls]\ncertificates = [{}]\nclient_auth = \"optional\"\nclient_ca = {:?}",
        site.toml(),
        ca.file(&dir).to_str().unwrap()
    );
    let proxy = Proxy::start(&config(&listener, "send_proxy_protocol = \"v2\"", &[&origin]));
    for (identity, bits, verify) in [(None, 1, 1), (Some(&me), 7, 0)] {
        told.lock().unwrap().clear();
        let config = ca.client(&["http/1.1"], identity);
        let mut client = Client::connect_tls(proxy.address(), &config, "site.example").unwrap();
        client.send("GET /x HTTP/1.1\r\nHost: site.example\r\n\r\n");
        assert_eq!(client.response().status, 200);
        let header = only(&told);
        assert_eq!((header.tlvs.alpn(), header.tlvs.authority()), (Some(&b"http/1.1"[..]), Some("site.example")));
        let ssl = header.tlvs.ssl().unwrap();
        assert_eq!((ssl.client, ssl.verify), (bits, verify));
        assert_eq!((ssl.version(), ssl.cipher()), (Some("TLSv1.3"), Some("TLS_AES_128_GCM_SHA256")));
        assert_eq!(ssl.common_name().is_some(), identity.is_some());
    }
}

#[test]
fn a_header_goes_before_tls_to_the_backend() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let identity = ca.sign(&dir, &["localhost"]);
    let origin = Origin::script_tls(&identity.server(&[]), |conn| while conn.request().is_ok() && conn.send(OK) {});
    let (address, told) = stripping(origin.address().parse().unwrap());
    let tls = format!("[service.api.tls]\nserver_name = \"localhost\"\nca = {:?}\n", ca.file(&dir).to_str().unwrap());
    let toml = config(ACCEPT, &format!("send_proxy_protocol = \"v1\"\n{tls}"), &[&origin]);
    let proxy = Proxy::start(&toml.replace(origin.address(), &address.to_string()));
    let mut conn = proxy.client();
    conn.send([LINE, GET].concat());
    assert_eq!(conn.response().status, 200);
    assert_eq!(only(&told).endpoints.source(), client("192.0.2.1:56324"));
}

#[test]
fn http_2_to_a_backend_begins_with_a_header_too_and_streams_share_it() {
    let origin = h2::Origin::script(|_, mut respond| async move {
        respond.send_response(http::Response::new(()), true).unwrap();
    });
    let (address, told) = stripping(origin.address().parse().unwrap());
    let service = format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\nservice = \"api\"\n{ACCEPT}\n[service.api]\n\
         protocol = \"h2\"\nsend_proxy_protocol = \"v2\"\n[[service.api.backend]]\naddress = \"{address}\"\n"
    );
    let proxy = Proxy::start(&service);
    h2::run(async {
        for number in 1..=2 {
            let line = header(Version::V1, &format!("192.0.2.{number}:5"), Tlvs::default());
            let client = h2::Client::connect_behind(&line, proxy.address()).await;
            for _ in 0..3 {
                assert_eq!(client.call(get("http://a/x"), "").await.status, 200);
            }
        }
    });
    let told = told.lock().unwrap();
    let clients: Vec<_> = told.iter().map(|(header, _)| header.endpoints.source()).collect();
    assert_eq!(clients, [client("192.0.2.1:5"), client("192.0.2.2:5")]);
}

#[test]
fn a_service_that_sends_none_shares_its_connections_as_before() {
    let origin = Origin::ok();
    let proxy =
        Proxy::start(&config(ACCEPT, "", &[&origin]).replace("[service.api]", "[server]\nworkers = 1\n[service.api]"));
    for number in 1..=3 {
        let mut client = proxy.client();
        client.send(header(Version::V1, &format!("192.0.2.{number}:5"), Tlvs::default()));
        assert_eq!(client.get("/x").status, 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_reload_may_turn_headers_on_for_connections_that_are_open() {
    let (origin, told) = told();
    let plain = Origin::ok();
    let before = config("", "", &[&plain]);
    let after = config("", "send_proxy_protocol = \"v1\"", &[&origin]);
    let proxy = Proxy::start(&before);
    let tcp = TcpStream::connect(proxy.address()).unwrap();
    let own = tcp.local_addr().unwrap();
    let mut client = Client::from_tcp(tcp);
    assert_eq!(client.get("/before").status, 200);
    assert_eq!(proxy.reload(&after).status, 200);
    assert_eq!(client.get("/after").status, 200);
    let header = only(&told);
    assert_eq!((header.endpoints.source(), header.endpoints.destination()), (Some(own), Some(proxy.address())));
}

#[test]
fn checks_say_that_nobody_is_behind_them() {
    for (word, endpoints) in [("v1", Endpoints::Unknown), ("v2", Endpoints::Local)] {
        let (origin, told) = told();
        let health = "[service.api.health]\npath = \"/health\"\ninterval = \"50ms\"\ninitial = \"check_first\"";
        let service = format!("send_proxy_protocol = \"{word}\"\n{health}");
        let proxy = Proxy::start(&config("", &service, &[&origin]));
        assert_eq!(proxy.client().get("/x").status, 200);
        let told = told.lock().unwrap();
        let check = told.iter().find(|(_, targets)| targets.iter().any(|target| target == "/health"));
        assert_eq!(check.map(|(header, _)| header.endpoints.clone()), Some(endpoints));
    }
}

#[test]
fn the_header_of_a_backend_that_can_not_be_reached_is_sent_to_the_next() {
    let (origin, told) = told();
    let gone = Origin::script(|conn| conn.reset());
    let service = "send_proxy_protocol = \"v2\"\nbalance = \"round_robin\"";
    let proxy = Proxy::start(&config(ACCEPT, service, &[&gone, &origin]));
    for number in 1..=4 {
        let mut client = proxy.client();
        client.send(header(Version::V2, &format!("192.0.2.{number}:5"), Tlvs::default()));
        assert_eq!(client.get("/x").status, 200);
    }
    let told = told.lock().unwrap();
    let clients: Vec<_> = told.iter().map(|(header, _)| header.endpoints.source().unwrap().to_string()).collect();
    assert_eq!(clients, ["192.0.2.1:5", "192.0.2.2:5", "192.0.2.3:5", "192.0.2.4:5"]);
}

// ---------------------------------------------------------------- sessions of Layer 4

/// A listener of this protocol, and one backend, which answers a line with its length and is told of the client.
fn session(protocol: &str, more: &str) -> (Proxy, Told, Origin) {
    let told = Told::default();
    let shared = Arc::clone(&told);
    let origin = Origin::script(move |conn| {
        let Some(header) = take_header(|n| conn.bytes(n)) else { return };
        shared.lock().unwrap().push((header, Vec::new()));
        let said = conn.some();
        conn.send(format!("{} bytes", said.len()));
    });
    let listener = format!("protocol = \"{protocol}\"\n{ACCEPT}\n{more}");
    let proxy = Proxy::start(&config(&listener, "send_proxy_protocol = \"v2\"", &[&origin]));
    (proxy, told, origin)
}

#[test]
fn a_session_over_tcp_is_told_of_with_the_address_in_its_header() {
    let (proxy, told, _origin) = session("tcp", "");
    let mut client = proxy.client();
    client.send([LINE, "hello"].concat());
    assert_eq!(client.rest(), b"5 bytes");
    let header = only(&told);
    assert_eq!(header.endpoints.source().unwrap().to_string(), "192.0.2.1:56324");
    assert_eq!(header.tlvs.unique_id().map(<[u8]>::len), Some(32));
    let mut client = proxy.client();
    client.send("hello, without a header");
    assert!(client.is_closed());
    assert_eq!((refused(&proxy, "missing"), told.lock().unwrap().len()), (1, 1));
}

#[test]
fn a_session_whose_tls_is_passed_on_is_told_of_with_the_name_that_it_asked_for() {
    let (proxy, told, _origin) = session("tls", "");
    let mut client = proxy.client();
    let config = Authority::shared().client(&[], None);
    let mut tls = rustls::ClientConnection::new(config, "site.example".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    client.send([LINE.as_bytes(), &hello].concat());
    assert_eq!(client.rest(), format!("{} bytes", hello.len()).as_bytes());
    let header = only(&told);
    assert_eq!(header.endpoints.source().unwrap().to_string(), "192.0.2.1:56324");
    assert_eq!(header.tlvs.authority(), Some("site.example"));
    assert!(header.tlvs.ssl().is_none(), "its TLS is not ours");
}

#[test]
fn a_session_whose_tls_ends_here_is_told_of_with_it() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let tls = format!("[listener.tls]\ncertificates = [{}]\nalpn = [\"http/1.1\"]", site.toml());
    let (proxy, told, _origin) = session("tcp", &tls);
    let config = ca.client(&["http/1.1"], None);
    let mut client = Client::connect_tls_behind(LINE.as_bytes(), proxy.address(), &config, "site.example").unwrap();
    client.send("hello");
    assert_eq!(client.bytes(7), b"5 bytes");
    let header = only(&told);
    assert_eq!((header.tlvs.alpn(), header.tlvs.authority()), (Some(&b"http/1.1"[..]), Some("site.example")));
    assert_eq!(header.tlvs.ssl().unwrap().version(), Some("TLSv1.3"));
}
