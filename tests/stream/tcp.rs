//! What happens to the bytes, and to the ends of connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{LazyLock, mpsc};

use crate::support::certs::Authority;
use crate::support::{Client, Conn, LOG, Origin, PATIENCE, Proxy, Scratch, config, wait_until};

/// More than a socket's buffers and a pipe hold together.
const LARGE: usize = 24 << 20;

pub const TCP: &str = "protocol = \"tcp\"";

/// A proxy of Layer 4 in front of these.
pub fn tcp(listener: &str, service: &str, backends: &[&Origin]) -> Proxy {
    Proxy::start(&config(&format!("{TCP}\n{listener}"), service, backends))
}

/// Bytes that are never the same at two places.
fn pattern(length: usize) -> &'static [u8] {
    static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..LARGE as u64 / 8).flat_map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect()
    });
    &PATTERN[..length]
}

/// A client for streams too large for the harness's, which keeps what it reads.
fn plain(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn bytes_go_both_ways_as_they_come() {
    let origin = Origin::script(Conn::echo);
    let proxy = tcp("", "", &[&origin]);
    let mut client = proxy.client();
    for text in ["a", "bc", "\0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        client.send(text);
        assert_eq!(client.bytes(text.len()), text.as_bytes());
    }
    client.finish();
    assert!(client.is_closed());
}

#[test]
fn a_server_may_speak_first() {
    let origin = Origin::script(|conn| {
        conn.send("220 ready\r\n");
        conn.echo();
    });
    let proxy = tcp("", "", &[&origin]);
    let mut client = proxy.client();
    assert_eq!(client.bytes(11), b"220 ready\r\n");
    client.send("hi");
    assert_eq!(client.bytes(2), b"hi");
}

#[test]
fn large_streams_pass_unchanged_in_both_directions_at_once() {
    let origin = Origin::script(Conn::echo);
    let proxy = tcp("", "", &[&origin]);
    for _ in 0..2 {
        let mut client = plain(&proxy);
        let mut writer = client.try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            writer.write_all(pattern(LARGE)).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut came = Vec::with_capacity(LARGE);
        client.read_to_end(&mut came).unwrap();
        assert!(came == pattern(LARGE), "something was changed on the way");
        writing.join().unwrap();
    }
    // the pipes of the first stream are used again by the next: nothing of one is left in the other
    let mut client = proxy.client();
    client.send("x");
    assert_eq!(client.bytes(1), b"x");
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answer() {
    let origin = Origin::script(|conn| {
        let mut length = 0;
        loop {
            match conn.some().len() {
                0 => break,
                more => length += more,
            }
        }
        conn.send(format!("{length}"));
    });
    let proxy = tcp("", "", &[&origin]);
    let mut client = proxy.client();
    client.send("12345");
    client.finish();
    assert_eq!(client.rest(), b"5");
}

#[test]
fn a_backend_that_has_said_all_still_gets_what_the_client_says() {
    let origin = Origin::script(|conn| {
        conn.send("bye");
        conn.finish();
        while !conn.some().is_empty() {}
    });
    let proxy = tcp("", "", &[&origin]);
    let mut client = proxy.client();
    assert_eq!(client.rest(), b"bye");
    client.send("last words");
    client.finish();
    wait_until("the backend has it all", || origin.tape() == "last words" && origin.open() == 0);
}

#[test]
fn a_client_s_reset_is_a_reset_to_the_backend() {
    let (tell, told) = mpsc::channel();
    let origin = Origin::script(move |conn| {
        conn.bytes(5);
        conn.send("hello");
        let _ = tell.send(conn.is_reset());
    });
    let proxy = tcp("", "", &[&origin]);
    let mut client = proxy.client();
    client.send("hello");
    client.bytes(5);
    client.reset();
    assert!(told.recv_timeout(PATIENCE).unwrap(), "the backend took it for a clean end");
}

#[test]
fn a_backend_s_reset_is_a_reset_to_the_client() {
    let origin = Origin::script(|conn| {
        conn.bytes(5);
        conn.send("half of");
        conn.bytes(1);
        conn.reset();
    });
    let proxy = tcp("", "", &[&origin]);
    let mut client = proxy.client();
    client.send("hello");
    assert_eq!(client.bytes(7), b"half of");
    client.send("!");
    assert!(client.is_reset(), "the client took it for a clean end");
}

#[test]
fn a_session_that_is_silent_for_too_long_is_closed() {
    let origin = Origin::script(Conn::echo);
    let proxy = tcp("idle_timeout = \"1s\"", "", &[&origin]);
    let mut client = proxy.client();
    client.send("a");
    assert_eq!(client.bytes(1), b"a");
    assert!(client.is_closed());
    wait_until("the backend's side is closed too", || origin.open() == 0);
}

#[test]
fn a_reader_that_takes_its_time_loses_nothing_and_fills_no_memory() {
    let origin = Origin::script(|conn| {
        conn.send(pattern(LARGE));
    });
    let proxy = tcp("", "", &[&origin]);
    let before = proxy.rss();
    let mut clients: Vec<_> = (0..4).map(|_| plain(&proxy)).collect();
    for client in &mut clients {
        // the beginning only: the rest waits in the kernel, and where that is full, at the backend
        client.read_exact(&mut vec![0; 64 << 10]).unwrap();
    }
    let held = proxy.rss().saturating_sub(before);
    assert!(held < 8 << 20, "{held} bytes are held for {} slow readers", clients.len());
    for mut client in clients {
        let mut rest = Vec::with_capacity(LARGE);
        client.read_to_end(&mut rest).unwrap();
        assert!(rest == pattern(LARGE)[64 << 10..], "something was lost");
    }
}

#[test]
fn tls_may_end_here_and_begin_again_towards_the_backend() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let (site, inner) = (ca.sign(&dir, &["site.example"]), ca.sign(&dir, &["inner.example"]));
    let origin = Origin::script_tls(&inner.server(&[]), Conn::echo);
    let tls = format!("[listener.tls]\ncertificates = [{}]", site.toml());
    let towards = format!("[service.api.tls]\nserver_name = \"inner.example\"\nca = {:?}", ca.file(&dir));
    let proxy = tcp(&tls, &towards, &[&origin]);
    // what the listener does not name is not chosen: these bytes are no HTTP of ours
    let offers = ca.client(&["h2", "http/1.1"], None);
    let mut client = Client::connect_tls(proxy.address(), &offers, "site.example").unwrap();
    assert_eq!(client.alpn(), None);
    let large = pattern(1 << 20);
    client.send(&large[..1 << 18]);
    assert!(client.bytes(1 << 18) == large[..1 << 18]);
    client.send("bye");
    assert_eq!(client.bytes(3), b"bye");
    client.finish();
    assert!(client.is_closed());
}

#[test]
fn unix_sockets_serve_on_both_sides() {
    let dir = Scratch::new();
    let origin = Origin::script_unix(&dir.path().join("backend.sock"), Conn::echo);
    let toml = config(TCP, "", &[&origin]).replace("127.0.0.1:{port}", "unix:{dir}/tcp.sock");
    let proxy = Proxy::start(&toml);
    let mut client = Client::connect_unix(&proxy.path("tcp.sock"));
    let large = pattern(4 << 20);
    let mut writer = client.split();
    let writing = std::thread::spawn(move || writer.send(large));
    assert!(client.bytes(large.len()) == large);
    writing.join().unwrap();
}

#[test]
fn sessions_are_counted_and_logged() {
    let origin = Origin::script(Conn::echo);
    let proxy = Proxy::start(&(config(TCP, "", &[&origin]) + LOG));
    let mut client = proxy.client();
    client.send("12345");
    client.bytes(5);
    proxy.wait_for_metrics("evenkeel_client_connections{listener=\"web\"} 1");
    // a session that lasts is counted as it goes, not at its end
    proxy.wait_for_metrics("evenkeel_bytes_total{listener=\"web\",direction=\"in\"} 5");
    client.finish();
    assert!(client.is_closed());
    let line = proxy.logged();
    assert_eq!(line["protocol"], "TCP");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!((&line["bytes_received"], &line["bytes"], &line["end"]), (&5.into(), &5.into(), &"closed".into()));
    assert_eq!((&line["service"], &line["backend"]), (&"api".into(), &origin.address().into()));
    proxy.wait_for_metrics("code_class=\"ok\"} 1");
    let status = proxy.status();
    assert_eq!(status["services"]["api"]["stats_5m"]["succeeded"], 1, "{status}");
}

#[test]
fn a_client_keeps_its_side_of_a_split() {
    let greeting = |text: &'static str| {
        Origin::script(move |conn| {
            conn.send(text);
            conn.finish();
        })
    };
    let origins = [greeting("a"), greeting("b")];
    let split = "protocol = \"tcp\"\nproxy_protocol = \"accept\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n[[listener.route]]\n\
        split = [{ service = \"api\", weight = 1 }, { service = \"other\", weight = 1 }]\nsplit_by = \"client_ip\"\n";
    let other = format!("[[service.other.backend]]\naddress = \"{}\"\n", origins[1].address());
    let proxy = Proxy::start(&(config(split, "", &[&origins[0]]) + &other));
    let side = |client: usize| {
        let mut connection = proxy.client();
        connection.send(format!("PROXY TCP4 192.0.2.{client} 192.0.2.250 4711 80\r\n"));
        connection.bytes(1)
    };
    let first: Vec<_> = (0..40).map(side).collect();
    let second: Vec<_> = (0..40).map(side).collect();
    assert_eq!(first, second);
    assert!(first.contains(&b"a".to_vec()) && first.contains(&b"b".to_vec()));
}
