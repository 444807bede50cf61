//! Headers from the load balancer in front.

use super::*;

#[test]
fn limits_for_each_client_are_those_of_whom_the_header_names() {
    let origin = Origin::ok();
    let limits = format!("{ACCEPT}\n[listener.client_limits]\nconnections = 1\n");
    let proxy = Proxy::start(&config(&limits, "", &[&origin]));
    let from = |client: &str| {
        let mut conn = proxy.client();
        conn.send(header(Version::V2, client, Tlvs::default()));
        conn
    };
    let mut first = from("192.0.2.1:5");
    assert_eq!(first.get("/x").status, 200);
    assert!(from("192.0.2.1:6").is_reset());
    assert_eq!(from("192.0.2.2:5").get("/x").status, 200);
    assert_eq!(first.get("/x").status, 200);
}

#[test]
fn the_client_is_whom_the_header_names() {
    for header in both("192.0.2.1:56324") {
        let origin = Origin::ok();
        let proxy = Proxy::start(&(config(ACCEPT, "", &[&origin]) + LOG));
        let mut client = proxy.client();
        client.send([&header[..], GET.as_bytes()].concat());
        assert_eq!(client.response().text(), "ok");
        assert_eq!(client.get("/y").text(), "ok");
        for request in origin.requests() {
            assert_eq!(request.field("x-forwarded-for"), Some("192.0.2.1"));
            assert_eq!(request.field("forwarded"), Some("for=192.0.2.1;host=a;proto=http"));
        }
        wait_until("the access log is written", || proxy.log().len() == 2);
        let log = proxy.log();
        assert!(log.iter().all(|line| line.contains("\"client\":\"192.0.2.1\"")), "{log:?}");
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
    let limits = "[listener.limits]\nheader_timeout = \"1s\"";
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
