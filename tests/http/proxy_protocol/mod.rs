//! PROXY headers, from trusted peers and to backends.

mod backends;
mod peers;
mod sessions;

use std::io::Read as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use evenkeel::layer4::proxy_protocol::decode::{decode, length};
use evenkeel::layer4::proxy_protocol::encode::encode;
use evenkeel::layer4::proxy_protocol::tlv::{self, Builder};
use evenkeel::layer4::proxy_protocol::{Endpoints, Header, Tlvs, Transport, Version};

use crate::support::certs::Authority;
use crate::support::h2::{self, get};
use crate::support::{Client, Conn, GET, LOG, OK, Origin, PATIENCE, Proxy, Scratch, config, wait_until};

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
    proxy.metric(&format!("evenkeel_proxy_protocol_refused_total{{listener=\"web\",reason=\"{reason}\"}} "))
}

fn client(address: &str) -> Option<SocketAddr> {
    address.parse().ok()
}
