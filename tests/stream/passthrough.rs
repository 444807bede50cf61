//! TLS that is passed on by the name that the client asks for, and not decrypted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::support::certs::{Authority, hello};
use crate::support::{Client, Conn, Origin, PATIENCE, Proxy, Scratch};

/// What a backend of a name is: its certificate is for that name alone.
struct Sites {
    _dir: Scratch,
    a: Origin,
    b: Origin,
    other: Origin,
    proxy: Proxy,
    client: Arc<ClientConfig>,
}

fn sites(more: &str) -> Sites {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = |names: &[&str]| Origin::script_tls(&ca.sign(&dir, names).server(&[]), Conn::echo);
    let (a, b, other) = (site(&["a.example"]), site(&["x.b.example"]), site(&["other.example", "localhost"]));
    let mut toml = format!("[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\nprotocol = \"tls\"\n{more}\n");
    for (host, service) in [("a.example", "a"), ("*.b.example", "b")] {
        toml += &format!("[[listener.route]]\nhost = \"{host}\"\nservice = \"{service}\"\n");
    }
    for (name, origin) in [("a", &a), ("b", &b), ("other", &other)] {
        toml += &format!("[[service.{name}.backend]]\naddress = \"{}\"\n", origin.address());
    }
    let proxy = Proxy::start(&toml);
    Sites { _dir: dir, a, b, other, proxy, client: ca.client(&[], None) }
}

impl Sites {
    /// A session with the backend whose certificate is for this name.
    fn reaches(&self, name: &str) {
        let mut client = Client::connect_tls(self.proxy.address(), &self.client, name).unwrap();
        client.send("hello");
        assert_eq!(client.bytes(5), b"hello");
    }
}

#[test]
fn each_name_goes_to_its_backend_whose_certificate_the_client_verifies() {
    let sites = sites("service = \"other\"");
    for name in ["a.example", "x.b.example", "other.example"] {
        sites.reaches(name);
    }
    assert_eq!([&sites.a, &sites.b, &sites.other].map(Origin::connections), [1, 1, 1]);
}

#[test]
fn a_name_that_nobody_has_is_told_so_in_the_words_of_tls() {
    let sites = sites("");
    let Err(error) = Client::connect_tls(sites.proxy.address(), &sites.client, "who.example") else {
        panic!("somebody answered");
    };
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
}

#[test]
fn a_hello_may_come_in_any_pieces() {
    let sites = sites("service = \"other\"");
    let hello = hello(&sites.client, "a.example");
    for piece in [1, 7, hello.len() / 2, hello.len() - 1] {
        let mut tcp = TcpStream::connect(sites.proxy.address()).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        hello.chunks(piece).for_each(|chunk| tcp.write_all(chunk).unwrap());
        let mut answer = [0; 6];
        tcp.read_exact(&mut answer).unwrap();
        // a handshake record that begins with a ServerHello: the backend got the hello whole
        assert_eq!((answer[0], answer[5]), (22, 2), "in pieces of {piece}");
    }
    assert_eq!(sites.a.connections(), 4);
}

#[test]
fn what_is_not_tls_reaches_nobody() {
    let sites = sites("service = \"other\"");
    for bytes in ["GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "\x16\x03\x01\x00\x05nonsense", "SSH-2.0-x\r\n"] {
        let mut client = sites.proxy.client();
        client.send(bytes);
        assert!(client.is_closed(), "{bytes:?}");
    }
    assert_eq!([&sites.a, &sites.b, &sites.other].map(Origin::connections), [0, 0, 0]);
}

#[test]
fn a_hello_that_does_not_come_is_waited_for_no_longer_than_header_timeout() {
    let sites = sites("service = \"other\"\nlimits = { header_timeout = \"1s\" }");
    let mut silent = sites.proxy.client();
    assert!(silent.is_closed());
    let mut half = sites.proxy.client();
    half.send(&hello(&sites.client, "a.example")[..40]);
    assert!(half.is_closed());
    sites.reaches("a.example");
}
