//! TLS on either side.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SignatureScheme};

use crate::support::certs::{Authority, Identity, blind};
use crate::support::h2::{self, get};
use crate::support::{Client, LOG, OK, Origin, Proxy, Scratch, config};

/// A listener with these certificates, and further keys of `[listener.tls]`.
fn listener(identities: &[&Identity], more: &str) -> String {
    let certificates: Vec<String> = identities.iter().map(|identity| identity.toml()).collect();
    format!("[listener.tls]\ncertificates = [{}]\n{more}\n", certificates.join(", "))
}

/// What a client that speaks HTTP/1.1 gets for a GET to `host`, having asked for `sni`.
fn get_as(proxy: &Proxy, client: &Arc<ClientConfig>, sni: &str, host: &str) -> u16 {
    let mut client = Client::connect_tls(proxy.address(), client, sni).unwrap();
    client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.response().status
}

/// A service whose one backend speaks TLS as `identity`, verified as `localhost`.
fn to_backend(origin: &Origin, tls: &str) -> Proxy {
    Proxy::start(&config("", &format!("[service.api.tls]\n{tls}\n"), &[origin]))
}

fn backend(identity: &Identity) -> Origin {
    Origin::script_tls(&identity.server(&[]), |conn| while conn.request().is_ok() && conn.send(OK) {})
}

#[test]
fn http_1_over_tls_is_served() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener(&[&site], ""), "", &[&origin]));
    for alpn in [&[][..], &["http/1.1"]] {
        let mut client = Client::connect_tls(proxy.address(), &ca.client(alpn, None), "site.example").unwrap();
        for _ in 0..3 {
            client.send("GET /x HTTP/1.1\r\nHost: site.example\r\n\r\n");
            assert_eq!(client.response().text(), "ok");
        }
    }
    let request = &origin.requests()[0];
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    assert_eq!(request.field("forwarded"), Some("for=127.0.0.1;host=site.example;proto=https"));
}

#[test]
fn http_2_over_tls_is_chosen_by_alpn() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener(&[&site], ""), "", &[&origin]));
    h2::run(async {
        let config = ca.client(&["h2", "http/1.1"], None);
        let client = h2::Client::connect_tls(proxy.address(), &config, "site.example").await.unwrap();
        let answer = client.call(get("https://site.example/x"), "").await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    });
    assert_eq!(origin.request().field("x-forwarded-proto"), Some("https"));
}

#[test]
fn large_bodies_pass_over_tls() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let body = "t".repeat(3_000_000);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let origin = Origin::answering(answer);
    let proxy = Proxy::start(&config(&listener(&[&site], ""), "", &[&origin]));
    let mut client = Client::connect_tls(proxy.address(), &ca.client(&[], None), "site.example").unwrap();
    client.send(format!("POST /x HTTP/1.1\r\nHost: site.example\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert!(client.response().text() == body);
    assert!(origin.request().body == body.as_bytes());
}

#[test]
fn the_certificate_is_chosen_by_sni() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let (one, two, any) =
        (ca.sign(&dir, &["one.example"]), ca.sign(&dir, &["two.example"]), ca.sign(&dir, &["*.any.example"]));
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener(&[&one, &two, &any], ""), "", &[&origin]));
    let client = ca.client(&[], None);
    let shown = |sni| Client::connect_tls(proxy.address(), &client, sni).unwrap().certificate();
    assert_eq!(shown("one.example"), one.chain.as_ref());
    assert_eq!(shown("two.example"), two.chain.as_ref());
    assert_eq!(shown("TWO.example"), two.chain.as_ref());
    assert_eq!(shown("x.any.example"), any.chain.as_ref());
    // the first one is shown for a name that nobody has, and the client does not like it
    assert!(Client::connect_tls(proxy.address(), &client, "three.example").is_err());
}

