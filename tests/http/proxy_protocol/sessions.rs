//! Headers of sessions of Layer 4.

use super::*;
use crate::support::certs::hello;

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
    let hello = hello(&Authority::shared().client(&[], None), "site.example");
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