#[test]
fn of_two_certificates_for_a_name_each_client_gets_the_one_that_it_can_verify() {
    const RSA: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;
    const EC: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let names = ["site.example", "*.any.example"];
    let (rsa, ec) = (ca.sign_rsa(&dir, &names), ca.sign(&dir, &names));
    let origin = Origin::ok();
    for order in [[&rsa, &ec], [&ec, &rsa]] {
        let proxy = Proxy::start(&config(&listener(&order, ""), "", &[&origin]));
        let shown = |schemes: &[SignatureScheme], version, sni| {
            Client::connect_tls(proxy.address(), &blind(schemes, &[version]), sni).unwrap().certificate()
        };
        for version in [&TLS13, &TLS12] {
            // the last two are names that no certificate has, and a client that names nobody
            for sni in ["site.example", "x.any.example", "other.example", "127.0.0.1"] {
                assert_eq!(shown(&[RSA], version, sni), rsa.chain.as_ref(), "{sni} {version:?}");
                assert_eq!(shown(&[EC], version, sni), ec.chain.as_ref(), "{sni} {version:?}");
                assert_eq!(shown(&[RSA, EC], version, sni), ec.chain.as_ref(), "{sni} {version:?}");
            }
        }
        assert_eq!(get_as(&proxy, &ca.client(&[], None), "site.example", "x.any.example"), 200);
    }
}

#[test]
fn a_host_that_is_not_the_certificate_s_is_misdirected() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let (one, two) = (ca.sign(&dir, &["one.example", "alias.example"]), ca.sign(&dir, &["two.example"]));
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener(&[&one, &two], ""), "", &[&origin]));
    let client = ca.client(&[], None);
    assert_eq!(get_as(&proxy, &client, "one.example", "one.example"), 200);
    assert_eq!(get_as(&proxy, &client, "one.example", "ONE.example:443"), 200);
    assert_eq!(get_as(&proxy, &client, "one.example", "one.example."), 200, "the same name, fully qualified");
    assert_eq!(get_as(&proxy, &client, "one.example", "alias.example"), 200);
    assert_eq!(get_as(&proxy, &client, "one.example", "two.example"), 421);
    assert_eq!(get_as(&proxy, &client, "two.example", "one.example"), 421);
    assert_eq!(origin.requests().len(), 4);
    h2::run(async {
        let client = ca.client(&["h2"], None);
        let client = h2::Client::connect_tls(proxy.address(), &client, "one.example").await.unwrap();
        assert_eq!(client.call(get("https://two.example/x"), "").await.status, 421);
        assert_eq!(client.call(get("https://alias.example/x"), "").await.status, 200);
    });
}

#[test]
fn a_host_that_no_certificate_has_is_misdirected() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let one = ca.sign(&dir, &["one.example"]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener(&[&one], ""), "", &[&origin]));
    // a client that does not look at certificates gets through the handshake
    let client = blind(&[SignatureScheme::ECDSA_NISTP256_SHA256], &[&TLS13]);
    assert_eq!(get_as(&proxy, &client, "other.example", "other.example"), 421);
    assert_eq!(
        get_as(&proxy, &client, "other.example", "one.example"),
        200,
        "its certificate is the one that is shown"
    );
    assert_eq!(get_as(&proxy, &client, "127.0.0.1", "127.0.0.1"), 200, "who names nobody in TLS is told nothing by it");
}

#[test]
fn a_certificate_with_an_address_is_for_that_address_too() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["localhost", "127.0.0.1", "2001:db8::1"]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener(&[&site], ""), "", &[&origin]));
    let client = ca.client(&[], None);
    for host in ["localhost", "127.0.0.1", "127.0.0.1:8443", "[2001:db8::1]", "[2001:db8:0::1]:443"] {
        assert_eq!(get_as(&proxy, &client, "localhost", host), 200, "{host}");
    }
    for host in ["127.0.0.2", "[2001:db8::2]", "[::ffff:127.0.0.1]", "0x7f.1"] {
        assert_eq!(get_as(&proxy, &client, "localhost", host), 421, "{host}");
    }
    h2::run(async {
        let client = ca.client(&["h2"], None);
        let client = h2::Client::connect_tls(proxy.address(), &client, "localhost").await.unwrap();
        assert_eq!(client.call(get("https://127.0.0.1:8443/x"), "").await.status, 200);
        assert_eq!(client.call(get("https://127.0.0.2/x"), "").await.status, 421);
    });
}

#[test]
fn client_certificates_are_required_where_it_says_so() {
    let dir = Scratch::new();
    let (ca, strangers) = (Authority::new(), Authority::new());
    let site = ca.sign(&dir, &["site.example"]);
    let (friend, stranger) = (ca.sign(&dir, &["friend.example"]), strangers.sign(&dir, &["stranger.example"]));
    let more = format!("client_auth = \"required\"\nclient_ca = {:?}", ca.file(&dir));
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener(&[&site], &more), "", &[&origin]));
    assert_eq!(get_as(&proxy, &ca.client(&[], Some(&friend)), "site.example", "site.example"), 200);
    for config in [ca.client(&[], None), ca.client(&[], Some(&stranger))] {
        // in TLS 1.3 a client learns that it is refused when it reads
        if let Ok(mut client) = Client::connect_tls(proxy.address(), &config, "site.example") {
            let _ = client.try_send("GET /x HTTP/1.1\r\nHost: site.example\r\n\r\n");
            assert_eq!(client.broken_response().0.status, 0);
        }
    }
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn client_certificates_may_be_left_out_where_they_are_optional() {
    let dir = Scratch::new();
    let (ca, strangers) = (Authority::new(), Authority::new());
    let site = ca.sign(&dir, &["site.example"]);
    let stranger = strangers.sign(&dir, &["stranger.example"]);
    let more = format!("client_auth = \"optional\"\nclient_ca = {:?}", ca.file(&dir));
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener(&[&site], &more), "", &[&origin]));
    assert_eq!(get_as(&proxy, &ca.client(&[], None), "site.example", "site.example"), 200);
    if let Ok(mut client) = Client::connect_tls(proxy.address(), &ca.client(&[], Some(&stranger)), "site.example") {
        let _ = client.try_send("GET /x HTTP/1.1\r\nHost: site.example\r\n\r\n");
        assert_eq!(client.broken_response().0.status, 0);
    }
}

#[test]
fn plain_http_on_a_tls_port_is_told_so_and_goes_nowhere() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let origin = Origin::ok();
    let proxy = Proxy::start(&(config(&listener(&[&site], ""), "", &[&origin]) + LOG));
    let mut client = proxy.client();
    let answer = client.get("/plain");
    assert_eq!((answer.status, answer.field("proxy-status")), (400, Some("evenkeel; error=http_request_error")));
    assert!(answer.text().contains("The plain HTTP request was sent to HTTPS port"), "{answer:?}");
    let line = proxy.logged();
    assert_eq!((&line["status"], &line["target"]), (&400.into(), &"/plain".into()));
    assert_eq!(line["failure"], "the plain HTTP request was sent to an HTTPS port");
    let mut other = proxy.client();
    other.send("\x01\x02\x03 neither");
    assert!(other.ends());
    assert_eq!(get_as(&proxy, &ca.client(&[], None), "site.example", "site.example"), 200);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_handshake_that_stalls_is_closed() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let origin = Origin::ok();
    let limits = "[listener.limits]\nheader_timeout = \"300ms\"\n";
    let proxy = Proxy::start(&config(&(listener(&[&site], "") + limits), "", &[&origin]));
    let mut client = proxy.client();
    client.send(b"\x16\x03\x01");
    assert!(client.is_closed());
}

#[test]
fn a_backend_s_certificate_is_verified() {
    let dir = Scratch::new();
    let (ca, strangers) = (Authority::new(), Authority::new());
    let ca_file = ca.file(&dir);
    let trusted = format!("ca = {ca_file:?}\nserver_name = \"backend.example\"");
    let good = backend(&ca.sign(&dir, &["backend.example"]));
    let proxy = to_backend(&good, &trusted);
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "ok");
    assert_eq!(client.get("/x").text(), "ok");
    assert_eq!(good.connections(), 1, "a TLS connection is kept as any other");

    for wrong in [ca.sign(&dir, &["other.example"]), strangers.sign(&dir, &["backend.example"])] {
        let origin = backend(&wrong);
        let answer = to_backend(&origin, &trusted).client().get("/x");
        assert_eq!((answer.status, answer.field("proxy-status")), (502, Some("evenkeel; error=tls_certificate_error")));
        assert!(origin.requests().is_empty());
        // unless it is said that anything goes
        let unverified = "verify = false\nserver_name = \"backend.example\"";
        assert_eq!(to_backend(&origin, unverified).client().get("/x").status, 200);
    }
}

#[test]
fn the_systems_authorities_are_read_again_at_a_reload() {
    let dir = Scratch::new();
    let (old, new) = (Authority::new(), Authority::new());
    let origin = backend(&new.sign(&dir, &["backend.example"]));
    let store = old.file(&dir);
    let toml = config("", "[service.api.tls]\nserver_name = \"backend.example\"\n", &[&origin]);
    let proxy = Proxy::start_with(&toml, |command| _ = command.env("SSL_CERT_FILE", &store));
    let answer = proxy.client().get("/x");
    assert_eq!((answer.status, answer.field("proxy-status")), (502, Some("evenkeel; error=tls_certificate_error")));
    let reload = || assert_eq!(proxy.admin_call("POST", "/api/v1/reload", "").unwrap().status, 200);
    new.file(&dir);
    reload();
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "ok");
    // a store that is as it was makes no connection worse than it was
    let before = origin.connections();
    reload();
    assert_eq!(client.get("/x").text(), "ok");
    assert_eq!(origin.connections(), before);
    // nobody is trusted any more for having been
    old.file(&dir);
    reload();
    assert_eq!(client.get("/x").status, 502);
}

#[test]
fn a_backend_that_does_not_speak_tls_is_a_502() {
    let dir = Scratch::new();
    let origin = Origin::script(|conn| {
        conn.some();
        conn.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let proxy = to_backend(&origin, &format!("ca = {:?}\nserver_name = \"b\"", Authority::shared().file(&dir)));
    let answer = proxy.client().get("/x");
    assert_eq!((answer.status, answer.field("proxy-status")), (502, Some("evenkeel; error=tls_protocol_error")));
}

#[test]
fn a_backend_chooses_its_protocol_by_alpn() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let id = ca.sign(&dir, &["backend.example"]);
    let tls = format!("[service.api.tls]\nca = {:?}\nserver_name = \"backend.example\"\n", ca.file(&dir));
    // a backend that would rather have h2 is asked for HTTP/1.1 only
    let origin =
        Origin::script_tls(&id.server(&["h2", "http/1.1"]), |conn| while conn.request().is_ok() && conn.send(OK) {});
    let proxy = Proxy::start(&config("", &format!("protocol = \"http1\"\n{tls}"), &[&origin]));
    assert_eq!(proxy.client().get("/x").text(), "ok");
    // and one that has no h2 is spoken to in HTTP/1.1 where either will do
    let origin = Origin::script_tls(&id.server(&["http/1.1"]), |conn| while conn.request().is_ok() && conn.send(OK) {});
    let proxy = Proxy::start(&config("", &format!("protocol = \"auto\"\n{tls}"), &[&origin]));
    assert_eq!(proxy.client().get("/x").text(), "ok");
}

#[test]
fn half_an_answer_over_tls_is_never_taken_for_a_whole_one() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    let proxy = Proxy::start(&config(&listener(&[&site], ""), "", &[&origin]));
    // HTTP/1.0: the body ends with the connection, and TLS says whether that was meant
    let mut client = Client::connect_tls(proxy.address(), &ca.client(&[], None), "site.example").unwrap();
    client.send("GET /x HTTP/1.0\r\nHost: site.example\r\n\r\n");
    assert!(client.broken_response().1.is_some());
}
